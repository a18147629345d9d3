/** Pins which barrier a database gets, and what its functions receive. */
import { barrier, type PostgresBarrier, postgresBarrier, type SqliteBarrier } from 'backstep/barrier'
import type Database from 'better-sqlite3'
import type pg from 'pg'
import { describe, expectTypeOf, test } from 'vitest'

declare const sqlite: Database.Database
declare const pool: pg.Pool
declare const client: pg.Client
declare const pooled: pg.PoolClient
const call = { idempotencyKey: 'a:b:commit' }

describe('a barrier', () => {
  test('better-sqlite3: at once', () => {
    expectTypeOf(barrier(sqlite)).toEqualTypeOf<SqliteBarrier<Database.Database>>()
    expectTypeOf(barrier(sqlite).commit(call, () => 7)).toEqualTypeOf<number>()
  })

  test("a pool of pg: functions receive the pool's clients", () => {
    expectTypeOf(postgresBarrier(pool)).toEqualTypeOf<PostgresBarrier<pg.PoolClient>>()
    const booking = postgresBarrier(pool).commit(call, async (tx) => {
      expectTypeOf(tx).toEqualTypeOf<pg.PoolClient>()
      return { id: 1 }
    })
    expectTypeOf(booking).toEqualTypeOf<Promise<{ id: number }>>()
    expectTypeOf(postgresBarrier(pool).commit(call, () => 'sync')).toEqualTypeOf<Promise<string>>()
    const undone = postgresBarrier(pool).rollback(call, async (answer: { id: number }, tx) => {
      expectTypeOf(tx).toEqualTypeOf<pg.PoolClient>()
      return answer.id
    })
    expectTypeOf(undone).toEqualTypeOf<Promise<number | undefined>>()
  })

  test('a client, or a transaction of anything: functions receive the same', () => {
    expectTypeOf(postgresBarrier(client)).toEqualTypeOf<PostgresBarrier<pg.Client>>()
    expectTypeOf(postgresBarrier(pooled)).toEqualTypeOf<PostgresBarrier<pg.PoolClient>>()
    const tx = { query: async (_sql: string, _values?: unknown[]) => ({ rows: [{}] }), mine: 1 }
    expectTypeOf(postgresBarrier(tx)).toEqualTypeOf<PostgresBarrier<typeof tx>>()
    // A pool of another make, with one form of connect.
    const other = { totalCount: 1, connect: async () => ({ ...tx, release: () => {}, ours: true }) }
    expectTypeOf(postgresBarrier(other).commit(call, ({ ours }) => ours)).toEqualTypeOf<Promise<boolean>>()
  })

  test('anything else is refused', () => {
    // @ts-expect-error
    postgresBarrier({})
    // @ts-expect-error
    postgresBarrier(sqlite)
    // @ts-expect-error
    barrier(pool)
    // @ts-expect-error
    postgresBarrier('postgres://localhost')
  })
})
