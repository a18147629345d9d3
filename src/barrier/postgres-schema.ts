/**
 * The barrier's tables on PostgreSQL and the statements on them.
 *
 * Invariants
 * - Numbered migrations from the first day; tables of a newer version are refused, never guessed at.
 * - No type of a driver appears: whatever has this shape will do (pg has it). Values go in and out as text, number, boolean.
 * - Keys sort by bytes, whatever the database's locale: `prune` compares them.
 */
import { BarrierError } from './errors.js'

/** One connection, or one transaction of a query builder: the part that the barrier needs. */
export interface PostgresTransaction {
  query(sql: string, values?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

/** The part of pg's `Pool` that the barrier needs. */
export interface PostgresPool {
  readonly totalCount: number
  connect(): Promise<PooledClient>
}

/** The part of pg's `PoolClient`. */
export interface PooledClient extends PostgresTransaction {
  release(destroy?: boolean): void
  on?(event: 'error', listener: () => void): unknown
  removeListener?(event: 'error', listener: () => void): unknown
}

export const version = 1

/** Two that create them at once would fail on the catalog's own indexes: one waits for the other. */
const lock = `SELECT pg_advisory_xact_lock(hashtext('backstep_barrier'))`

const tables = [
  `CREATE TABLE IF NOT EXISTS backstep_barrier_version (
     one int PRIMARY KEY CHECK (one = 1), version int NOT NULL, pruned text COLLATE "C" NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS backstep_barrier_fence (
     saga text COLLATE "C" PRIMARY KEY, token bigint NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS backstep_barrier (
     commit_key text COLLATE "C" PRIMARY KEY, state text NOT NULL CHECK (state IN ('committed', 'rolled_back')),
     answer text, rollback_answer text)`,
  `INSERT INTO backstep_barrier_version VALUES (1, ${version}, '') ON CONFLICT DO NOTHING`,
]

export interface Entered {
  readonly version: number
  readonly pruned: string
  /** The token was not stale, or there was none. */
  readonly fenced: boolean
  /** No call for this key has been here before. */
  readonly inserted: boolean
}

/**
 * $1 saga, $2 token or null, $3 commit key, $4 the first state.
 *
 * `same` lets steps of one owner run side by side: they share the row. Whoever brings a newer token waits for them.
 * `steady` is for snapshots that do not move: there only a locked row tells that `prune` has run since (see postgres.ts).
 */
const enter = `
  WITH steady AS (
    SELECT 1 FROM backstep_barrier_version
    WHERE current_setting('transaction_isolation') IN ('repeatable read', 'serializable') FOR SHARE
  ), same AS (
    SELECT 1 FROM backstep_barrier_fence WHERE saga = $1::text AND token = $2::bigint FOR SHARE
  ), fence AS (
    INSERT INTO backstep_barrier_fence AS old (saga, token)
    SELECT $1::text, $2::bigint WHERE $2::bigint IS NOT NULL AND NOT EXISTS (SELECT FROM same)
    ON CONFLICT (saga) DO UPDATE SET token = excluded.token WHERE excluded.token >= old.token
    RETURNING 1
  ), fenced AS (
    SELECT $2::bigint IS NULL OR EXISTS (SELECT FROM same) OR EXISTS (SELECT FROM fence) AS passed
  ), inserted AS (
    INSERT INTO backstep_barrier (commit_key, state) SELECT $3::text, $4::text FROM fenced WHERE passed
    ON CONFLICT DO NOTHING RETURNING 1
  )
  SELECT version, pruned, (SELECT passed FROM fenced) AS fenced, EXISTS (SELECT FROM inserted) AS inserted,
         (SELECT count(*) FROM steady) AS steady
  FROM backstep_barrier_version`

/** A regular expression; the same as `isDated`. */
const dated = '^[0-9a-f]{8}-[0-9a-f]{4}-7'

export const statements = {
  enter,
  fenceOf: 'SELECT token FROM backstep_barrier_fence WHERE saga = $1',
  /** For a commit, which only reads. */
  find: 'SELECT state, answer, rollback_answer FROM backstep_barrier WHERE commit_key = $1',
  /** For a rollback: a second one at the same time waits for the first. */
  lock: 'SELECT state, answer, rollback_answer FROM backstep_barrier WHERE commit_key = $1 FOR NO KEY UPDATE',
  setAnswer: `UPDATE backstep_barrier SET answer = $2 WHERE commit_key = $1
              RETURNING (SELECT pruned FROM backstep_barrier_version) AS pruned`,
  setUndone: `UPDATE backstep_barrier SET state = 'rolled_back', rollback_answer = $2 WHERE commit_key = $1
              RETURNING (SELECT pruned FROM backstep_barrier_version) AS pruned`,
  pruned: 'SELECT pruned FROM backstep_barrier_version',
  now: 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::text AS now',
  setPruned: 'UPDATE backstep_barrier_version SET pruned = greatest(pruned, $1)',
  prune: `WITH gone AS (DELETE FROM backstep_barrier WHERE commit_key < $1 AND commit_key ~ '${dated}' RETURNING 1)
          SELECT count(*)::int AS steps FROM gone`,
  pruneFence: `DELETE FROM backstep_barrier_fence WHERE saga < $1 AND saga ~ '${dated}'`,
} as const

/** Creates what is missing, in the transaction that is open. Throws BarrierError (`TABLES_MISSING`) where it may not. */
export async function createTables(tx: PostgresTransaction): Promise<void> {
  try {
    for (const sql of [lock, ...tables]) await tx.query(sql)
  } catch (error) {
    if (!refused.has(sqlState(error))) throw error
    throw new BarrierError(
      "the barrier's tables are not there, and this role may not create them",
      'TABLES_MISSING',
      'run `await postgresBarrier(pool).createTables()` once with a role that may, and grant this one SELECT, INSERT, UPDATE, DELETE',
      error,
    )
  }
}

/** No privilege; no schema in its search path that it may use. */
const refused: ReadonlySet<string | undefined> = new Set(['42501', '3F000'])

/** What the server said, as its five characters; undefined if the error is not the server's. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  // With a digit: EPIPE is Node's.
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined
}
