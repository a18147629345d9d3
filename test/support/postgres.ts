/**
 * PostgreSQL for tests: places on the one server of the run, or servers of their own to be stopped and broken.
 *
 * Invariants
 * - Each test file has a database of its own, so that statistics, notifications and advisory locks are its own, too. It is
 *   dropped when the file ends, whoever is connected to it by then.
 * - `BACKSTEP_TEST_POSTGRES` names another server, by an address whose user may create databases.
 * - Where there is no PostgreSQL, the tests are skipped, and the reason is printed.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, describe, inject } from 'vitest'
import { type Settings, ThrowawayPostgres, whyNoPostgres } from '#dist/cli/throwaway-postgres.js'

export type { Settings, StopMode } from '#dist/cli/throwaway-postgres.js'
export type { ThrowawayPostgres }

const foreign = process.env.BACKSTEP_TEST_POSTGRES || undefined

const explain = (reason: string | undefined, what: string) => {
  if (reason) console.warn(`skipped: ${what}: ${reason}`)
  return reason !== undefined
}

/** `describe` for tests on the server of the run. */
export const describePostgres = (name: string, tests: () => void) =>
  describe.skipIf(explain(foreign ? undefined : whyNoPostgres(), name))(name, tests)

/** `describe` for tests that call `startPostgres`. */
export const describeOwnPostgres = (name: string, tests: () => void) =>
  describe.skipIf(explain(whyNoPostgres(), name))(name, tests)

const ends: (() => Promise<unknown>)[] = []
// To drop a database is a checkpoint of the whole server: it writes what all others have changed, too.
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end()
}, 120_000)

/** A server of the caller's own: to stop, to crash, to send signals to its `pid()`. Removed when the test file ends. */
export async function startPostgres(settings?: Settings): Promise<ThrowawayPostgres> {
  const server = await ThrowawayPostgres.start(settings)
  ends.push(() => server.remove())
  return server
}

/** Of the server of the run, with the rights to create databases. */
export async function serverAddress(): Promise<string> {
  if (foreign) return foreign
  const answer = await fetch(`http://127.0.0.1:${inject('postgresDoor')}`)
  const { address, error } = (await answer.json()) as { address?: string; error?: string }
  if (address === undefined) throw new Error(error)
  return address
}

export interface DatabaseOptions {
  /** An ICU locale such as `en-US`, which does not sort by bytes. By default the server decides. */
  readonly locale?: string
}

/** The address of a new, empty database. */
export async function freshDatabase({ locale }: DatabaseOptions = {}): Promise<string> {
  const name = freshName()
  const server = await serverAddress()
  const sorting = locale ? ` TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE '${locale}'` : ''
  await query(server, `CREATE DATABASE ${name}${sorting}`)
  const dropped = () => query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  // The server of the run is removed with all that is in it: one that cannot be dropped in time is in nobody's way.
  ends.push(() => (foreign ? dropped() : dropped().catch(() => {})))
  const address = new URL(server)
  address.pathname = `/${name}`
  return address.href
}

let home: Promise<string> | undefined

/** The address of this file's database, `?schema=` a name that nobody has had before. Nothing is created there. */
export async function freshSchema(): Promise<string> {
  home ??= freshDatabase()
  const address = new URL(await home)
  address.searchParams.set('schema', freshName())
  return address.href
}

/** Over a connection that lasts as long as the query. Without `values`, `sql` may be several statements. */
export async function query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  address: string,
  sql: string,
  values?: unknown[],
): Promise<Row[]> {
  const client = new pg.Client(address)
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(sql, values)).rows
  } finally {
    await client.end()
  }
}

const freshName = () => `backstep_test_${randomBytes(6).toString('hex')}`
