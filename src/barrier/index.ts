/**
 * `backstep/barrier`: for participants, the services that a saga's steps call. It closes the two gaps that no orchestrator can:
 * a call that arrives twice, and a commit that arrives after its rollback.
 *
 * Invariants
 * - Imports nothing of the orchestrator: a participant needs the database that it has, and this.
 */
import type { SqliteDatabase } from './schema.js'
import { SqliteBarrier } from './sqlite.js'

/**
 * Makes commits and rollbacks exactly-once in effect, inside this database's own transactions. Creates its tables
 * (`backstep_barrier…`) where they are missing. Throws `BarrierError` (`BARRIER_NEWER`) when they are those of a newer version.
 *
 * @example
 * const guard = barrier(db)                                     // a better-sqlite3 Database
 * const booking = guard.commit(call, () => book(seat))          // call: what the step received
 * guard.rollback(call, (booking) => release(booking.seat))
 */
export function barrier<Db extends SqliteDatabase>(db: Db): SqliteBarrier<Db> {
  return new SqliteBarrier(db)
}

export { BarrierError, type BarrierErrorCode, CommitAfterRollbackError, StaleTokenError } from './errors.js'
export type { BarrierCall } from './key.js'
export type { SqliteDatabase, SqliteStatement } from './schema.js'
export type { SqliteBarrier } from './sqlite.js'
