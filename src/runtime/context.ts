/**
 * What a commit, rollback or verify receives.
 *
 * Invariants
 * - Idempotency keys derive from the saga's uid, the step and the direction alone: the same on every attempt, process and machine.
 *   A rollback that runs again because its commit landed late has a new key.
 * - The signal is made only when somebody looks at it: most steps never do, and it costs as much as the rest of the call.
 *   So are the outputs: put together for every call, they would make a saga of 10,000 steps quadratic.
 */
import type { Call } from '../core/decide.js'
import type { Json } from '../core/entry.js'
import { outputsOf, type State } from '../core/index.js'
import type { CallContext, Logger } from '../definition/context.js'

export const commitKeyOf = (uid: string, step: string): string => `${uid}:${step}:commit`

export const rollbackKeyOf = (uid: string, step: string, round: number): string =>
  round === 1 ? `${uid}:${step}:rollback` : `${uid}:${step}:rollback:${round}`

/** Aborts lazily: a signal first asked for after the abort is born aborted. */
export class LazySignal {
  #controller: AbortController | undefined
  #reason: Error | undefined

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#reason) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  get reason(): Error | undefined {
    return this.#reason
  }

  abort(reason: Error): void {
    if (this.#reason) return
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}

/** What a call needs to know of its saga. */
export interface SagaOfCall {
  readonly id: string
  readonly token: number
  readonly state: State
}

export interface Logs {
  /** A logger whose records name the saga, the step and the attempt. */
  logFor(saga: SagaOfCall, step: string, attempt: number): Logger
}

export class Context implements CallContext<Json | undefined, Record<string, Json>> {
  readonly input: Json | undefined
  readonly sagaId: string
  readonly step: string
  readonly attempt: number
  readonly idempotencyKey: string
  declare readonly commitKey?: string
  declare readonly output?: Json
  declare readonly trace?: string
  readonly token: number
  readonly deadline: number
  readonly #signal: LazySignal
  readonly #state: State
  readonly #saga: SagaOfCall
  readonly #logs: Logs
  #outputs: Readonly<Record<string, Json>> | undefined

  /** `deadline`: when the call times out, ms since 1970. */
  constructor(saga: SagaOfCall, call: Call, deadline: number, signal: LazySignal, logs: Logs) {
    const { state } = saga
    const step = state.plan.steps[call.step]?.name ?? ''
    const commitKey = commitKeyOf(state.uid, step)
    this.input = state.input
    this.sagaId = saga.id
    this.step = step
    this.attempt = call.attempt
    this.idempotencyKey = commitKey
    if (call.kind !== 'commit') this.commitKey = commitKey
    if (call.kind === 'rollback') {
      this.idempotencyKey = rollbackKeyOf(state.uid, step, call.round)
      const output = state.steps[call.step]?.output
      if (output !== undefined) this.output = output
    }
    if (state.trace !== undefined) this.trace = state.trace
    this.token = saga.token
    this.deadline = deadline
    this.#signal = signal
    this.#state = state
    this.#saga = saga
    this.#logs = logs
  }

  get outputs(): Readonly<Record<string, Json>> {
    this.#outputs ??= outputsOf(this.#state)
    return this.#outputs
  }

  get signal(): AbortSignal {
    return this.#signal.signal
  }

  get log(): Logger {
    return this.#logs.logFor(this.#saga, this.step, this.attempt)
  }
}
