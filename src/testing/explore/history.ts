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
import { type JournalEntry, stateOf, viewOf } from '../../runtime/view.js'
import { why } from '../../runtime/why.js'
import type { Result, Store, Summary, Write } from '../../store/store.js'
import { memoryStore } from '../../stores/memory/index.js'
import { FakeClock, TookTooLong } from '../clock.js'
import { said } from '../world.js'
import type { Choices, Direction, Fault, FaultKind, Point } from './faults.js'
import { isDeadline, latency, middleOf, waits } from './faults.js'
import { Life, type Surroundings } from './life.js'
import type { Teller } from './story.js'
import { judge, stuckText, type Verdict } from './verdict.js'

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

/** So many in a row, without a fault: it is taken for one that always fails. */
const manyFailures = 20
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
  /** Steps whose commit landed late, and when, that the journal does not know of yet. */
  readonly #untold = new Map<string, number>()
  readonly #faults: readonly Fault[]
  readonly #expected: readonly Point[]
  /** The point of the last fault: up to there everything is as it was before. */
  readonly #last: number
  readonly #points: Point[] = []
  readonly #start: number
  #met = 0
  /** Of calls since the last fault. */
  #failures = 0
  readonly #failed = new Map<string, number>()
  /** Only to be looked at; each process has its own. */
  readonly #definition: Definition
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
    this.#start = this.clock.now()
    this.#definition = given.define()
    this.store = memoryStore({ now: this.clock.now })
    this.#life = new Life(this)
  }

  async run(): Promise<History> {
    const { clock } = this
    this.#submit().catch((error: unknown) => this.fail(error))
    let unfinished: string | undefined
    try {
      await clock.when(() => this.#isOver(), manyTimers)
    } catch (error) {
      if (error instanceof TookTooLong) this.fail(tookTooLong(error))
      unfinished = said(error)
    } finally {
      this.#life.clock.kill()
    }
    if (this.#broken !== undefined) throw this.#broken
    const verdict = await this.#judge(unfinished)
    const status = this.#summary?.status
    return {
      faults: this.#faults,
      points: this.#points,
      verdict,
      status: status === 'committed' || status === 'rolled_back' ? status : undefined,
      took: clock.now() - this.#start,
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
    const isSubmit = entries[0]?.type === 'submitted'
    return this.#meet(writeText(entries), this.#given.choices.ofWrite(isSubmit, this.#untold.size > 0))
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
    const possible = this.#isPastDeadline ? kinds.filter((kind) => !isDeadline(kind)) : kinds
    const point = { what, now: this.clock.now(), kinds: possible, ...(wait !== undefined && { wait }) }
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

  /** From now; a deadline of the saga's own stays where it comes first. */
  get #deadline(): number | undefined {
    const passes = this.#faults.find(({ kind }) => isDeadline(kind))?.at
    if (passes === undefined) return undefined
    return Math.max(1, Math.min(passes - this.clock.now(), this.#definition.deadline ?? passes))
  }

  /** Whether a deadline of the saga's own has passed, or it has turned back: then no other one means anything. */
  get #isPastDeadline(): boolean {
    const own = this.#definition.deadline
    const passed = own !== undefined && this.clock.now() + 2 * latency >= this.#start + own
    return passed || this.#summary?.status === 'rolling_back'
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
  landsLate(step: string): void {
    this.#untold.set(step, this.clock.now())
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
    for (const entry of entries) this.#note(entry)
    this.teller?.written(entries, at)
    if (summary?.dueIn) this.#meetWait(summary.dueIn)
  }

  #note(entry: Entry): void {
    if (entry.type === 'late') this.#untold.delete(entry.step)
    if (entry.type !== 'failed') return
    // A write that overwrites the last one says again what that had said.
    const key = `${entry.direction} ${entry.step}`
    const isNew = entry.failures > (this.#failed.get(key) ?? 0)
    this.#failed.set(key, entry.failures)
    if (isNew && this.#met === this.#faults.length) this.#failures++
  }

  async #submit(): Promise<void> {
    const { input } = this.#given
    while (!this.#submitted) {
      const life = this.#life
      const deadline = this.#deadline
      const options = deadline === undefined ? { id: exploredId } : { id: exploredId, deadline }
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
    for (const since of this.#untold.values()) if (this.clock.now() - since < longestTelling) return true
    return false
  }

  /** It fails again and again, though no fault is left to come. */
  get #isStuck(): boolean {
    return this.#summary?.stuck === true && this.#failures >= manyFailures && this.#summary.stage !== 'done'
  }

  // How it ended

  async #judge(unfinished: string | undefined): Promise<Verdict> {
    const stored = await this.store.find({ id: exploredId })
    if (!stored || !('chunks' in stored)) return { is: 'endless', why: 'it was never stored' }
    const state = stateOf(stored, this.#definition)
    if (this.#isStuck) return { is: 'endless', why: stuckText(state) }
    if (unfinished !== undefined)
      return {
        is: 'endless',
        why: why(viewOf(stored, []), this.clock.now(), (await this.store.health()).workers),
      }
    const journal: JournalEntry[] = []
    for (const { seq, at, entries } of stored.chunks)
      for (const entry of entries) journal.push({ ...entry, seq, at })
    const { world, invariant } = this.#given
    const { status, input } = state
    return judge(invariant, { world, status, input, outputs: outputsOf(state), journal })
  }
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
