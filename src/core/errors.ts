/**
 * Every error that Backstep throws, and the two that users throw at it.
 *
 * Invariants
 * - Each has a stable `code`; its message carries the ids; its `hint` says what to do next, where there is something to do.
 * - `Rejected` and `InDoubt` are told by a brand, not by their class: a step may have loaded another copy of this package.
 */
import type { RollbackReason } from './entry.js'
import { read } from './hostile.js'

export interface ErrorDetails {
  readonly code: string
  readonly hint?: string
  readonly cause?: unknown
  readonly sagaId?: string
  readonly step?: string
}

/** The base of all errors that Backstep throws. `code` is stable; match on it, not on the message. */
export class BackstepError extends Error {
  readonly code: string
  /** What to do next. */
  readonly hint: string | undefined
  readonly sagaId: string | undefined
  readonly step: string | undefined

  constructor(message: string, details: ErrorDetails) {
    super(
      details.hint ? `${message}\n  hint: ${details.hint}` : message,
      'cause' in details ? { cause: details.cause } : undefined,
    )
    this.code = details.code
    this.hint = details.hint
    this.sagaId = details.sagaId
    this.step = details.step
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** A definition that cannot work; thrown when it is made. Code `BAD_DEFINITION`. */
export class DefinitionError extends BackstepError {
  constructor(message: string, hint: string, step?: string) {
    super(message, { code: 'BAD_DEFINITION', hint, ...(step === undefined ? {} : { step }) })
  }
}

/** Input, an option or an argument that is refused before any effect. Code `BAD_INPUT` unless it says more. */
export class BadInputError extends BackstepError {
  constructor(
    message: string,
    hint: string,
    details: { readonly code?: string; readonly cause?: unknown; readonly sagaId?: string } = {},
  ) {
    super(message, { code: 'BAD_INPUT', hint, ...details })
  }
}

/** The saga did not succeed; whatever may have taken effect has been rolled back. Code `ROLLED_BACK`; `cause` is the original error. */
export class SagaRolledBackError extends BackstepError {
  readonly reason: RollbackReason
  /** Names of the steps whose rollback ran, in the order in which it did. */
  readonly rolledBack: readonly string[]

  constructor(
    message: string,
    details: {
      sagaId: string
      reason: RollbackReason
      rolledBack: readonly string[]
      step?: string
      cause?: unknown
    },
  ) {
    const { sagaId, step, cause } = details
    super(message, {
      code: 'ROLLED_BACK',
      sagaId,
      ...(step === undefined ? {} : { step }),
      ...(cause === undefined ? {} : { cause }),
    })
    this.reason = details.reason
    this.rolledBack = details.rolledBack
  }
}

/** The wait was over before the saga was; the saga goes on. Code `UNFINISHED`; `cause` is the commit's error, if one failed. */
export class SagaUnfinishedError extends BackstepError {
  constructor(sagaId: string, waited: string, cause?: unknown) {
    super(`saga ${sagaId} has not ended within ${waited}`, {
      code: 'UNFINISHED',
      sagaId,
      hint: `it goes on by itself; ask for it with orchestrator.get('${sagaId}')`,
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

/** The id is taken by a saga with another definition or other input. Code `CONFLICT`. */
export class SagaConflictError extends BackstepError {
  constructor(sagaId: string, message: string) {
    super(message, {
      code: 'CONFLICT',
      sagaId,
      hint: 'use another id, or submit exactly what was submitted first',
    })
  }
}

/** An operation that the saga's present state refuses. Codes `NOT_FOUND`, `ENDED`, `PRUNED`, `PAST_PIVOT`, `NOT_RESOLVABLE`, `NOT_REBINDABLE`, `CHANGED`. */
export class SagaStateError extends BackstepError {
  constructor(
    message: string,
    details: {
      code: 'NOT_FOUND' | 'ENDED' | 'PRUNED' | 'PAST_PIVOT' | 'NOT_RESOLVABLE' | 'NOT_REBINDABLE' | 'CHANGED'
      sagaId: string
      step?: string
      hint: string
    },
  ) {
    super(message, details)
  }
}

/** The orchestrator is closed. Code `CLOSED`; sagas that had not ended go on when it is opened again. */
export class ClosedError extends BackstepError {
  constructor(what: string) {
    super(`${what}: this orchestrator is closed`, {
      code: 'CLOSED',
      hint: 'unfinished sagas go on when the store is opened again',
    })
  }
}

/**
 * The store could not answer. Codes: `STORE_UNAVAILABLE` (the outcome is unknown), `STORE_NEWER`, `STORE_CORRUPT`,
 * `STORE_UNSAFE` (an engine that can lose commits), `STORE_MISSING` (no driver), `STORE_ADDRESS`,
 * and where only what is there was to be opened: `STORE_NOT_FOUND`, `STORE_OLDER`.
 */
export class StoreError extends BackstepError {
  constructor(
    message: string,
    details: {
      code:
        | 'STORE_UNAVAILABLE'
        | 'STORE_NEWER'
        | 'STORE_CORRUPT'
        | 'STORE_UNSAFE'
        | 'STORE_NOT_FOUND'
        | 'STORE_OLDER'
        | 'STORE_MISSING'
        | 'STORE_ADDRESS'
      hint: string
      cause?: unknown
    },
  ) {
    super(message, details)
  }
}

const rejectedBrand = Symbol.for('backstep.rejected')
const inDoubtBrand = Symbol.for('backstep.in_doubt')

/**
 * Thrown by a commit: it had no effect, and it is not to be tried again; or not before `retryAfter` ms, and then only if `retry` has
 * an attempt left, as a pivot in doubt always has.
 *
 * @example throw new Rejected('no seats left')
 * @example throw new Rejected('too many requests', { retryAfter: 5_000 })
 */
export class Rejected extends Error {
  readonly [rejectedBrand] = true
  /** ms. Absent: another attempt would end the same way. */
  declare readonly retryAfter?: number

  constructor(message?: string, options: ErrorOptions & { readonly retryAfter?: number } = {}) {
    super(message, options)
    if (options.retryAfter !== undefined) this.retryAfter = options.retryAfter
  }

  override get name(): string {
    return 'Rejected'
  }
}

/**
 * Thrown by a commit: nobody knows whether it took effect, so its rollback must run.
 *
 * @example throw new InDoubt('the answer was cut off', { cause: error })
 */
export class InDoubt extends Error {
  readonly [inDoubtBrand] = true
  override get name(): string {
    return 'InDoubt'
  }
}

export const isRejected = (thrown: unknown): boolean => hasBrand(thrown, rejectedBrand)
export const isInDoubt = (thrown: unknown): boolean => hasBrand(thrown, inDoubtBrand)

/** When a Rejected may be tried again, in ms; undefined for all that does not say so. Never throws. */
export function retryAfterOf(thrown: unknown): number | undefined {
  const ms = isRejected(thrown) ? read(thrown, 'retryAfter') : undefined
  return typeof ms === 'number' && ms >= 0 ? ms : undefined
}

const hasBrand = (thrown: unknown, brand: symbol): boolean => read(thrown, brand) === true
