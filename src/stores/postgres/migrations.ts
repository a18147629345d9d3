/**
 * The schema, as numbered migrations, applied in one transaction under an advisory lock: the only advisory lock there is.
 *
 * Invariants
 * - A migration that has been released is never changed: a new one is added below it.
 * - Functions carry a number in their names. A migration that changes one adds the next number, and drops what no process of
 *   the release before it calls: so a process that still runs goes on during an upgrade.
 * - A schema that is as new as this is opened without a lock, and by a role that may not create anything.
 */
import { StoreError } from '../../core/errors.js'
import type { Client } from './driver.js'
import { isSqlState, messageOf, sqlStateOf } from './failures.js'
import { admission } from './schema/admission.js'
import { claims } from './schema/claims.js'
import { flush } from './schema/flush.js'
import { looking } from './schema/looking.js'
import { submits } from './schema/submits.js'
import { summaries } from './schema/summaries.js'
import { tables } from './schema/tables.js'
import { transactional } from './schema/transactional.js'
import { workers } from './schema/workers.js'

export const migrations: readonly string[] = [
  [tables, admission, summaries, submits, workers, claims, looking, transactional, flush].join('\n'),
]

/** So many ms for one who waits while others migrate, and for the statements themselves. */
const patience = 60_000
/** ms that a look may take. A connection that swallows everything would otherwise keep `open` for ever. */
const patienceToLook = 10_000

/** The same client, who gives up by our own clock: one beyond the server's, so that the server speaks first. */
const within = (client: Asked, ms: number): Asked => ({
  query: (asked) =>
    client.query({ ...(typeof asked === 'string' ? { text: asked } : asked), query_timeout: ms }),
})

type Asked = Pick<Client, 'query'>

/** Brings the schema up to date. Throws StoreError: `STORE_NEWER`, `STORE_ADDRESS` (the role may not create it). */
export async function migrate(asked: Asked, schema: string): Promise<{ from: number; to: number }> {
  const to = migrations.length
  const found = await versionOf(asked, schema)
  if (found === to) return { from: to, to }
  if (found > to) throw newer(schema, found)
  const client = within(asked, patience + 5_000)
  try {
    await client.query(
      `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = ${patience}; SET LOCAL lock_timeout = ${patience}`,
    )
    await client.query({
      text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))',
      values: [`backstep ${schema}`],
    })
    const from = await versionOf(client, schema)
    if (from > to) throw newer(schema, from)
    if (from < to) await client.query(scriptOf(schema, from))
    await client.query('COMMIT')
    return { from, to }
  } catch (error) {
    // Where the server said nothing, nothing more is said: the connection is closed, and that takes it back.
    if (sqlStateOf(error) !== '') await client.query('ROLLBACK').catch(() => {})
    throw explained(error, schema)
  }
}

/** For those who only look: throws StoreError `STORE_NOT_FOUND`, `STORE_OLDER`, `STORE_NEWER`. */
export async function refuseOlder(client: Asked, schema: string): Promise<void> {
  const found = await versionOf(client, schema)
  const to = migrations.length
  if (found > to) throw newer(schema, found)
  if (found === to) return
  throw found === 0
    ? new StoreError(`there is no store in schema ${schema}`, {
        code: 'STORE_NOT_FOUND',
        hint: 'name another database or ?schema=…; a process that runs sagas makes one, and so does `backstep migrate`',
      })
    : new StoreError(`schema ${schema} has version ${found}, and this Backstep needs ${to}`, {
        code: 'STORE_OLDER',
        hint: 'run `backstep migrate`',
      })
}

/** 0: there is nothing yet. */
export async function versionOf(asked: Asked, schema: string): Promise<number> {
  const client = within(asked, patienceToLook)
  const table = `${quoted(schema)}.migrations`
  // Not to_regclass: it asks the session's catalog cache, which may still believe, after the wait for the lock, that there is none.
  const { rows } = await client.query({
    text: `SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'migrations') AS there`,
    values: [schema],
    rowMode: 'array',
  })
  if (rows[0]?.[0] !== true) return 0
  const { rows: versions } = await client.query({
    text: `SELECT coalesce(max(version), 0)::integer FROM ${table}`,
    rowMode: 'array',
  })
  return Number(versions[0]?.[0])
}

function scriptOf(schema: string, from: number): string {
  const name = quoted(schema)
  const steps = migrations
    .slice(from)
    .map(
      (sql, i) =>
        `${sql.replaceAll(':schema', `${name}, pg_temp`)}; INSERT INTO migrations (version) VALUES (${from + i + 1});`,
    )
  const create = `
    DO $do$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${literal(schema)}) THEN CREATE SCHEMA ${name}; END IF;
    END $do$;
    SET LOCAL search_path = ${name};
    CREATE TABLE IF NOT EXISTS migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());`
  return `${create}\n${steps.join('\n')}`
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

function newer(schema: string, version: number): StoreError {
  return new StoreError(`schema ${schema} has version ${version}, this Backstep knows ${migrations.length}`, {
    code: 'STORE_NEWER',
    hint: 'upgrade backstep in this process; processes that run the older version may go on',
  })
}

function explained(error: unknown, schema: string): unknown {
  if (!isSqlState(error, '42501')) return error
  return new StoreError(`schema ${schema} cannot be created: ${messageOf(error)}`, {
    code: 'STORE_ADDRESS',
    hint: 'run `backstep migrate` with the address of a role that may create it, and grant this one USAGE on the schema, ALL on its tables and sequences',
    cause: error,
  })
}
