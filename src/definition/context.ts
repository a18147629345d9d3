/**
 * What the functions of a step receive.
 */

/** Where log records go: pino, or anything shaped like it. */
export interface Logger {
  debug(fields: object, message?: string): void
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

/** What every call of a step's functions receives. */
export interface CallContext<Input, Outputs> {
  /** As it was stored; frozen. */
  readonly input: Input
  /** The outputs of the earlier steps, as they were stored; frozen. */
  readonly outputs: Readonly<Outputs>
  readonly sagaId: string
  readonly step: string
  /** 1 for the first call of this direction of this step. */
  readonly attempt: number
  /** The same on every attempt, process and machine. Pass it on, so that the service can tell a repeated call. */
  readonly idempotencyKey: string
  /** Grows with every change of owner. A service that remembers the highest can refuse a superseded caller. */
  readonly token: number
  /** Aborts when the call is given up: what it does from then on no longer counts. */
  readonly signal: AbortSignal
  /** When the call will be given up, ms since 1970. */
  readonly deadline: number
  /** The `traceparent` of whoever submitted the saga, where it was said. */
  readonly trace?: string
  /** Its records carry the saga, the step and the attempt. */
  readonly log: Logger
}

export interface CommitContext<Input, Outputs> extends CallContext<Input, Outputs> {}

export interface RollbackContext<Input, Outputs, Output> extends CallContext<Input, Outputs> {
  /** What the commit answered. Absent when it is in doubt: it may or may not have taken effect. */
  readonly output?: Output | undefined
  /** The idempotency key that the commit to undo was called with. */
  readonly commitKey: string
}

export interface VerifyContext<Input, Outputs> extends CallContext<Input, Outputs> {
  /** The idempotency key of the commit that is asked about. `idempotencyKey` is the same. */
  readonly commitKey: string
}

export interface WhenContext<Input, Outputs> {
  readonly input: Input
  readonly outputs: Readonly<Outputs>
}
