/**
 * The append, and the prune: writes to a saga that is there.
 *
 * Invariants
 * - A chunk lands by one statement that checks the token and the place in the journal; only then does the row follow.
 * - Why it did not land is asked afterwards, in the same transaction: nothing can have changed in between.
 */
import type { WireResult } from './answers.js'
import { doneStage, keysOf } from './codes.js'
import { countEnd, endHolder, readSummary, summarise } from './summary.js'
import type { Transaction } from './transaction.js'
import type { Reader } from './wire.js'

interface WireAppend {
  readonly n: number
  readonly token: number | null
  readonly seq: number
  readonly at: number
  readonly entries: string
}

export function append(tx: Transaction, reader: Reader): WireResult {
  const write = readAppend(reader)
  const replaces = reader.flag()
  const summary = reader.flag() ? readSummary(reader) : undefined
  const keys = summary && reader.flag() ? reader.maybeText() : undefined
  if (!(replaces ? replace(tx, write) : add(tx, write))) return whyNot(tx, write)
  const { n, at } = write
  const isForeign = write.token === null
  if (isForeign) tx.sql.notice.run(n)
  if (!summary) return 'applied'
  const isPlainEnd = summary.stage === doneStage && typeof keys === 'string' && !summary.definition
  if (isPlainEnd && endHolder(tx, n, summary, at, JSON.parse(keys))) return 'applied'
  const row = tx.row(n)
  summarise(tx, row, summary, { at, isForeign, keys: keys === undefined ? tx.keysOf(row) : keysOf({ keys }) })
  return 'applied'
}

function readAppend(reader: Reader): WireAppend {
  const n = reader.number()
  const token = reader.maybeNumber()
  return { n, token, seq: reader.number(), at: reader.number(), entries: reader.text() }
}

function add({ sql }: Transaction, { n, token, seq, at, entries }: WireAppend): boolean {
  const result =
    token === null
      ? sql.appendFact.run(n, n, seq - 1, at, entries)
      : sql.appendOwned.run(n, token, n, seq - 1, at, entries)
  return result.changes === 1
}

function replace({ sql }: Transaction, { n, token, seq, at, entries }: WireAppend): boolean {
  const result =
    token === null
      ? sql.replaceFact.run(at, entries, n, seq, n, seq + 1)
      : sql.replaceOwned.run(at, entries, n, seq, n, token, n, seq + 1)
  return result.changes === 1
}

function whyNot({ sql }: Transaction, { n, token, seq, at, entries }: WireAppend): WireResult {
  if (token !== null && sql.token.get(n) !== token) return 'superseded'
  const chunk = sql.chunk.get(n, seq)
  return chunk?.at === at && chunk.entries === entries ? 'applied' : 'conflict'
}

export function prune(tx: Transaction, reader: Reader): WireResult {
  const inputHash = reader.text()
  const n = reader.number()
  const { sql } = tx
  const row = sql.saga.get(n)
  if (!row) return 'applied'
  if (row.stage !== doneStage) return 'superseded'
  sql.deleteChunks.run(n)
  sql.deleteSaga.run(n)
  sql.insertTombstone.run(row.id, inputHash, row.status, row.ended_at)
  countEnd(tx, row.status, -1)
  tx.changeCounters().pruned++
  return 'applied'
}
