/**
 * An orchestrator in memory whose time a test moves: the one that ships, over a memory store and a fake clock.
 *
 * Invariants
 * - Nothing happens by itself but what needs no time: a wait lasts until `tick`, however long it is.
 * - The store outlives the process: after `crash` another orchestrator goes on with what was stored.
 */
import { type Duration, duration } from '../core/duration.js'
import { BackstepError, ClosedError } from '../core/errors.js'
import type { Definition } from '../definition/definition.js'
import { checkNames, type OrchestratorOptions } from '../runtime/options.js'
import { Orchestrator, type RunOptions } from '../runtime/orchestrator.js'
import { why } from '../runtime/why.js'
import type { Store, Write } from '../store/store.js'
import { memoryStore } from '../stores/memory/index.js'
import { FakeClock, type FakeClockOptions, ProcessClock } from './clock.js'

export interface TestOrchestratorOptions
  extends Pick<OrchestratorOptions, 'sagas' | 'concurrency' | 'grace' | 'onStuck' | 'log'>,
    Pick<FakeClockOptions, 'seed' | 'now'> {}

const names = ['sagas', 'concurrency', 'grace', 'onStuck', 'log', 'seed', 'now'] as const

/** A day: processes die here when a test says so, and are not taken for dead. */
const lease = 86_400_000
/** Seldom, so that `tick()` jumps to what matters. */
const poll = 600_000
/** What `tick()` looks through for something that is due, and `until` for an end, in timers. */
const longestTick = 1_000
const longestWait = 20_000

/** What a worker asks and says by itself, whether or not there is anything to do. */
const idle = new Set<Write['type']>(['join', 'renew', 'claim'])

/**
 * An orchestrator for tests, whose time stands still until it is moved.
 *
 * Steps that take real time (a timer, a request) are not waited for: time moves on under them. Keep what they call in memory.
 *
 * @example
 * await using test = await TestOrchestrator.open({ sagas: [bookTrip] })
 * const trip = await test.orchestrator.submit(bookTrip, input)
 * await test.tick('30s')
 * await expectRolledBack(trip)
 */
export class TestOrchestrator implements AsyncDisposable {
  readonly clock: FakeClock
  /** Survives crashes. */
  readonly store: Store
  readonly #options: TestOrchestratorOptions
  #process: ProcessClock
  #orchestrator: Orchestrator | undefined
  /** Crashes come one after the other. */
  #crashing: Promise<void> = Promise.resolve()
  /** Writes that something has happened with. */
  #events = 0

  /** Throws BadInputError for a bad option. */
  static async open(options: TestOrchestratorOptions = {}): Promise<TestOrchestrator> {
    checkNames(options, names, 'TestOrchestrator.open')
    const test = new TestOrchestrator(options)
    await test.#open(options.sagas)
    return test
  }

  private constructor(options: TestOrchestratorOptions) {
    const { seed, now } = options
    this.clock = new FakeClock({ ...(seed !== undefined && { seed }), ...(now !== undefined && { now }) })
    this.store = this.#watched(memoryStore({ now: this.clock.now }))
    this.#options = options
    this.#process = new ProcessClock(this.clock)
  }

  /** The one that is alive now. Throws ClosedError after `close`. */
  get orchestrator(): Orchestrator {
    if (!this.#orchestrator) throw new ClosedError('there is none')
    return this.#orchestrator
  }

  /**
   * Moves the time on, and lets everything happen that is due on the way. Without `time`: until the next thing happens, if
   * anything is due within hours.
   */
  async tick(time?: Duration): Promise<void> {
    if (time !== undefined) return this.clock.advance(duration(time, 'time'))
    const before = this.#events
    for (let timers = 0; timers < longestTick && this.#events === before; timers++) await this.clock.next()
  }

  /**
   * Jumps from one due thing to the next until `promise` settles; returns what it came to.
   *
   * @throws BackstepError (`NEVER_ENDS`) when nothing that could happen settles it, with what the sagas wait for
   */
  async until<T>(promise: Promise<T>): Promise<T> {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined
    promise.then(
      (value) => {
        outcome = { value }
      },
      (error: unknown) => {
        outcome = { error }
      },
    )
    for (let timers = 0; timers < longestWait; timers++) {
      await this.clock.settle()
      if (outcome) return promise
      await this.clock.next()
    }
    throw await this.#neverEnds()
  }

  /** As `orchestrator.run`, taking no time but the saga's own. */
  run<Input, Outputs>(
    definition: Definition<Input, Outputs>,
    ...[input, options]: undefined extends Input
      ? [input?: Input, options?: RunOptions]
      : [input: Input, options?: RunOptions]
  ): Promise<{ readonly [Step in keyof Outputs]: Outputs[Step] }> {
    return this.until(this.orchestrator.run(definition, input as Input, options))
  }

  /**
   * The process dies at once, whatever it is doing, and another one opens the store. Whoever waits for an answer of the dead one waits
   * for ever.
   *
   * @param sagas what the other one knows; by default what this one did
   */
  crash(sagas: readonly Definition[] | undefined = this.#options.sagas): Promise<void> {
    const crashed = this.#crashing.then(() => this.#crash(sagas))
    this.#crashing = crashed.catch(() => {})
    return crashed
  }

  async close(): Promise<void> {
    const orchestrator = this.#orchestrator
    this.#orchestrator = undefined
    if (orchestrator) await this.clock.until(orchestrator.close({ drain: 0 }))
    this.#process.kill()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #crash(sagas: readonly Definition[] | undefined): Promise<void> {
    if (!this.#orchestrator) throw new ClosedError('there is nothing to crash')
    this.#process.kill()
    const { workers } = await this.store.health()
    await this.store.apply(workers.map(({ worker }) => ({ type: 'leave', worker })))
    this.#process = new ProcessClock(this.clock)
    await this.#open(sagas)
  }

  async #open(sagas: readonly Definition[] = []): Promise<void> {
    const { seed: _seed, now: _now, log = false, ...options } = this.#options
    this.#orchestrator = await Orchestrator.open(this.store, {
      ...options,
      sagas,
      log,
      lease,
      clock: this.#process,
    })
  }

  #watched(store: Store): Store {
    const apply = store.apply.bind(store)
    return Object.assign(store, {
      poll,
      apply: (writes: readonly Write[]) => {
        if (writes.some(({ type }) => !idle.has(type))) this.#events++
        return apply(writes)
      },
    })
  }

  async #neverEnds(): Promise<BackstepError> {
    const { sagas } = await this.orchestrator.list({
      status: ['queued', 'running', 'rolling_back'],
      limit: 5,
    })
    const views = await Promise.all(sagas.map(({ id }) => this.orchestrator.get(id)))
    const lines = views.map((view) => (view ? `\n  ${view.id}: ${why(view, this.clock.now())}` : ''))
    return new BackstepError(
      `it has not settled, whatever time passed:${lines.join('') || ' no saga is unfinished'}`,
      {
        code: 'NEVER_ENDS',
        hint: 'look at what the saga waits for; a step that takes real time is not waited for here',
      },
    )
  }
}
