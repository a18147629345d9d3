/**
 * One process of a history: an orchestrator of its own, behind the faults, from its start to its death.
 *
 * Invariants
 * - After its death nothing is heard of it: its timers are gone, its store never answers, its calls have no effect any more,
 *   but for those that a fault lets land.
 * - Idle it looks seldom, so that a long wait is a few jumps.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Entry } from '../../core/entry.js'
import { InDoubt, Rejected } from '../../core/errors.js'
import type { StepPlan } from '../../core/plan.js'
import type { Definition, StepFunctions } from '../../definition/definition.js'
import { Orchestrator } from '../../runtime/orchestrator.js'
import type { Result, Store, Write } from '../../store/store.js'
import { type FakeClock, ProcessClock } from '../clock.js'
import { isThenable } from '../world.js'
import { type Direction, type FaultKind, latency } from './faults.js'
import type { Teller } from './story.js'

/** Longer than any history: processes die here, they are not taken for dead. */
const lease = 2 ** 50
/** Seldom: in most histories there is nothing to be found by looking, and each look is a jump in time. */
const poll = 5_000
/** Of every call, in ms. */
const grace = 2_000

/** What a call of the user's receives; handed on as it is. */
interface AnyContext {
  readonly attempt: number
  readonly signal: AbortSignal
}

const never = (): Promise<never> => new Promise(() => {})

/** The history around a process: it deals out the faults, and is told what happens. */
export interface Surroundings {
  readonly clock: FakeClock
  readonly store: Store
  readonly teller: Teller | undefined
  /** What a process that starts knows of the saga. */
  define(): Definition
  /** The fault that befalls this moment, if one does. */
  meetCall(what: string, direction: Direction, step: StepPlan): FaultKind | undefined
  meetWrite(entries: readonly Entry[]): FaultKind | undefined
  cancel(): void
  die(): void
  /** The history is not over before the function that is returned has been called. */
  float(): () => void
  /** A commit of this step takes effect after it was given up; its process is to tell it to the journal. */
  landsLate(step: string): void
  applied(writes: readonly Write[], results: readonly Result[]): void
  /** It is not the saga that failed: the exploration ends with this error. */
  fail(error: unknown): void
}

export class Life {
  readonly clock: ProcessClock
  readonly died: Promise<'died'>
  orchestrator: Orchestrator | undefined
  readonly #run: Surroundings
  readonly #opened: Promise<Orchestrator>
  readonly #definition: Definition
  #worker: string | undefined
  #tellDeath: (() => void) | undefined

  constructor(run: Surroundings) {
    this.#run = run
    this.clock = new ProcessClock(run.clock)
    this.died = new Promise((resolve) => {
      this.#tellDeath = () => resolve('died')
    })
    this.#definition = this.#behindFaults(run.define())
    this.#opened = this.#open()
    this.#opened.catch((error: unknown) => run.fail(error))
  }

  async #open(): Promise<Orchestrator> {
    const { clock } = this
    const sagas = [this.#definition]
    this.orchestrator = await Orchestrator.open(this.#store(), { sagas, clock, lease, grace, log: false })
    return this.orchestrator
  }

  /** `undefined`: nobody knows whether it was stored. An error: it never will be. */
  async submit(
    input: unknown,
    options: { readonly id: string; readonly deadline?: number },
  ): Promise<'stored' | Error | undefined> {
    const orchestrator = await this.#opened
    return orchestrator.submit(this.#definition, input, options).then(
      () => 'stored' as const,
      (error: Error & { code?: string }) => (error.code === 'STORE_UNAVAILABLE' ? undefined : error),
    )
  }

  kill(): void {
    this.clock.kill()
    this.#tellDeath?.()
    // As an operating system lets go of the locks of a process that is gone.
    if (this.#worker !== undefined) void this.#run.store.apply([{ type: 'leave', worker: this.#worker }])
  }

  // The store, behind faults

  #store(): Store {
    const { store } = this.#run
    return {
      address: store.address,
      durable: store.durable,
      lease: store.lease,
      poll,
      open: (options) => store.open(options),
      apply: (writes) => this.#apply(writes),
      find: (ref) => store.find(ref),
      rows: (numbers) => store.rows(numbers),
      list: (filter) => store.list(filter),
      owned: (worker) => store.owned(worker),
      obstacles: (n, limit) => store.obstacles(n, limit),
      definitions: (name) => store.definitions(name),
      health: (thorough) => store.health(thorough),
      close: () => store.close(),
    }
  }

  async #apply(writes: readonly Write[]): Promise<readonly Result[]> {
    if (this.clock.isDead) return never()
    for (const write of writes) if (write.type === 'join') this.#worker = write.worker
    const entries = writes.flatMap((write) =>
      write.type === 'append' ? write.entries : write.type === 'submit' ? write.entries : [],
    )
    const fault = entries.length > 0 ? this.#run.meetWrite(entries) : undefined
    if (fault === 'crashBefore') return this.#die()
    if (fault === 'notWritten') throw new Error('explore: the store failed')
    if (fault === 'cancelWrite') this.#run.cancel()
    const results = await this.#run.store.apply(writes)
    this.#run.applied(writes, results)
    if (fault === 'crashAfter') return this.#die()
    if (fault === 'answerLost') throw new Error('explore: the answer of the store was lost')
    return results
  }

  #die(): Promise<never> {
    this.#run.die()
    return never()
  }

  // The steps, behind faults

  #behindFaults(definition: Definition): Definition {
    const { plan, functions, keys, schema, deadline } = definition
    return {
      plan,
      functions: functions.map((own, index) => this.#functions(own, plan.steps[index] as StepPlan)),
      ...(keys && { keys }),
      ...(schema && { schema: this.#waitedFor(schema) }),
      ...(deadline !== undefined && { deadline }),
      // A list has no name to be found by after a crash; here it has.
      anonymous: false,
    }
  }

  /** A schema may be asynchronous: then the time stands still for it. */
  #waitedFor(schema: StandardSchemaV1): StandardSchemaV1 {
    const standard = schema['~standard']
    const validate: typeof standard.validate = (value) => {
      const result = standard.validate(value)
      return isThenable(result) ? (this.#run.clock.during(result) as typeof result) : result
    }
    return { '~standard': { ...standard, validate } }
  }

  #functions({ commit, rollback, verify, when }: StepFunctions, step: StepPlan): StepFunctions {
    const behind = (direction: Direction, own: (context: never) => unknown) => (context: AnyContext) =>
      this.#call(direction, step, own as (context: AnyContext) => unknown, context)
    return {
      commit: behind('commit', commit),
      ...(rollback && { rollback: behind('rollback', rollback) }),
      ...(verify && { verify: behind('verify', verify) }),
      ...(when && { when }),
    }
  }

  async #call(
    direction: Direction,
    step: StepPlan,
    own: (context: AnyContext) => unknown,
    context: AnyContext,
  ): Promise<unknown> {
    const run = this.#run
    const what = `${direction} ${context.attempt} of ${step.name}`
    const fault = run.meetCall(what, direction, step)
    const effect = (given = context): unknown => {
      const { teller } = run
      const answer = teller ? teller.call(what, direction, own, given) : own(given)
      // Asked once only: some thenables do their work each time that somebody waits for them.
      return isThenable(answer) ? run.clock.during(Promise.resolve(answer)) : answer
    }
    if (fault === 'strayDeath') {
      this.#landStray(effect, context, restartAndRollback)
      return this.#die()
    }
    await this.clock.sleep(latency)
    const answer = await this.#befall(fault, step, effect, context)
    await this.clock.sleep(latency)
    if (fault === 'lost') throw new InDoubt('explore: the answer was lost')
    if (fault === 'hangsAfter') return never()
    return answer
  }

  async #befall(
    fault: FaultKind | undefined,
    step: StepPlan,
    effect: (context?: AnyContext) => unknown,
    context: AnyContext,
  ): Promise<unknown> {
    const run = this.#run
    switch (fault) {
      case 'rejected':
        throw new Rejected('explore: rejected')
      case 'fails':
        throw new Error('explore: failed, without effect')
      case 'hangs':
        return never()
      case 'overdue':
        return this.#land(step, grace / 2, effect, context)
      case 'late':
        return this.#land(step, grace + 250, effect, context)
      case 'stray':
        this.#landStray(effect, context, step.timeout + grace + 250)
        return never()
      case 'cancelBefore':
      case 'deadlineBefore':
        if (fault === 'cancelBefore') run.cancel()
        // It comes through before the call goes on.
        await this.clock.sleep(latency)
        return effect()
      case 'cancelAfter': {
        const answer = await effect()
        run.cancel()
        return answer
      }
      default:
        return effect()
    }
  }

  /** So many ms after its timeout, when its signal has been aborted; a request that was on its way does not see that. */
  async #land(
    step: StepPlan,
    after: number,
    effect: (context: AnyContext) => unknown,
    context: AnyContext,
  ): Promise<unknown> {
    const { clock } = this.#run
    const landing = this.#run.float()
    // Should the process die before, so does the call.
    void this.died.then(landing)
    let aborted = context.signal.aborted ? clock.now() : Number.POSITIVE_INFINITY
    context.signal.addEventListener('abort', () => {
      aborted = clock.now()
    })
    await this.clock.sleep(step.timeout + after)
    // By its timeout, or by a cancel or deadline that came before.
    if (clock.now() - aborted >= grace) this.#run.landsLate(step.name)
    try {
      return await effect(withOpenSignal(context))
    } finally {
      // What it says is heard after its latency, in the turns that follow; only then is nothing more to come of it.
      this.clock.timer(2 * latency, () => clock.soon(() => clock.soon(landing)))
    }
  }

  /** Nobody hears of it, and it lands whether or not its process is still there. */
  #landStray(effect: (context: AnyContext) => unknown, context: AnyContext, after: number): void {
    const run = this.#run
    const onItsWay = withOpenSignal(context)
    const landing = run.float()
    run.clock.timer(after, () => {
      Promise.resolve()
        .then(() => effect(onItsWay))
        .catch(() => {})
        .finally(landing)
    })
  }
}

/** By then another process is there, and has rolled back what the first one left. */
const restartAndRollback = 10_000

function withOpenSignal(context: AnyContext): AnyContext {
  const { signal } = new AbortController()
  const given = context as AnyContext & { readonly outputs: unknown; readonly log: unknown }
  return { ...given, outputs: given.outputs, log: given.log, signal } as AnyContext
}
