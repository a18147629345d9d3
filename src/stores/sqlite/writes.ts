/**
 * The writes that are about one saga: submit, append, prune. Runs inside the transaction of a flush.
 *
 * Invariants
 * - A chunk lands by one statement that checks the token and the place; only then is the row brought up to date.
 * - A row that leaves `waiting` or `holding` takes its rows in `wants` with it, and tells admission.
 * - Nothing here reads a clock but for `dueIn`.
 */
import { waits } from '../../store/admission.js'
import type { DefinitionRef } from '../../store/store.js'
import { committed, doneStage, holdingStage, keysOf, running, waitingStage } from './codes.js'
import type { KnownWorker } from './registry.js'
import type { SagaRecord } from './statements.js'
import type { Transaction } from './transaction.js'
import type { Reader, WireResult } from './wire.js'

interface WireSummary {
  readonly status: number
  readonly stage: number
  readonly stuck: number
  readonly late: number
  readonly dueIn: number | null
  readonly definition: DefinitionRef | undefined
}

interface Submission {
  readonly id: string
  readonly uid: string
  readonly definition: DefinitionRef
  readonly keys: string | null
  readonly deadline: number | null
  readonly at: number
  readonly entries: string
  readonly start:
    | { readonly worker: string; readonly entries: string; readonly summary: WireSummary }
    | undefined
}

function readSummary(reader: Reader): WireSummary {
  const status = reader.number()
  const stage = reader.number()
  const flags = reader.number()
  return {
    status,
    stage,
    stuck: flags & 1,
    late: flags >> 1,
    dueIn: reader.maybeNumber(),
    definition: reader.maybeRef(),
  }
}

function readSubmission(reader: Reader): Submission {
  const id = reader.text()
  const uid = reader.text()
  const definition = reader.ref()
  const keys = reader.maybeText()
  const deadline = reader.maybeNumber()
  const at = reader.number()
  const entries = reader.text()
  if (reader.number() === 0) return { id, uid, definition, keys, deadline, at, entries, start: undefined }
  const start = { worker: reader.text(), entries: reader.text(), summary: readSummary(reader) }
  return { id, uid, definition, keys, deadline, at, entries, start }
}

/** Joins two JSON arrays that are not empty. */
function joined(first: string, second: string): string {
  return second === '[]' ? first : `${first.slice(0, -1)},${second.slice(1)}`
}

export function submit(tx: Transaction, reader: Reader): WireResult {
  const write = readSubmission(reader)
  const counters = tx.counters()
  const d = tx.intern(write.definition).d
  const keys = keysOf(write)
  const n = counters.n + 1
  const saga = { n, d, keys, stage: 'waiting', stuck: false } as const
  const worker = write.start && tx.starter(write.start.worker, d)
  const start = worker && tx.admission.judge(saga) === 'start' ? write.start : undefined
  if (start && worker) return begin(tx, write, worker, n, d, keys)
  const place = keys === null ? null : tx.admission.placeOf(saga)
  const awake = keys !== null && tx.admission.judgeKeys(saga) !== 'wait' ? 1 : 0
  const exclusive = keys === null ? 1 : 0
  const row = [
    n,
    write.id,
    d,
    0,
    waitingStage,
    0,
    0,
    exclusive,
    awake,
    0,
    write.at,
    place,
    write.keys,
    null,
    write.deadline,
  ]
  if (tx.sql.insertSaga.run(...row, write.id).changes === 0) return answerAgain(tx, write)
  settleIn(tx, n, keys, place ?? waits, write.at, write.entries)
  return { n, token: 0 }
}

function begin(
  tx: Transaction,
  write: Submission,
  worker: KnownWorker,
  n: number,
  d: number,
  keys: readonly string[] | null,
): WireResult {
  const { start } = write
  if (!start) throw new Error('unreachable')
  const { summary } = start
  const token = tx.counters().token + 1
  const exclusive = keys === null ? 1 : 0
  const place = keys === null ? null : 0
  const { status, stuck, late } = summary
  const changes = tx.sql.insertSaga.run(
    ...[
      n,
      write.id,
      d,
      status,
      holdingStage,
      stuck,
      late,
      exclusive,
      0,
      token,
      write.at,
      place,
      write.keys,
      worker.w,
      write.deadline,
    ],
    write.id,
  ).changes
  if (changes === 0) return answerAgain(tx, write)
  tx.counters().token = token
  settleIn(tx, n, keys, 0, write.at, joined(write.entries, start.entries))
  if (summary.stage === doneStage || summary.dueIn !== null)
    summarise(tx, record(tx, n), summary, write.at, false, keys)
  return { n, token }
}

function settleIn(
  tx: Transaction,
  n: number,
  keys: readonly string[] | null,
  place: number,
  at: number,
  entries: string,
): void {
  const counters = tx.changeCounters()
  counters.n = n
  if (keys === null) counters.exclusive++
  else for (const key of keys) tx.sql.insertWant.run(key, place, n)
  tx.sql.insertChunk.run(n, 0, at, entries)
}

/** The id is taken: by this very submit, sent again, or by another. */
function answerAgain(tx: Transaction, write: Submission): WireResult {
  const known = tx.sql.sagaById.get(write.id)
  const first = known && tx.sql.chunk.get(known.n, 0)
  if (!known || !first) return 'conflict'
  const [submitted] = JSON.parse(first.entries) as { uid?: string }[]
  if (submitted?.uid !== write.uid) return 'conflict'
  const { start } = write
  const started = start !== undefined && first.entries === joined(write.entries, start.entries)
  const isOurs = started && known.owner !== null && tx.registry.worker(start.worker)?.w === known.owner
  return { n: known.n, token: isOurs ? known.token : 0 }
}

export function append(tx: Transaction, reader: Reader): WireResult {
  const n = reader.number()
  const token = reader.maybeNumber()
  const seq = reader.number()
  const at = reader.number()
  const entries = reader.text()
  const replaces = reader.number() === 1
  const summary = reader.number() === 1 ? readSummary(reader) : undefined
  const keys = summary && reader.maybeText()
  if (!(replaces ? replace(tx, n, token, seq, at, entries) : add(tx, n, token, seq, at, entries))) {
    return whyNot(tx, n, token, seq, at, entries)
  }
  if (token === null) tx.sql.notice.run(n)
  if (!summary) return 'applied'
  if (summary.stage === doneStage && typeof keys === 'string' && keys !== '' && !summary.definition) {
    const wanted = JSON.parse(keys) as readonly string[]
    if (endHolder(tx, n, summary, at, wanted)) return 'applied'
  }
  const row = record(tx, n)
  summarise(
    tx,
    row,
    summary,
    at,
    token === null,
    keys === '' || keys === undefined ? keysOf(row) : keysOf({ keys }),
  )
  return 'applied'
}

function add(
  tx: Transaction,
  n: number,
  token: number | null,
  seq: number,
  at: number,
  entries: string,
): boolean {
  const { appendFact, appendOwned } = tx.sql
  const { changes } =
    token === null
      ? appendFact.run(n, seq, at, entries, n, n, seq - 1)
      : appendOwned.run(n, seq, at, entries, n, token, n, seq - 1)
  return changes === 1
}

function replace(
  tx: Transaction,
  n: number,
  token: number | null,
  seq: number,
  at: number,
  entries: string,
): boolean {
  const { replaceFact, replaceOwned } = tx.sql
  const { changes } =
    token === null
      ? replaceFact.run(at, entries, n, seq, n, seq + 1)
      : replaceOwned.run(at, entries, n, seq, n, token, n, seq + 1)
  return changes === 1
}

function whyNot(
  tx: Transaction,
  n: number,
  token: number | null,
  seq: number,
  at: number,
  entries: string,
): WireResult {
  if (token !== null && tx.sql.token.get(n) !== token) return 'superseded'
  const chunk = tx.sql.chunk.get(n, seq)
  return chunk?.at === at && chunk.entries === entries ? 'applied' : 'conflict'
}

function record(tx: Transaction, n: number): SagaRecord {
  const found = tx.sql.saga.get(n)
  if (!found) throw new Error(`saga number ${n} is missing`)
  return found
}

/** The hot path: a saga with keys that held them ends. False: it is another case, nothing has changed. */
function endHolder(
  tx: Transaction,
  n: number,
  summary: WireSummary,
  at: number,
  keys: readonly string[],
): boolean {
  const { status, stuck, late } = summary
  if (tx.sql.endHolder.run(status, stuck, late, at, n).changes === 0) return false
  countEnd(tx, status, 1)
  for (const key of keys) tx.sql.deleteWant.run(key, 0, n)
  tx.admission.released(keys)
  return true
}

function countEnd(tx: Transaction, status: number, by: number): void {
  const counters = tx.changeCounters()
  if (status === committed) counters.committed += by
  else counters.rolled_back += by
}

function summarise(
  tx: Transaction,
  row: SagaRecord,
  summary: WireSummary,
  at: number,
  isForeign: boolean,
  keys: readonly string[] | null,
): void {
  const { n, stage } = row
  const { stuck, late, dueIn } = summary
  const status = summary.status === 0 && stage === holdingStage ? running : summary.status
  tx.sql.flags.run(status, stuck, late, n)
  if (summary.definition) rebind(tx, row, tx.intern(summary.definition).d, keys)
  if (summary.stage === doneStage) {
    if (stage !== doneStage) end(tx, row, status, at, keys)
    return
  }
  if (stage === doneStage) reenter(tx, row, keys)
  else if (!isForeign && dueIn !== null) tx.sql.giveUp.run(stage === holdingStage ? tx.due(dueIn) : null, n)
  else if (row.owner === null && stage === holdingStage && dueIn !== null) tx.sql.setDue.run(tx.due(dueIn), n)
  if (stuck === 1 && row.stuck === 0 && stage === holdingStage) turnBad(tx, n)
}

/** A holding saga has become stuck. */
export function turnBad(tx: Transaction, n: number): void {
  const saga = tx.lines.contender(n)
  if (saga) tx.admission.turnedBad(saga)
}

function end(
  tx: Transaction,
  row: SagaRecord,
  status: number,
  at: number,
  keys: readonly string[] | null,
): void {
  const { n, place } = row
  tx.sql.end.run(at, n)
  countEnd(tx, status, 1)
  if (keys === null) tx.changeCounters().exclusive--
  else {
    for (const key of keys) tx.sql.deleteWant.run(key, place, n)
    tx.admission.released(keys)
  }
}

/** Its commit landed late: it takes its keys again, in its old place. */
function reenter(tx: Transaction, row: SagaRecord, keys: readonly string[] | null): void {
  const { n, status } = row
  countEnd(tx, status, -1)
  const exclusive = keys === null ? 1 : 0
  tx.sql.reenter.run(1 - exclusive, keys === null ? null : waits, keys && JSON.stringify(keys), exclusive, n)
  if (keys === null) tx.changeCounters().exclusive++
  else for (const key of keys) tx.sql.insertWant.run(key, waits, n)
}

function rebind(tx: Transaction, row: SagaRecord, d: number, keys: readonly string[] | null): void {
  const { n, stage } = row
  if (d === row.d) return
  tx.sql.rebind.run(d, n)
  const saga = tx.lines.contender(n)
  if (!saga) return
  if (stage === holdingStage && !tx.lines.isOffered(d)) tx.admission.turnedBad(saga)
  if (stage === waitingStage && keys !== null) {
    tx.lines.move(saga, tx.admission.placeOf(saga))
    tx.admission.released(keys)
  }
}

export function prune(tx: Transaction, reader: Reader): WireResult {
  const n = reader.number()
  const inputHash = reader.text()
  const row = tx.sql.saga.get(n)
  if (!row) return 'applied'
  if (row.stage !== doneStage) return 'superseded'
  tx.sql.deleteChunks.run(n)
  tx.sql.deleteSaga.run(n)
  tx.sql.insertTombstone.run(row.id, inputHash, row.status, row.ended_at)
  countEnd(tx, row.status, -1)
  return 'applied'
}
