/**
 * `backstep/barrier`: for participants, the services that a saga's steps call. It closes the two gaps that no orchestrator can:
 * a call that arrives twice, and a commit that arrives after its rollback.
 *
 * Invariants
 * - Imports nothing of the orchestrator: a participant needs the database that it has, and this.
 */
import { BadInputError } from '../core/errors.js'
import { PostgresBarrier } from './postgres.js'
import { PoolFrame, TransactionFrame } from './postgres-frames.js'
import type { PooledClient, PostgresPool, PostgresTransaction } from './postgres-schema.js'
import type { SqliteDatabase } from './schema.js'
import { SqliteBarrier } from './sqlite.js'

/** What a pool's `connect` resolves to. pg's has a second form, with a callback: a type sees only the last one. */
type ClientOf<Pool> = Pool extends {
  connect: { (): Promise<infer Client extends PooledClient>; (...callback: never[]): unknown }
}
  ? Client
  : Pool extends { connect(): Promise<infer Client extends PooledClient> }
    ? Client
    : PooledClient

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

/**
 * The same on PostgreSQL. With a pool of pg, each call runs in a transaction of its own, on a client of the pool. At SERIALIZABLE
 * a call can fail with 40001, as any transaction there: nothing of it stands, call again.
 *
 * @example
 * const guard = postgresBarrier(pool)                           // a Pool of pg
 * const booking = await guard.commit(call, (tx) => book(tx, seat))
 * await guard.rollback(call, (booking, tx) => release(tx, booking.seat))
 */
export function postgresBarrier<Pool extends PostgresPool>(pool: Pool): PostgresBarrier<ClientOf<Pool>>
/**
 * Inside a transaction of the participant's own: the record stands or falls with that transaction. `tx` is a client of pg, or
 * anything else with `query(sql, values)` that resolves to `{ rows }`.
 *
 * @example
 * await client.query('BEGIN')
 * const booking = await postgresBarrier(client).commit(call, () => book(client, seat))
 * await client.query('COMMIT')
 */
export function postgresBarrier<Tx extends PostgresTransaction>(tx: Tx): PostgresBarrier<Tx>
export function postgresBarrier(db: PostgresPool | PostgresTransaction): PostgresBarrier {
  // A client of pg has `connect`, too.
  if (has(db, 'connect') && 'totalCount' in db) return new PostgresBarrier(new PoolFrame(db))
  if (has(db, 'query')) return new PostgresBarrier(new TransactionFrame(db as PostgresTransaction))
  throw new BadInputError(
    'postgresBarrier: this is no database that it knows',
    'give it a Pool or client of pg, or an object with query(sql, values)',
  )
}

const has = (db: unknown, method: string): boolean =>
  typeof (db as Record<string, unknown> | null | undefined)?.[method] === 'function'

export { BarrierError, type BarrierErrorCode, CommitAfterRollbackError, StaleTokenError } from './errors.js'
export { commitHandler, type ParticipantCall, rollbackHandler } from './handlers.js'
export type { ParticipantHandler } from './handlers-frameworks.js'
export type { BarrierCall } from './key.js'
export type { PostgresBarrier } from './postgres.js'
export type { PooledClient, PostgresPool, PostgresTransaction } from './postgres-schema.js'
export type { SqliteDatabase, SqliteStatement } from './schema.js'
export type { SqliteBarrier } from './sqlite.js'
