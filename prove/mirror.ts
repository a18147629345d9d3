/**
 * What is known of one saga from what its store has really applied, and the laws of its journal (P3, P4, P5, P9), held at each write.
 *
 * Invariant: nothing here comes from an orchestrator's memory; the core only says what a journal means.
 */
import type { Chunk, Entry, Failed } from '#dist/core/entry.js'
import { begin, evolve, isEnded, isStuck } from '#dist/core/index.js'
import type { Plan } from '#dist/core/plan.js'
import type { State } from '#dist/core/state.js'
import type { AppendWrite, Stage, Summary } from '#dist/store/store.js'

export type Complain = (promise: string, what: string) => void

export class Mirror {
  readonly n: number
  readonly id: string
  readonly uid: string
  readonly keys: readonly string[] | null
  readonly deadline: number | null
  readonly chunks: Chunk[] = []
  plan: Plan
  state: State
  /** Before the last chunk: it may be overwritten. */
  #before: State
  token = 0
  owner: string | null = null
  stage: Stage = 'waiting'
  /** By the store's clock: nobody may claim it before. */
  due: number | null = null
  stuck = false
  pruned = false
  /** A late success has brought it back. */
  reopened = 0
  /** Numbers of chunks that were overwritten. */
  readonly #overwritten = new Set<number>()
  readonly #complain: Complain

  constructor(
    plan: Plan,
    row: { n: number; id: string; uid: string; keys: readonly string[] | null; deadline: number | null },
    chunk: Chunk,
    complain: Complain,
  ) {
    this.n = row.n
    this.id = row.id
    this.uid = row.uid
    this.keys = row.keys
    this.deadline = row.deadline
    this.plan = plan
    this.#complain = (promise, what) => complain(promise, `${row.id}: ${what}`)
    const first = chunk.entries[0]
    if (first?.type !== 'submitted') throw new Error(`${row.id}: its journal begins with ${first?.type}`)
    this.state = this.#before = begin(plan, first)
    this.add(chunk, false)
  }

  get isEnded(): boolean {
    return isEnded(this.state)
  }

  /** A chunk has become durable. */
  add(chunk: Chunk, replaces: boolean): void {
    if (replaces) {
      this.state = this.#before
      this.#overwritten.add(chunk.seq)
    } else this.#before = this.state
    this.chunks[chunk.seq] = chunk
    for (const entry of chunk.entries) this.#record(entry, chunk.at, replaces)
  }

  /** From now on it follows another version. */
  rebind(plan: Plan): void {
    this.plan = plan
    const [first] = this.chunks
    const submitted = first?.entries[0]
    if (submitted?.type !== 'submitted') return
    this.state = begin(plan, submitted)
    for (const { entries, at } of this.chunks) {
      this.#before = this.state
      for (const entry of entries) this.state = evolve(this.state, entry, at)
    }
  }

  /** The row must say what the journal says. */
  summarise({ summary, token, seq }: AppendWrite, storeNow: number): void {
    if (!summary) return this.#checkRow({ stuck: this.stuck })
    // A fact may have been judged before the chunk in front of it was overwritten: the owner's next write puts the flag right.
    const isJudged = token !== null || !this.#overwritten.has(seq - 1)
    this.#checkRow(isJudged ? summary : { ...summary, stuck: isStuck(this.state) })
    this.stuck = summary.stuck
    const wasDone = this.stage === 'done'
    if (summary.stage === 'done') {
      this.stage = 'done'
      this.owner = null
      this.due = null
    } else if (wasDone) {
      this.stage = 'waiting'
      this.reopened++
    } else if (summary.dueIn !== null && !(token === null && this.owner !== null)) {
      this.owner = null
      this.due = this.stage === 'holding' ? storeNow + summary.dueIn : null
    }
  }

  #checkRow({ status, late, stuck, stage }: Partial<Summary>): void {
    const { state } = this
    // What has begun to hold runs, though nothing is written of it yet.
    const begins = status === 'running' && state.status === 'queued' && this.stage === 'holding'
    if (status !== undefined && status !== state.status && !begins)
      this.#complain('journal', `its row says ${status}, its journal ${state.status}`)
    if (late !== undefined && late !== state.late)
      this.#complain('journal', `its row says late: ${late}, its journal ${state.late}`)
    if (stuck !== isStuck(state))
      this.#complain('journal', `its row says stuck: ${stuck}, its journal ${isStuck(state)}`)
    if (stage !== undefined && (stage === 'done') !== isEnded(state))
      this.#complain('journal', `its row is ${stage} while it is ${state.status}`)
  }

  #record(entry: Entry, at: number, replaces: boolean): void {
    const before = this.state
    if (!replaces) this.#judge(entry, at)
    this.state = evolve(before, entry, at)
    this.#judgeChange(before, entry)
  }

  /** What may follow what is written. */
  #judge(entry: Entry, at: number): void {
    const { state } = this
    if (entry.type === 'started') return this.#judgeStart(entry)
    if (entry.type === 'failed') return this.#judgeFailure(entry, at)
    if (entry.type === 'rolling_back' && state.pastPivot)
      this.#complain('P9', `it turned back (${entry.reason}) behind its pivot`)
    if (entry.type === 'ended' && entry.status === 'committed' && state.wayBack)
      this.#complain('P9', 'it ended committed after the decision to roll back')
    if (entry.type === 'ended' && entry.status === 'rolled_back' && !state.wayBack)
      this.#complain('P9', 'it ended rolled_back without a decision')
  }

  #judgeStart({ step, direction, attempt }: Entry & { type: 'started' }): void {
    const { state } = this
    const index = state.plan.steps.findIndex(({ name }) => name === step)
    const now = state.steps[index]
    if (!now) return this.#complain('P3', `it starts ${step}, which is no step of ${state.plan.shape}`)
    const before = direction === 'commit' ? now.attempts : now.undoAttempts
    if (attempt !== before + 1)
      this.#complain('P5', `${direction} of ${step}: attempt ${attempt} follows attempt ${before}`)
    if (direction === 'commit' && state.wayBack)
      this.#complain('P3', `the commit of ${step} starts after the decision to roll back`)
    if (direction === 'rollback' && !state.wayBack)
      this.#complain('P3', `the rollback of ${step} starts before the decision`)
  }

  #judgeFailure({ step, direction, attempt, nextAt, cause, error }: Failed, at: number): void {
    const { plan, wayBack, pastPivot } = this.state
    const policy = plan.steps.find(({ name }) => name === step)
    if (!policy) return
    if (nextAt === undefined) {
      if (direction === 'rollback') this.#complain('P5', `the rollback of ${step} is given up`)
      if (direction === 'commit' && pastPivot && !wayBack)
        this.#complain('P5', `the commit of ${step} behind the pivot is given up`)
      return
    }
    // A crash waits from the attempt's start; a rollback that says pending waits as it likes.
    if ((cause !== 'thrown' && cause !== 'timeout') || error.code === 'PENDING') return
    const { min, max } = direction === 'commit' ? policy.retry : policy.rollbackRetry
    const wait = nextAt - at
    if (wait < Math.min(min, max) || wait > Math.max(min, max))
      this.#complain('P5', `${direction} of ${step} #${attempt}: a wait of ${wait} ms, of ${min} to ${max}`)
  }

  /** What no entry may ever take back. */
  #judgeChange(before: State, entry: Entry): void {
    const after = this.state
    if (before.wayBack && before.wayBack !== after.wayBack)
      this.#complain('P9', `${entry.type} took back the decision to roll back`)
    if (after.position < before.position) this.#complain('P3', `${entry.type} took back a position`)
    if (before.pastPivot && !after.pastPivot) this.#complain('P9', `${entry.type} took back the pivot`)
    for (let i = 0; i < before.steps.length; i++) {
      if (before.steps[i]?.doubt && !after.steps[i]?.doubt)
        this.#complain('P4', `${entry.type} took back the doubt in ${before.plan.steps[i]?.name}`)
    }
  }
}

/** What the services of a history say at most with `pending`, in ms. */
export const longestPending = 300
