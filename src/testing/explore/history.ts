/**
 * One history of a saga: the real runtime over a memory store, in virtual time, with the given faults and no others.
 *
 * Invariants
 * - The same faults make the same history: its points come in the same order, and are what they were (`diverged` says otherwise).
 * - A call of the user's is one moment: it takes effect as a whole or not at all. Faults lie before it and after it.
 * - It ends when the saga has ended, every call that can still land has landed, and what follows from that has ended too.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Entry } from '../../core/entry.js'
import { BadInputError } from '../../core/errors.js'
import { outputsOf } from '../../core/index.js'
import type { StepPlan } from '../../core/plan.js'
import type { Definition } from '../../definition/definition.js'
import { type JournalEntry, stateOf } from '../../runtime/view.js'
import type { Result, Store, Summary, Write } from '../../store/store.js'
import { memoryStore } from '../../stores/memory/index.js'
import { FakeClock, TookTooLong } from '../clock.js'
import { said } from '../world.js'
import type { Choices, Direction, Fault, FaultKind, Point } from './faults.js'
import { isDeadline, middleOf, waits } from './faults.js'
import { Life, type Surroundings } from './life.js'
import type { Teller } from './story.js'

export interface Given {
  /** Called for each process: what the functions close over dies with it. */
  readonly define: () => Definition
  readonly input: unknown
  readonly world: unknown
  readonly invariant: (end: never) => unknown
  readonly choices: Choices
  /** Told of everything that happens; for the report. */
  readonly teller?: Teller
}

export type Verdict =
  | { readonly is: 'holds' }
  /** The invariant does not hold. */
  | { readonly is: 'broken'; readonly why: string; readonly cause: unknown }
  /** It has not ended, and never will. */
  | { readonly is: 'endless'; readonly why: string }

export interface History {
  readonly faults: readonly Fault[]
  readonly points: readonly Point[]
  readonly verdict: Verdict
  readonly status: 'committed' | 'rolled_back' | undefined
  /** Virtual ms. */
  readonly took: number
}

/** The id of the saga in every history. */
export const exploredId = 'explored'

/** A call that has not been given up by then never will be; a saga has far fewer timers. */
const manyTimers = 20_000
/** Until a new process is there after one has died, and until a client asks again, in ms. */
const restart = 20

/** A late landing is journaled by then, however often the store fails in a history, in ms. */
const longestTelling = 5_000

/** A point is not what it was when the same faults were first met. */
export class Diverged extends Error {}

export function runHistory(
  given: Given,
  faults: readonly Fault[],
  before?: readonly Point[],
): Promise<History> {
  return new Run(given, faults, before).run()
}

export class Run implements Surroundings {
  readonly teller: Teller | undefined
  readonly #given: Given
  readonly clock = new FakeClock({ quick: true })
  readonly store: Store
  /** Things that must still come before the history can be over. */
  #afloat = 0
  /** When a commit landed late that the journal does not know of yet. */
  #untold: number | undefined
  readonly #faults: readonly Fault[]
  readonly #expected: readonly Point[]
  /** The point of the last fault: up to there everything is as it was before. */
  readonly #last: number
  readonly #points: Point[] = []
  #met = 0
  #summary: Summary | undefined
  #life: Life
  #submitted = false
  #broken: unknown

  constructor(given: Given, faults: readonly Fault[], expected: readonly Point[] = []) {
    this.#given = given
    this.teller = given.teller
    this.#faults = faults
    this.#expected = expected
    this.#last = faults.at(-1)?.point ?? -1
    this.store = memoryStore({ now: this.clock.now })
    this.#life = new Life(this)
  }

  async run(): Promise<History> {
    const { clock } = this
    const start = clock.now()
    this.#submit().catch((error: unknown) => this.fail(error))
    let endless: string | undefined
    try {
      await clock.when(() => this.#isOver(), manyTimers)
    } catch (error) {
      if (error instanceof TookTooLong) this.fail(tookTooLong(error))
      endless = said(error)
    } finally {
      this.#life.clock.kill()
    }
    if (this.#broken !== undefined) throw this.#broken
    const verdict = endless === undefined ? await this.#judge() : this.#endless(endless)
    const status = this.#summary?.status
    return {
      faults: this.#faults,
      points: this.#points,
      verdict,
      status: status === 'committed' || status === 'rolled_back' ? status : undefined,
      took: clock.now() - start,
    }
  }

  define(): Definition {
    return this.#given.define()
  }

  // What happens at a point

  meetCall(what: string, direction: Direction, step: StepPlan): FaultKind | undefined {
    return this.#meet(what, this.#given.choices.ofCall(direction, step))
  }

  meetWrite(entries: readonly Entry[]): FaultKind | undefined {
    return this.#meet(writeText(entries), this.#given.choices.ofWrite(this.#untold !== undefined))
  }

  /** The saga has been put aside for a while. */
  #meetWait(wait: number): void {
    const fault = this.#meet('the wait for the next attempt', waits, wait)
    if (fault === undefined || fault === 'deadlineWait') return
    const done = this.float()
    this.clock.timer(middleOf(wait), () => {
      done()
      if (fault === 'crashWait') this.die()
      else this.cancel()
    })
  }

  #meet(what: string, kinds: readonly FaultKind[], wait?: number): FaultKind | undefined {
    const number = this.#points.length
    const point = { what, now: this.clock.now(), kinds, ...(wait !== undefined && { wait }) }
    this.#points.push(point)
    const expected = this.#expected[number]
    const next = this.#faults[this.#met]
    if (expected && number <= this.#last && expected.what !== what)
      this.fail(new Diverged(`at point ${number} came ${what}, and before it was ${expected.what}`))
    if (next?.point !== number) return undefined
    this.#met++
    this.teller?.fault(next, point)
    return next.kind
  }

  get #deadline(): number | undefined {
    const passes = this.#faults.find(({ kind }) => isDeadline(kind))?.at
    return passes === undefined ? undefined : Math.max(1, passes - this.clock.now())
  }

  cancel(): void {
    this.#life.orchestrator?.cancel(exploredId, 'explore').catch(() => {})
  }

  /** The process dies; another takes its place. */
  die(): void {
    const dead = this.#life
    if (dead.clock.isDead) return
    dead.kill()
    const back = this.float()
    this.clock.timer(restart, () => {
      back()
      this.#life = new Life(this)
      this.teller?.say('another process opens the store')
    })
  }

  /** The history is not over before the function that is returned has been called. */
  float(): () => void {
    let isAfloat = true
    this.#afloat++
    return () => {
      if (isAfloat) this.#afloat--
      isAfloat = false
    }
  }

  /** A commit takes effect after it was given up; its process is to tell it to the journal. */
  landsLate(): void {
    this.#untold = this.clock.now()
  }

  /** It is not the saga that failed: the exploration ends with this error. */
  fail(error: unknown): void {
    this.#broken ??= error
  }

  /** These writes are in the store. */
  applied(writes: readonly Write[], results: readonly Result[]): void {
    writes.forEach((write, i) => {
      const result = results[i]
      if (result?.type !== 'applied') return
      if (write.type === 'append') this.#wrote(write.entries, write.summary, write.at)
      if (write.type !== 'submit') return
      const start = result.token === undefined ? undefined : write.start
      this.#wrote(write.entries.concat(start?.entries ?? []), start?.summary, write.at)
    })
  }

  #wrote(entries: readonly Entry[], summary: Summary | undefined, at: number): void {
    if (summary) this.#summary = summary
    if (this.#untold !== undefined && entries.some(({ type }) => type === 'late')) this.#untold = undefined
    this.teller?.written(entries, at)
    if (summary?.dueIn) this.#meetWait(summary.dueIn)
  }

  async #submit(): Promise<void> {
    const { input } = this.#given
    const first = this.#deadline
    const options = first === undefined ? { id: exploredId } : { id: exploredId, deadline: first }
    while (!this.#submitted) {
      const life = this.#life
      const answer = await Promise.race([life.submit(input, options), life.died])
      if (answer === 'stored') this.#submitted = true
      else if (answer instanceof Error) return this.fail(answer)
      else await this.clock.sleep(restart)
    }
  }

  #isOver(): boolean {
    if (this.#broken !== undefined) return true
    if (this.#submitted && this.#isStuck) return true
    return this.#submitted && this.#afloat === 0 && !this.#isTelling && this.#summary?.stage === 'done'
  }

  /** A late landing that means nothing, because a later attempt stands, is never told. */
  get #isTelling(): boolean {
    return this.#untold !== undefined && this.clock.now() - this.#untold < longestTelling
  }

  /** No fault is left to come, and it fails again and again all the same. */
  get #isStuck(): boolean {
    return (
      this.#summary?.stuck === true && this.#met === this.#faults.length && this.#summary.stage !== 'done'
    )
  }

  // How it ended

  #endless(why: string): Verdict {
    return { is: 'endless', why: `it has not ended: ${why}` }
  }

  async #judge(): Promise<Verdict> {
    const stored = await this.store.find({ id: exploredId })
    if (!stored || !('chunks' in stored)) return { is: 'endless', why: 'it was never stored' }
    const state = stateOf(stored, this.define())
    if (this.#isStuck)
      return {
        is: 'endless',
        why: stuckText(
          state.plan.steps.map(({ name }) => name),
          state,
        ),
      }
    const journal: JournalEntry[] = []
    for (const { seq, at, entries } of stored.chunks)
      for (const entry of entries) journal.push({ ...entry, seq, at })
    const { world, input, invariant } = this.#given
    const end = { world, status: state.status, input, outputs: outputsOf(state), journal }
    return judge(invariant, end)
  }
}

async function judge(invariant: (end: never) => unknown, end: object): Promise<Verdict> {
  try {
    const answer = await invariant(end as never)
    if (answer === false) return { is: 'broken', why: 'the invariant said false', cause: undefined }
    if (typeof answer === 'string') return { is: 'broken', why: answer, cause: undefined }
    return { is: 'holds' }
  } catch (cause) {
    return { is: 'broken', why: cause instanceof Error ? cause.message : String(cause), cause }
  }
}

function stuckText(names: readonly string[], state: ReturnType<typeof stateOf>): string {
  const index = state.steps.findIndex(
    ({ undoFailures, commitFailures }) => undoFailures.stuck || commitFailures.stuck,
  )
  const step = state.steps[index]
  const failures = step?.undoFailures.stuck ? step.undoFailures : step?.commitFailures
  const what = step?.undoFailures.stuck ? 'rollback' : 'commit'
  const last = failures?.last
  return `the ${what} of ${names[index] ?? 'a step'} never succeeds: ${failures?.failures ?? 0} attempts${last ? `, the last: ${last.name}: ${last.message}` : ''}`
}

const tookTooLong = (cause: Error): BadInputError =>
  new BadInputError(
    'explore: a call of a step has not settled for 5 s, and virtual time stands still meanwhile',
    'keep the world in memory, without timers; a call that hangs is one of the faults, and need not be written',
    { cause },
  )

export const samePoints = (one: readonly Point[], other: readonly Point[]): boolean =>
  isDeepStrictEqual(
    one.map(({ what }) => what),
    other.map(({ what }) => what),
  )

const writeText = (entries: readonly Entry[]): string =>
  entries
    .map((entry) =>
      'step' in entry && entry.step !== undefined ? `${entry.step} ${entry.type}` : entry.type,
    )
    .join(', ')
