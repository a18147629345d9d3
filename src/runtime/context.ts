/**
 * What a commit, rollback or verify receives.
 *
 * Invariants
 * - Idempotency keys derive from the saga's uid, the step and the direction alone: the same on every attempt, process and machine.
 *   A rollback that runs again because its commit landed late has a new key.
 * - The signal is made only when somebody looks at it: most steps never do, and it costs as much as the rest of the call.
 *   So are the outputs: put together for every call, they would make a saga of 10,000 steps quadratic.
 */
import type { Json } from '../core/entry.js'
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

export interface ContextFields {
  readonly input: Json | undefined
  readonly outputs: () => Readonly<Record<string, Json>>
  readonly sagaId: string
  readonly step: string
  readonly attempt: number
  readonly idempotencyKey: string
  /** The key of the commit; only a rollback and a verify see it. */
  readonly commitKey?: string
  readonly output?: Json
  readonly token: number
  /** When this call times out, ms since 1970. */
  readonly deadline: number
}

export class Context implements CallContext<Json | undefined, Record<string, Json>> {
  readonly input: Json | undefined
  readonly sagaId: string
  readonly step: string
  readonly attempt: number
  readonly idempotencyKey: string
  declare readonly commitKey?: string
  declare readonly output?: Json
  readonly token: number
  readonly deadline: number
  readonly #signal: LazySignal
  #outputs: Readonly<Record<string, Json>> | (() => Readonly<Record<string, Json>>)
  readonly #log: () => Logger

  constructor(fields: ContextFields, signal: LazySignal, log: () => Logger) {
    this.input = fields.input
    this.#outputs = fields.outputs
    this.sagaId = fields.sagaId
    this.step = fields.step
    this.attempt = fields.attempt
    this.idempotencyKey = fields.idempotencyKey
    if (fields.commitKey !== undefined) this.commitKey = fields.commitKey
    if (fields.output !== undefined) this.output = fields.output
    this.token = fields.token
    this.deadline = fields.deadline
    this.#signal = signal
    this.#log = log
  }

  get outputs(): Readonly<Record<string, Json>> {
    if (typeof this.#outputs === 'function') this.#outputs = this.#outputs()
    return this.#outputs
  }

  get signal(): AbortSignal {
    return this.#signal.signal
  }

  get log(): Logger {
    return this.#log()
  }
}
