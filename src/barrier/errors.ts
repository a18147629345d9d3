/**
 * The errors of the barrier.
 *
 * Invariants
 * - Each tells an orchestrator the truth about the commit that it ends: a rejection only where this commit can never have
 *   taken effect and never will; in doubt where the barrier cannot know. Brands are read across copies of this package.
 */
import { BackstepError } from '../core/errors.js'

const rejectedBrand: unique symbol = Symbol.for('backstep.rejected') as never
const inDoubtBrand: unique symbol = Symbol.for('backstep.in_doubt') as never

/** The step had been rolled back before this commit arrived. Code `ROLLED_BACK_ALREADY`; a `Rejected`: it had no effect and never will. */
export class CommitAfterRollbackError extends BackstepError {
  readonly [rejectedBrand] = true

  constructor(commitKey: string, step: string) {
    super(`${commitKey}: the step has been rolled back, so its commit is refused`, {
      code: 'ROLLED_BACK_ALREADY',
      step,
      hint: 'nothing to do: a call that had been given up arrived after its rollback',
    })
  }
}

/**
 * A newer owner of the saga has called before. Code `STALE_TOKEN`.
 *
 * In doubt, not rejected: this call had no effect, but the newer owner's may have had one.
 */
export class StaleTokenError extends BackstepError {
  readonly [inDoubtBrand] = true

  constructor(key: string, token: number, newer: number) {
    super(`${key}: token ${token} is stale, the saga's owner has ${newer}`, {
      code: 'STALE_TOKEN',
      hint: "nothing to do if another process took the saga over; if the orchestrator's store was restored from a backup, delete the saga's row in backstep_barrier_fence",
    })
  }
}

export type BarrierErrorCode =
  /** The function is async, or returned a promise: its transaction would have ended before it. */
  | 'ASYNC_FUNCTION'
  /** The function called the barrier with its own key. */
  | 'REENTERED'
  /** The function ended the transaction that it ran in. */
  | 'TRANSACTION_ENDED'
  /** The outcome of COMMIT is unknown. */
  | 'COMMIT_UNKNOWN'
  /** The saga is older than what has been pruned: nobody can tell any more. */
  | 'PRUNED'
  /** The tables are those of a newer version of this package. */
  | 'BARRIER_NEWER'
  /** PostgreSQL: a client was given on which no transaction is open. */
  | 'NO_TRANSACTION'
  /** PostgreSQL: the function went on after one of its statements had failed, which aborts the transaction. */
  | 'TRANSACTION_ABORTED'
  /** PostgreSQL: the tables are not there, and this role may not create them. */
  | 'TABLES_MISSING'

const leavesDoubt: ReadonlySet<BarrierErrorCode> = new Set([
  'ASYNC_FUNCTION',
  'TRANSACTION_ENDED',
  'COMMIT_UNKNOWN',
  'PRUNED',
])

/** The barrier was misused, or cannot keep its promise. `code` says which; see `BarrierErrorCode`. */
export class BarrierError extends BackstepError {
  readonly [inDoubtBrand]: boolean

  constructor(message: string, code: BarrierErrorCode, hint: string, cause?: unknown) {
    super(message, { code, hint, ...(cause === undefined ? {} : { cause }) })
    this[inDoubtBrand] = leavesDoubt.has(code)
  }
}

/** `PRUNED` */
export const pruned = (key: string): BarrierError =>
  new BarrierError(
    `${key}: the records of that time have been pruned`,
    'PRUNED',
    'find out by hand whether the effect stands, then resolve the step with `backstep resolve`',
  )

/** `REENTERED` */
export const reentered = (
  key: string,
  hint = 'one call of the barrier per step and direction',
): BarrierError => new BarrierError(`${key}: called from within itself`, 'REENTERED', hint)

/** `TRANSACTION_ENDED` */
export const ended = (cause?: unknown): BarrierError =>
  new BarrierError(
    'the function ended the transaction that it ran in',
    'TRANSACTION_ENDED',
    'leave BEGIN, COMMIT and ROLLBACK to the barrier, or open your own transaction around it',
    cause,
  )

/** `COMMIT_UNKNOWN` */
export const unknownEnd = (cause: unknown): BarrierError =>
  new BarrierError(
    'COMMIT failed, its outcome is unknown',
    'COMMIT_UNKNOWN',
    'call again with the same key',
    cause,
  )

/** `BARRIER_NEWER` */
export const newer = (found: unknown, known: number): BarrierError =>
  new BarrierError(
    `the barrier's tables have version ${found}, this package knows ${known}`,
    'BARRIER_NEWER',
    'update the package backstep in this participant',
  )
