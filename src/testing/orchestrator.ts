/**
 * An orchestrator in memory whose time a test moves: the one that ships, over a memory store and a fake clock.
 *
 * Invariants
 * - Nothing happens by itself but what needs no time: a wait lasts until `tick`, however long it is.
 * - The store outlives the process: after `crash` another orchestrator goes on with what was stored.
 */
import { type Duration, duration } from '../core/duration.js'
import type { Definition } from '../definition/definition.js'
import { checkNames, isDefinition, type OrchestratorOptions } from '../runtime/options.js'
import { Orchestrator, type RunOptions } from '../runtime/orchestrator.js'
import type { Store } from '../store/store.js'
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

/**
 * An orchestrator for tests, whose time stands still until it is moved.
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

  /** Throws BadInputError for a bad option. */
  static async open(options: TestOrchestratorOptions = {}): Promise<TestOrchestrator> {
    checkNames(options, names, 'TestOrchestrator.open')
    const test = new TestOrchestrator(options)
    await test.#open()
    return test
  }

  private constructor(options: TestOrchestratorOptions) {
    const { seed, now } = options
    this.clock = new FakeClock({ ...(seed !== undefined && { seed }), ...(now !== undefined && { now }) })
    this.store = Object.assign(memoryStore({ now: this.clock.now }), { poll })
    this.#options = options
    this.#process = new ProcessClock(this.clock)
  }

  /** The one that is alive now. */
  get orchestrator(): Orchestrator {
    if (!this.#orchestrator) throw new Error('it is closed')
    return this.#orchestrator
  }

  /** Moves the time on, and lets everything happen that is due on the way. Without `time`: to the next thing that is due. */
  async tick(time?: Duration): Promise<void> {
    if (time !== undefined) return this.clock.advance(duration(time, 'time'))
    await this.clock.next()
  }

  /** Jumps from one due thing to the next until `promise` settles; returns what it came to. */
  until<T>(promise: Promise<T>): Promise<T> {
    return this.clock.until(promise)
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

  /** The process dies at once, whatever it is doing, and another one opens the store. `sagas`: what that one knows. */
  async crash(sagas: readonly Definition[] = this.#options.sagas ?? []): Promise<void> {
    this.#process.kill()
    const { workers } = await this.store.health()
    await this.store.apply(workers.map(({ worker }) => ({ type: 'leave', worker })))
    this.#process = new ProcessClock(this.clock)
    await this.#open(sagas.filter(isDefinition))
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

  async #open(sagas = this.#options.sagas ?? []): Promise<void> {
    const { seed: _seed, now: _now, log = false, ...options } = this.#options
    this.#orchestrator = await Orchestrator.open(this.store, {
      ...options,
      sagas,
      log,
      lease,
      clock: this.#process,
    })
  }
}
