/**
 * The limits: what the disk and SQLite give to a bare loop, with the pragmas of the store, in the same folder.
 *
 * Invariant
 * - The loop never yields: nothing else of this process can run in its slice.
 */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Slice } from './slices.js'

/** Four durable writes a saga, one after the other. */
const writesOfSaga = 4
/** Four entries of the journal, the saga's row twice, its key there and away again. */
const rowsOfSaga = 8
const groupSize = 256
/** A row as the journal has it: what a write of a saga says is about as long. */
const table = `CREATE TABLE rows (
  n INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, entries TEXT NOT NULL, PRIMARY KEY (n, seq)
) WITHOUT ROWID`
const text = 'x'.repeat(100)

export interface Limits {
  /** One at a time: single-row durable commits a second ÷ 4. */
  readonly one: Slice
  /** At 256: rows a second in transactions of 256 ÷ 8. */
  readonly group: Slice
  close(): void
}

export function openLimits(folder: string): Limits {
  const db = new Database(join(folder, 'limit.sqlite'))
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('wal_autocheckpoint = 4000')
  db.pragma('journal_size_limit = 67108864')
  if (db.pragma('synchronous', { simple: true }) !== 2) throw new Error('synchronous is not FULL')
  db.exec(table)
  const insert = db.prepare('INSERT INTO rows VALUES (?, ?, ?, ?)')
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  let row = 0
  const insertOne = (): void => {
    insert.run(row >> 2, row & 3, Date.now(), text)
    row++
  }
  const insertGroup = (): void => {
    begin.run()
    for (let i = 0; i < groupSize; i++) insertOne()
    commit.run()
  }
  return {
    one: (seconds) => perSecond(seconds, insertOne) / writesOfSaga,
    group: (seconds) => (perSecond(seconds, insertGroup) * groupSize) / rowsOfSaga,
    close: () => db.close(),
  }
}

function perSecond(seconds: number, action: () => unknown): number {
  const begin = performance.now()
  const end = begin + seconds * 1_000
  let count = 0
  let now = begin
  while (now < end) {
    action()
    count++
    now = performance.now()
  }
  return (count / (now - begin)) * 1_000
}
