/**
 * The calls of one saga: made with their context, judged when they end.
 *
 * Invariants
 * - No call is made once the lease may be over.
 * - A commit that lands after it was given up is reported as late, whatever became of the saga meanwhile.
 */
import type { Call } from '../core/decide.js'
import type { Direction, Json } from '../core/entry.js'
import type { Attempt, CallResult, VerifyAnswer } from '../core/index.js'
import { storable } from '../core/json.js'
import { isPending } from '../definition/answers.js'
import type { CallContext } from '../definition/context.js'
import type { Definition } from '../definition/definition.js'
import { type CallListener, type Heard, RunningCall } from './call.js'
import type { Clock } from './clock.js'
import { Context, type Logs, type SagaOfCall } from './context.js'
import { judgeCommit, judgeRollback, judgeVerify } from './outcome.js'

/** What a call came to; kept until it is durable, to be judged again should the journal have grown. */
export type Settled =
  | { readonly attempt: Attempt; readonly result: CallResult }
  | { readonly verified: number; readonly answer: VerifyAnswer }

/** The saga whose calls they are. */
export interface Subject extends SagaOfCall {
  readonly n: number
  readonly definition: Definition
  settled(settled: Settled): void
}

/** Must call `run` once, at once, and return what that returned. */
export type AroundCall = (
  context: CallContext<Json | undefined, Readonly<Record<string, Json>>>,
  kind: Direction | 'verify',
  run: () => unknown,
) => unknown

/** What the calls need of the worker. */
export interface CallHost extends Logs {
  readonly clock: Clock
  /** ms that a call is given to say how it ended, once its signal was aborted. */
  readonly grace: number
  /** False as soon as the lease may be over: no new attempt then. */
  mayCall(): boolean
  /** Where each call is made within something else, such as a span. */
  readonly around?: AroundCall | undefined
  /** A commit that was given up took effect after all. */
  landedLate(saga: Subject, step: string, attempt: number, output: Json | undefined): void
}

/** Never changed. Nearly always there is one call or none: an array of one is a third of one that grew to it. */
const none: RunningCall[] = []

export class Calls implements CallListener {
  readonly #host: CallHost
  readonly #saga: Subject
  #running = none
  /** By step, the last one of each. */
  thrown: Map<string, unknown> | undefined

  constructor(host: CallHost, saga: Subject) {
    this.#host = host
    this.#saga = saga
  }

  threw(step: string, thrown: unknown): void {
    this.thrown ??= new Map()
    this.thrown.set(step, thrown)
  }

  get size(): number {
    return this.#running.length
  }

  has(kind: Direction | 'verify', step: number): boolean {
    for (const { call } of this.#running) if (call.kind === kind && call.step === step) return true
    return false
  }

  /** Those that are not under way already. */
  notYetOf(calls: readonly Call[]): readonly Call[] {
    return this.size === 0 ? calls : calls.filter(({ kind, step }) => !this.has(kind, step))
  }

  make(calls: readonly Call[]): void {
    if (calls.length === 0 || !this.#host.mayCall()) return
    const { state, definition } = this.#saga
    const { clock, grace } = this.#host
    for (const call of calls) {
      const policy = state.plan.steps[call.step]
      const fn = definition.functions[call.step]?.[call.kind]
      if (!policy || !fn) continue
      const running = new RunningCall(call, clock, grace, this)
      if (this.#running === none) this.#running = [running]
      else this.#running.push(running)
      const deadline = clock.now() + policy.timeout
      const context = new Context(this.#saga, call, deadline, running.signal, this.#host)
      running.start(this.#host.around ? within(this.#host.around, call.kind, fn) : fn, context, policy)
    }
  }

  /** Their signals are aborted; each has its grace to say how it ended. */
  abortCommits(why: string): void {
    for (const running of this.#running) {
      if (running.call.kind === 'commit') running.abort(abortError(this.#saga.id, why))
    }
  }

  /** Their signals are aborted, and nobody listens any more. */
  forsake(why: string): void {
    const forsaken = this.#running
    this.#running = none
    for (const running of forsaken) running.forsake(abortError(this.#saga.id, why))
  }

  settled(running: RunningCall, heard: Heard): void {
    if (this.#running.length === 1) this.#running = none
    else this.#running.splice(this.#running.indexOf(running), 1)
    const { call } = running
    const saga = this.#saga
    const policy = saga.state.plan.steps[call.step]
    if (!policy) return
    if (call.kind === 'verify') {
      return saga.settled({ verified: call.step, answer: judgeVerify(heard, policy) })
    }
    const attempt: Attempt = { step: call.step, direction: call.kind, attempt: call.attempt }
    if (call.kind === 'rollback') return saga.settled({ attempt, result: judgeRollback(heard, policy) })
    if (heard.is === 'threw' && !heard.overrun) this.threw(policy.name, heard.thrown)
    saga.settled({ attempt, result: judgeCommit(heard, policy) })
  }

  late(running: RunningCall, value: unknown): void {
    const { kind, step: index, attempt } = running.call
    const step = this.#saga.state.plan.steps[index]?.name
    if (kind !== 'commit' || step === undefined) return
    // What is still going on may take effect all the same; it has no output yet.
    const stored = storable(isPending(value) ? undefined : value)
    this.#host.landedLate(this.#saga, step, attempt, stored.ok ? stored.value : undefined)
  }
}

const within =
  (around: AroundCall, kind: Direction | 'verify', fn: (context: never) => unknown) =>
  (context: Context): unknown =>
    around(context, kind, () => fn(context as never))

const abortError = (sagaId: string, why: string): Error =>
  Object.assign(new Error(`saga ${sagaId}: ${why}`), { name: 'AbortError', code: 'ABORT_ERR' })
