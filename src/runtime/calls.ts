/**
 * The calls of one saga: made with their context, judged when they end.
 *
 * Invariants
 * - No call is made once the lease may be over.
 * - A commit that lands after it was given up is reported as late, whatever became of the saga meanwhile.
 */
import type { Call } from '../core/decide.js'
import type { Direction, Json } from '../core/entry.js'
import { type Attempt, type CallResult, outputsOf, type State, type VerifyAnswer } from '../core/index.js'
import { storable } from '../core/json.js'
import { isPending } from '../definition/answers.js'
import type { Logger } from '../definition/context.js'
import type { Definition } from '../definition/definition.js'
import { type CallListener, type Heard, RunningCall } from './call.js'
import type { Clock } from './clock.js'
import { Context, commitKeyOf, rollbackKeyOf } from './context.js'
import { judgeCommit, judgeRollback, judgeVerify } from './outcome.js'

/** What a call came to; kept until it is durable, to be judged again should the journal have grown. */
export type Settled =
  | { readonly attempt: Attempt; readonly result: CallResult }
  | { readonly verified: number; readonly answer: VerifyAnswer }

/** The saga whose calls they are. */
export interface Subject {
  readonly n: number
  readonly id: string
  readonly token: number
  readonly definition: Definition
  readonly state: State
  /** What the steps threw last, as long as this process remembers it. */
  readonly thrown: Map<string, unknown>
  settled(settled: Settled): void
}

/** What the calls need of the worker. */
export interface CallHost {
  readonly clock: Clock
  /** ms that a call is given to say how it ended, once its signal was aborted. */
  readonly grace: number
  /** False as soon as the lease may be over: no new attempt then. */
  mayCall(): boolean
  /** A commit that was given up took effect after all. */
  landedLate(saga: Subject, step: string, attempt: number, output: Json | undefined): void
  logFor(saga: Subject, step: string, attempt: number): Logger
}

export class Calls implements CallListener {
  readonly #host: CallHost
  readonly #saga: Subject
  readonly #running = new Set<RunningCall>()

  constructor(host: CallHost, saga: Subject) {
    this.#host = host
    this.#saga = saga
  }

  get size(): number {
    return this.#running.size
  }

  has(kind: Direction | 'verify', step: number): boolean {
    for (const { call } of this.#running) if (call.kind === kind && call.step === step) return true
    return false
  }

  make(calls: readonly Call[]): void {
    if (calls.length === 0 || !this.#host.mayCall()) return
    const { state, definition } = this.#saga
    for (const call of calls) {
      const policy = state.plan.steps[call.step]
      const fn = definition.functions[call.step]?.[call.kind]
      if (!policy || !fn) continue
      const running = new RunningCall(call, this.#host.clock, this.#host.grace, this)
      this.#running.add(running)
      const what = `the ${call.kind} of step ${policy.name}`
      running.start(fn, this.#context(running, policy.name, policy.timeout), policy.timeout, what)
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
    for (const running of this.#running) running.forsake(abortError(this.#saga.id, why))
    this.#running.clear()
  }

  settled(running: RunningCall, heard: Heard): void {
    this.#running.delete(running)
    const { call } = running
    const saga = this.#saga
    const policy = saga.state.plan.steps[call.step]
    if (!policy) return
    if (call.kind === 'verify') {
      return saga.settled({ verified: call.step, answer: judgeVerify(heard, policy) })
    }
    const attempt: Attempt = { step: call.step, direction: call.kind, attempt: call.attempt }
    if (call.kind === 'rollback') return saga.settled({ attempt, result: judgeRollback(heard, policy) })
    if (heard.is === 'threw' && !heard.overrun) saga.thrown.set(policy.name, heard.thrown)
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

  #context(running: RunningCall, step: string, timeout: number): Context {
    const { kind, attempt, round, step: index } = running.call
    const { state, id, token } = this.#saga
    const commitKey = commitKeyOf(state.uid, step)
    const output = kind === 'rollback' ? state.steps[index]?.output : undefined
    return new Context(
      {
        input: state.input,
        outputs: () => outputsOf(state),
        sagaId: id,
        step,
        attempt,
        idempotencyKey: kind === 'rollback' ? rollbackKeyOf(state.uid, step, round) : commitKey,
        ...(kind === 'commit' ? undefined : { commitKey }),
        ...(output === undefined ? undefined : { output }),
        token,
        deadline: this.#host.clock.now() + timeout,
      },
      running.signal,
      () => this.#host.logFor(this.#saga, step, attempt),
    )
  }
}

const abortError = (sagaId: string, why: string): Error =>
  Object.assign(new Error(`saga ${sagaId}: ${why}`), { name: 'AbortError', code: 'ABORT_ERR' })
