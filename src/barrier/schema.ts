/**
 * The barrier's tables on SQLite and the statements on them.
 *
 * Invariants
 * - Numbered migrations from the first day; tables of a newer version are refused, never guessed at.
 * - No type of a driver appears: whatever has this shape will do (better-sqlite3 has it).
 */
import { newer } from './errors.js'
import { dated } from './key.js'

/** The part of better-sqlite3's `Database` that the barrier needs. */
export interface SqliteDatabase {
  readonly inTransaction: boolean
  prepare(sql: string): SqliteStatement
}

export interface SqliteStatement {
  run(...values: unknown[]): { readonly changes: number }
  get(...values: unknown[]): unknown
}

/** How a transaction begins, ends, and is taken back. */
export interface Frame {
  readonly begin: SqliteStatement
  readonly end: SqliteStatement
  readonly undo: readonly SqliteStatement[]
}

/** A transaction of the barrier's own, or a savepoint inside the caller's. */
export interface Statements {
  readonly own: Frame
  readonly nested: Frame
  /** By the database's clock, ms since 1970. */
  readonly now: SqliteStatement
  readonly pruned: SqliteStatement
  readonly fence: SqliteStatement
  readonly fenceOf: SqliteStatement
  readonly insert: SqliteStatement
  readonly find: SqliteStatement
  readonly setAnswer: SqliteStatement
  readonly setUndone: SqliteStatement
  readonly prune: SqliteStatement
  readonly pruneFence: SqliteStatement
  readonly setPruned: SqliteStatement
}

const version = 1

const tables = [
  `CREATE TABLE IF NOT EXISTS backstep_barrier_version (
     one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, pruned TEXT NOT NULL) STRICT`,
  `CREATE TABLE IF NOT EXISTS backstep_barrier_fence (
     saga TEXT PRIMARY KEY, token INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS backstep_barrier (
     commit_key TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('committed', 'rolled_back')),
     answer TEXT, rollback_answer TEXT) STRICT`,
  `INSERT INTO backstep_barrier_version VALUES (1, ${version}, '') ON CONFLICT DO NOTHING`,
]

/** Creates the tables if need be, and prepares what runs on them. Throws BarrierError (`BARRIER_NEWER`). */
export function prepare(db: SqliteDatabase): Statements {
  const frames = prepareFrames(db)
  if (!hasTables(db)) createTables(db, db.inTransaction ? frames.nested : frames.own)
  const found = db.prepare('SELECT version FROM backstep_barrier_version').get() as {
    version: number | bigint
  }
  if (found.version > version) {
    throw newer(found.version, version)
  }
  return { ...frames, ...prepareStatements(db) }
}

/** Looked up first, so that opening takes no write lock once the tables are there. */
function hasTables(db: SqliteDatabase): boolean {
  const table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'backstep_barrier_version'"
  return db.prepare(table).get() !== undefined
}

function createTables(db: SqliteDatabase, frame: Frame): void {
  frame.begin.run()
  try {
    for (const table of tables) db.prepare(table).run()
    frame.end.run()
  } catch (error) {
    if (db.inTransaction) for (const statement of frame.undo) statement.run()
    throw error
  }
}

function prepareFrames(db: SqliteDatabase): { own: Frame; nested: Frame } {
  return {
    own: {
      begin: db.prepare('BEGIN IMMEDIATE'),
      end: db.prepare('COMMIT'),
      undo: [db.prepare('ROLLBACK')],
    },
    nested: {
      begin: db.prepare('SAVEPOINT backstep_barrier'),
      end: db.prepare('RELEASE backstep_barrier'),
      undo: [db.prepare('ROLLBACK TO backstep_barrier'), db.prepare('RELEASE backstep_barrier')],
    },
  }
}

function prepareStatements(db: SqliteDatabase): Omit<Statements, 'own' | 'nested'> {
  return {
    now: db.prepare(`SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now`),
    pruned: db.prepare('SELECT pruned FROM backstep_barrier_version'),
    fence: db.prepare(
      `INSERT INTO backstep_barrier_fence VALUES (?, ?)
       ON CONFLICT (saga) DO UPDATE SET token = excluded.token WHERE excluded.token >= token`,
    ),
    fenceOf: db.prepare('SELECT token FROM backstep_barrier_fence WHERE saga = ?'),
    insert: db.prepare(
      'INSERT INTO backstep_barrier (commit_key, state) VALUES (?, ?) ON CONFLICT DO NOTHING',
    ),
    find: db.prepare('SELECT state, answer, rollback_answer FROM backstep_barrier WHERE commit_key = ?'),
    setAnswer: db.prepare('UPDATE backstep_barrier SET answer = ? WHERE commit_key = ?'),
    setUndone: db.prepare(
      `UPDATE backstep_barrier SET state = 'rolled_back', rollback_answer = ? WHERE commit_key = ?`,
    ),
    prune: db.prepare(`DELETE FROM backstep_barrier WHERE commit_key < ? AND commit_key GLOB '${dated}'`),
    pruneFence: db.prepare(`DELETE FROM backstep_barrier_fence WHERE saga < ? AND saga GLOB '${dated}'`),
    setPruned: db.prepare('UPDATE backstep_barrier_version SET pruned = max(pruned, ?)'),
  }
}
