/**
 * A participant on PostgreSQL for the tests of the barrier: a table of effects, and calls from several connections at once.
 */
import { postgresBarrier } from 'backstep/barrier'
import pg from 'pg'
import { afterEach, expect, vi } from 'vitest'
import { type DatabaseOptions, freshDatabase, freshSchema } from '../support/postgres.js'

export const levels = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const
export type Level = (typeof levels)[number]

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

interface Options extends DatabaseOptions {
  /** Of transactions that name none. */
  readonly level?: Level
}

/** What something comes to: a value, or a code. */
export const outcomeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: { code?: string; message: string }) => error.code ?? error.message)

/** `effects` holds what stands: a commit adds a row, its rollback deletes it; `calls` counts how often each function ran. */
export async function participant({ level, locale }: Options = {}) {
  const place = new URL(await (locale ? freshDatabase({ locale }) : freshSchema()))
  const schema = place.searchParams.get('schema') ?? 'public'
  const settings = [`-c search_path=${schema}`]
  if (level) settings.push(`-c default_transaction_isolation=${level.replace(' ', '\\ ')}`)
  place.search = ''
  place.searchParams.set('options', settings.join(' '))
  const pool = new pg.Pool({ connectionString: place.href, max: 12 })
  pool.on('error', () => {})
  undo.push(() => pool.end())
  await pool.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
  await pool.query('CREATE TABLE effects (id bigserial PRIMARY KEY, what text)')
  const calls = { effect: 0, undo: 0 }
  const rows = async (sql: string) => (await pool.query(sql)).rows
  return {
    address: place.href,
    schema,
    pool,
    calls,
    guard: postgresBarrier(pool),
    effects: async () => (await rows('SELECT what FROM effects ORDER BY id')).map(({ what }) => what),
    records: () => rows('SELECT * FROM backstep_barrier ORDER BY commit_key'),
    fence: async () => Number((await rows('SELECT token FROM backstep_barrier_fence'))[0]?.token),
    book: async (tx: pg.ClientBase, what = 'seat') => {
      calls.effect++
      const { rows } = await tx.query('INSERT INTO effects (what) VALUES ($1) RETURNING id::int, what', [
        what,
      ])
      return rows[0] as { readonly id: number; readonly what: string }
    },
    release: async (answer: { readonly id: number }, tx: pg.ClientBase) => {
      calls.undo++
      const { rowCount } = await tx.query('DELETE FROM effects WHERE id = $1', [answer.id])
      return { released: rowCount }
    },
    /** A client with an open transaction; given back when the test ends. */
    async begin(isolation: Level = 'READ COMMITTED') {
      const client = await pool.connect()
      client.on('error', () => {})
      undo.push(async () => client.release(true))
      await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
      return client
    },
    /** Until so many connections wait for a lock that another one holds. */
    waiting: (count: number) =>
      vi.waitFor(
        async () => {
          const [found] = await rows(
            `SELECT count(*)::int AS waiting FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
          expect(found?.waiting).toBe(count)
        },
        { timeout: 10_000, interval: 5 },
      ),
  }
}

export type Participant = Awaited<ReturnType<typeof participant>>

/** Something that others wait for. */
export function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}
