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
