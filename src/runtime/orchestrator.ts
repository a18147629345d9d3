/**
 * The orchestrator: the façade that users hold. It submits, waits, looks and steps in; the worker runs.
 *
 * Invariants
 * - It answers for a saga only what is durable.
 * - It installs no signal handlers, and after `close` it holds nothing that keeps the process alive.
 */
import { type Duration, duration } from '../core/duration.js'
import { BadInputError, SagaStateError } from '../core/errors.js'
import { isEnded, type State } from '../core/index.js'
import {
  anonymous,
  type Definition,
  type ListOutputs,
  type ListStep,
  type Logger,
} from '../definition/index.js'
import type { Health, Store } from '../store/store.js'
import { storeAt } from './address.js'
import { Announcer, type Named } from './announcer.js'
import type { AroundCall } from './calls.js'
import { type Clock, clockOf } from './clock.js'
import type { SagaOfCall } from './context.js'
import { outcomeOf } from './ending.js'
import type { Events, Listener } from './events.js'
import type { Departure, Execution } from './execution.js'
import { type Added, Facts } from './facts.js'
import { GroupCommit } from './group-commit.js'
import { handleOf, type SagaHandle } from './handle.js'
import { LateSuccesses } from './late.js'
import { defaultLogger, guarded, silent } from './log.js'
import {
  type ByWhom,
  type ListOptions,
  Operators,
  type Page,
  type PruneOptions,
  type RebindOptions,
  type ResolveOptions,
} from './operators.js'
import {
  type CheckedOptions,
  checkOptions,
  isDefinition,
  isStore,
  type OrchestratorOptions,
} from './options.js'
import { Outcomes } from './outcomes.js'
import { Registry } from './registry.js'
import { checkSubmitOptions, type SagaOptions, type SubmitOptions } from './submission.js'
import { Submitter } from './submitter.js'
import type { JournalEntry, SagaView } from './view.js'
import { Waits } from './waits.js'
import { Worker } from './worker.js'

export type { SagaHandle }

export interface RunOptions extends SagaOptions {
  /** Bounds the wait for the end, not the saga. */
  readonly wait?: Duration
}

type Together<Outputs> = { readonly [Step in keyof Outputs]: Outputs[Step] }

/** What is known of late successes when it closes has so long to be journaled, in ms. */
const lateWithin = 2_000

export class Orchestrator implements AsyncDisposable {
  readonly #store: Store
  readonly #clock: Clock
  readonly #commits: GroupCommit
  readonly #late: LateSuccesses
  readonly #operators: Operators
  readonly #submitter: Submitter
  readonly #waits: Waits
  readonly #outcomes: Outcomes
  readonly #worker: Worker | undefined
  readonly #announcer: Announcer
  readonly #registry = new Registry()
  readonly #calls: { around?: AroundCall } = {}
  #closing: Promise<void> | undefined

  /**
   * Opens a store and, unless told otherwise, goes on with everything unfinished in it.
   *
   * @param store an address (`memory:`, `sqlite:trips.db`) or a store object. Default `memory:`
   * @example await using orchestrator = await Orchestrator.open('sqlite:trips.db', { sagas: [bookTrip] })
   * @throws BadInputError for a bad option; StoreError if the store cannot be opened, is newer, corrupt, or unsafe
   */
  static async open(
    store: string | Store | OrchestratorOptions = 'memory:',
    options: OrchestratorOptions = {},
  ): Promise<Orchestrator> {
    if (typeof store === 'object' && !isStore(store)) return Orchestrator.open('memory:', store)
    const checked = checkOptions(options)
    const opened = typeof store === 'string' ? await storeAt(store) : store
    const logger = checked.log === false ? silent : guarded(checked.log ?? (await defaultLogger()))
    await opened.open({ create: checked.create })
    const orchestrator = new Orchestrator(opened, checked, logger)
    try {
      await orchestrator.#start(checked)
    } catch (error) {
      await orchestrator.close({ drain: 0 })
      throw error
    }
    return orchestrator
  }

  private constructor(store: Store, options: CheckedOptions, log: Logger) {
    const clock = clockOf(store, options.clock)
    this.#store = store
    this.#clock = clock
    this.#announcer = new Announcer(log)
    if (options.onStuck) this.#announcer.events.on('stuck', options.onStuck)
    this.#commits = new GroupCommit(store, clock, this.#announcer)
    const facts = new Facts(store, this.#commits, clock)
    const added = (fact: Added): void => this.#factAdded(fact)
    this.#operators = new Operators(store, this.#commits, facts, clock, added)
    this.#late = new LateSuccesses(facts, clock, {
      reopening: (saga) => this.#submitter.keep(saga),
      added,
      lost: (id, step, attempt, error) => this.#announcer.lateSuccessLost(id, step, attempt, error),
    })
    const registry = this.#registry
    const uid = clock.id()
    this.#worker = options.work ? this.#makeWorker(registry, options) : undefined
    const running = (n: number) => this.#worker?.runs(n)
    this.#waits = new Waits(store, clock, (n) => running(n) !== undefined)
    this.#outcomes = new Outcomes(store, clock, this.#waits, running)
    this.#submitter = new Submitter({
      store,
      commits: this.#commits,
      clock,
      registry,
      worker: this.#worker,
      uid,
      recorded: (id, { plan }, entries, at) => this.#announcer.recorded({ id, plan }, entries, at),
    })
  }

  #makeWorker(registry: Registry, options: CheckedOptions): Worker {
    const store = this.#store
    const announcer = this.#announcer
    const calls = this.#calls
    return new Worker(
      {
        store,
        registry,
        clock: this.#clock,
        commits: this.#commits,
        grace: options.grace,
        log: announcer.log,
        find: (n) => store.find({ n }),
        recorded: (execution, entries, at) => announcer.recorded(nameOf(execution), entries, at),
        stuck: (execution, failure) => announcer.stuck(nameOf(execution), failure),
        departed: (execution, how) => this.#departed(execution, how),
        landedLate: (saga, step, attempt, output) => this.#late.tell(saga, step, attempt, output),
        logFor: (saga, step, attempt) => announcer.logFor(nameOf(saga), step, attempt),
        refused: ({ id }, error) => announcer.writeRefused(id, error),
        forgetList: (uid) => registry.forgetList(uid),
        calls,
        leaseLost: (worker, running, why) => announcer.leaseLost(worker, running, why),
      },
      { concurrency: options.concurrency, lease: options.lease ?? store.lease },
    )
  }

  async #start(options: CheckedOptions): Promise<void> {
    for (const definition of options.sagas) this.#submitter.register(definition)
    const worker = this.#worker
    if (!worker) return
    this.#store.onHint?.(() => worker.hinted())
    await worker.start()
    this.#announcer.watchBlocked(this.#store, this.#clock)
  }

  // Submitting

  /**
   * Runs a saga to its end and returns the outputs of its steps, by name.
   *
   * @example const trip = await orchestrator.run(bookTrip, { from: 'OSL', to: 'LIS' })
   * @throws SagaRolledBackError once everything is rolled back; its `cause` is the original error
   * @throws SagaUnfinishedError when `wait` is over; the saga goes on
   * @throws SagaStateError (`PRUNED`) if a saga of this id has committed, and its outputs were pruned since
   * @throws BadInputError, SagaConflictError, StoreError, ClosedError
   */
  run(steps: readonly ListStep<undefined>[]): Promise<ListOutputs>
  run<Outputs>(
    definition: Definition<undefined, Outputs>,
    input?: undefined,
    options?: RunOptions,
  ): Promise<Together<Outputs>>
  run<Input, Outputs>(
    definition: Definition<Input, Outputs>,
    input: Input,
    options?: RunOptions,
  ): Promise<Together<Outputs>>
  async run(
    given: Definition | readonly ListStep<undefined>[],
    input?: unknown,
    options?: RunOptions,
  ): Promise<unknown> {
    const definition = definitionOf(given)
    checkSubmitOptions(options, 'run')
    const wait = options?.wait === undefined ? undefined : duration(options.wait, 'wait')
    const outcome = await this.#outcomes.ofSubmit(
      (onStored) => this.#submitter.submit(definition, input, options, onStored),
      wait,
    )
    if (outcome.status === 'rolled_back') throw outcome.error
    if (outcome.pruned) throw pruned(outcome.pruned)
    return outcome.outputs
  }

  /**
   * Stores a saga; it is durable once this resolves. With `tx` it is part of your own transaction, and durable once that commits.
   *
   * @example const handle = await orchestrator.submit(bookTrip, input, { id: 'order-7' })
   * @example await orchestrator.submit(bookTrip, input, { tx: client })   // client: a pg client after BEGIN
   * @throws BadInputError, SagaConflictError (the id is taken by another), StoreError, ClosedError
   */
  submit<Outputs>(
    definition: Definition<undefined, Outputs>,
    input?: undefined,
    options?: SubmitOptions,
  ): Promise<SagaHandle<Together<Outputs>>>
  submit<Input, Outputs>(
    definition: Definition<Input, Outputs>,
    input: Input,
    options?: SubmitOptions,
  ): Promise<SagaHandle<Together<Outputs>>>
  async submit(given: Definition, input?: unknown, options?: SubmitOptions): Promise<SagaHandle<unknown>> {
    const definition = definitionOf(given)
    checkSubmitOptions(options, 'submit')
    const stored = await this.#submitter.submit(definition, input, options)
    return handleOf(stored.id, stored.created, this, (onEnd) => this.#outcomes.of(stored, onEnd))
  }

  /** Makes a definition known here, as `open` does: sagas of it that wait go on. @throws DefinitionError */
  offer(definition: Definition): void {
    this.#submitter.register(definition)
  }

  /** What this process offers by name, the newest last. */
  definitions(): readonly Definition[] {
    return this.#registry.named
  }

  // Looking and stepping in

  /** One saga, or undefined: what its steps have come to, and what it waits for. */
  get(id: string): Promise<SagaView | undefined> {
    return this.#operators.get(id)
  }

  /** Sagas in pages, newest first. @example (await orchestrator.list({ stuck: true })).sagas */
  list(options?: ListOptions): Promise<Page> {
    return this.#operators.list(options)
  }

  /** Everything that happened to a saga, in order; undefined if there is none of this id. */
  journal(id: string): Promise<readonly JournalEntry[] | undefined> {
    return this.#operators.journal(id)
  }

  /**
   * Turns a saga back. At once if it is queued; otherwise the rollbacks run.
   *
   * @throws SagaStateError `NOT_FOUND`, `ENDED`, `PAST_PIVOT`
   */
  cancel(id: string, reason: string, by?: ByWhom): Promise<'cancelled' | 'already_rolling_back'> {
    return this.#operators.cancel(id, reason, by)
  }

  /** Ends the wait for the next attempt. @throws SagaStateError `NOT_FOUND`, `ENDED` */
  retryNow(id: string, by?: ByWhom): Promise<void> {
    return this.#operators.retryNow(id, by)
  }

  /**
   * Settles a step by hand: its effect was undone, or it stands. The journal keeps who said so, and why.
   *
   * @throws SagaStateError `NOT_FOUND`, `ENDED`, `NOT_RESOLVABLE`
   */
  resolve(id: string, step: string, options: ResolveOptions): Promise<void> {
    return this.#operators.resolve(id, step, options)
  }

  /**
   * Moves an unfinished saga to another version of its definition, whose steps begin like those it has begun.
   *
   * @throws SagaStateError `NOT_FOUND`, `ENDED`, `NOT_REBINDABLE`
   */
  rebind(id: string, version: string, by?: RebindOptions): Promise<void> {
    return this.#operators.rebind(id, version, by)
  }

  /** Forgets ended sagas but for a tombstone each, so that a late duplicate does not run again. Returns how many. */
  prune(options?: PruneOptions): Promise<number> {
    return this.#operators.prune(options)
  }

  /** Counts by status, the workers, and what is wrong with the store. */
  health(): Promise<Health> {
    return this.#operators.health()
  }

  /** Watches. Returns the function that ends it. @example orchestrator.on('stuck', ({ saga, step }) => page(saga.id, step)) */
  on<Name extends keyof Events>(name: Name, listener: Listener<Name>): () => void {
    return this.#announcer.events.on(name, listener)
  }

  /** Makes every call of a step's functions within `around`, such as a span. It must call `run` once, at once, and return its answer. */
  aroundCalls(around: AroundCall): void {
    this.#calls.around = around
  }

  // What happened

  #departed(execution: Execution, how: Departure): void {
    const { n, id, state, thrown } = execution
    // Parked or lost, another process may end it: whoever waits has to look.
    if (how !== 'ended') return this.#waits.gone()
    if (this.#waits.isAwaited(n)) this.#waits.ended(n, outcomeOf(id, state, thrown), execution)
    if (isEnded(state)) this.#announcer.ended(nameOf(execution), endOf(state))
  }

  #factAdded({ saga, state, entries, at }: Added): void {
    if (entries.length === 0) return
    this.#announcer.recorded({ id: saga.id, plan: saga.definition }, entries, at)
    if (isEnded(state)) {
      this.#submitter.forget(state.uid)
      this.#waits.ended(saga.n, outcomeOf(saga.id, state))
    }
    this.#worker?.runs(saga.n)?.notice()
    this.#worker?.claim()
  }

  // The end

  /**
   * Stops claiming, gives what runs `drain` (default 10 s) to end, and closes the store. Unfinished sagas go on when it is opened again.
   * Waits that are left reject with ClosedError (`CLOSED`).
   */
  close(options: { readonly drain?: Duration } = {}): Promise<void> {
    this.#closing ??= this.#close(duration(options.drain ?? '10s', 'drain'))
    return this.#closing
  }

  async #close(drain: number): Promise<void> {
    this.#submitter.close()
    this.#outcomes.close()
    this.#announcer.stop()
    await this.#worker?.stop(drain)
    await this.#late.close(lateWithin)
    this.#waits.close()
    this.#commits.stop()
    await this.#store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const nameOf = ({ id, state }: SagaOfCall): Named => ({ id, plan: state.plan })

const endOf = ({ status }: State): 'committed' | 'rolled_back' =>
  status === 'committed' ? 'committed' : 'rolled_back'

function definitionOf(given: unknown): Definition {
  if (Array.isArray(given)) return anonymous(given as readonly ListStep<undefined>[]) as Definition
  if (isDefinition(given)) return given
  throw new BadInputError(
    'the first argument is no definition',
    'pass what saga(…) returned, or a list of steps',
  )
}

const pruned = (sagaId: string): SagaStateError =>
  new SagaStateError(`saga ${sagaId} has committed, and its outputs were pruned since`, {
    code: 'PRUNED',
    sagaId,
    hint: 'it must not run again; prune later, or keep the outputs that you need',
  })
