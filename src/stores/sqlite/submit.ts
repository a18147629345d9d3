/**
 * The submit: a new saga begins at once, or queues.
 *
 * Invariants
 * - The row, the first chunk and the rows in `wants` are written together; a number is used up only if they are.
 * - A submit that is sent again is told from a rival by its uid, which is in the first chunk.
 */
import { holds, waits } from '../../store/admission.js'
import type { DefinitionRef } from '../../store/store.js'
import type { WireResult } from './answers.js'
import { doneStage, holdingStage, keysOf, waitingStage } from './codes.js'
import type { KnownWorker } from './registry.js'
import { readSummary, summarise, type WireSummary } from './summary.js'
import type { Transaction } from './transaction.js'
import type { Reader } from './wire.js'

interface WireStart {
  readonly worker: string
  readonly entries: string
  readonly summary: WireSummary
}

interface WireSubmit {
  readonly id: string
  readonly uid: string
  readonly definition: DefinitionRef
  readonly keys: string | null
  readonly deadline: number | null
  readonly at: number
  readonly entries: string
  readonly start: WireStart | undefined
}

/** Of a new row, what differs between one that starts and one that waits. */
interface NewRow {
  readonly d: number
  readonly keys: readonly string[] | null
  readonly status: number
  readonly stage: number
  readonly stuck: number
  readonly late: number
  readonly awake: number
  readonly token: number
  readonly place: number
  readonly owner: number | null
}

export function submit(tx: Transaction, reader: Reader): WireResult {
  const write = readSubmit(reader)
  const n = tx.counters().n + 1
  const { d } = tx.intern(write.definition)
  const keys = keysOf(write)
  const saga = { n, d, keys, stage: 'waiting', stuck: false } as const
  const { start } = write
  const worker = start && tx.starter(start.worker, d)
  if (worker && tx.admission.judge(saga) === 'start') return begin(tx, write, start, worker, d, keys)
  const place = keys === null ? waits : tx.admission.placeOf(saga)
  const awake = keys !== null && tx.admission.judgeKeys(saga) !== 'wait' ? 1 : 0
  const row = {
    d,
    keys,
    status: 0,
    stage: waitingStage,
    stuck: 0,
    late: 0,
    awake,
    token: 0,
    place,
    owner: null,
  }
  if (!insert(tx, write, row, write.entries)) return answerAgain(tx, write)
  return { n, token: 0 }
}

function readSubmit(reader: Reader): WireSubmit {
  const id = reader.text()
  const uid = reader.text()
  const definition = reader.ref()
  const keys = reader.maybeText()
  const deadline = reader.maybeNumber()
  const at = reader.number()
  const entries = reader.text()
  return {
    id,
    uid,
    definition,
    keys,
    deadline,
    at,
    entries,
    start: reader.flag() ? readStart(reader) : undefined,
  }
}

function readStart(reader: Reader): WireStart {
  return { worker: reader.text(), entries: reader.text(), summary: readSummary(reader) }
}

function begin(
  tx: Transaction,
  write: WireSubmit,
  { entries, summary }: WireStart,
  worker: KnownWorker,
  d: number,
  keys: readonly string[] | null,
): WireResult {
  const counters = tx.counters()
  const token = counters.token + 1
  const { status, stuck, late } = summary
  const owner = worker.w
  const row = { d, keys, status, stage: holdingStage, stuck, late, awake: 0, token, place: holds, owner }
  if (!insert(tx, write, row, joined(write.entries, entries))) return answerAgain(tx, write)
  counters.token = token
  const { n } = counters
  if (summary.stage === doneStage || summary.dueIn !== null) {
    summarise(tx, tx.row(n), summary, { at: write.at, isForeign: false, keys })
  }
  return { n, token }
}

function insert(tx: Transaction, write: WireSubmit, row: NewRow, entries: string): boolean {
  const { sql } = tx
  const counters = tx.counters()
  const { keys } = row
  const n = counters.n + 1
  if (counters.pruned > 0 && sql.tombstone.get(write.id)) return false
  const { changes } = sql.insertSaga.run(
    n,
    write.id,
    row.d,
    row.status,
    row.stage,
    row.stuck,
    row.late,
    keys === null ? 1 : 0,
    row.awake,
    row.token,
    write.at,
    keys === null ? null : row.place,
    write.keys,
    row.owner,
    write.deadline,
  )
  if (changes === 0) return false
  tx.changeCounters().n = n
  if (keys === null) counters.exclusive++
  else for (const key of keys) sql.insertWant.run(key, row.place, n)
  sql.insertChunk.run(n, 0, write.at, entries)
  return true
}

/** Joins two JSON arrays, of which the first is not empty. */
function joined(first: string, second: string): string {
  return second === '[]' ? first : `${first.slice(0, -1)},${second.slice(1)}`
}

/** The id is taken: by this very submit, sent again, or by another. */
function answerAgain(tx: Transaction, { id, uid, entries, start }: WireSubmit): WireResult {
  const known = tx.sql.sagaById.get(id)
  if (!known) return 'conflict'
  const first = tx.firstChunk(known.n)
  const [submitted] = JSON.parse(first) as { uid?: string }[]
  if (submitted?.uid !== uid) return 'conflict'
  const hasStarted = start !== undefined && first === joined(entries, start.entries)
  const isOurs = hasStarted && known.owner !== null && tx.registry.worker(start.worker)?.w === known.owner
  return { n: known.n, token: isOurs ? known.token : 0 }
}
