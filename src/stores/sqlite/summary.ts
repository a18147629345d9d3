/**
 * What a summary does to a saga's row and to its place among the others.
 *
 * Invariants
 * - Whether a saga that has not ended waits or holds is the store's to say: a summary only ends it, or brings it back.
 * - A row that leaves `waiting` or `holding` takes its rows in `wants` with it, and tells admission.
 * - A fact by somebody else never changes the owner.
 */
import { waits } from '../../store/admission.js'
import type { DefinitionRef } from '../../store/store.js'
import { committed, doneStage, holdingStage, running, waitingStage } from './codes.js'
import type { SagaRecord } from './statements.js'
import type { Transaction } from './transaction.js'
import type { Reader } from './wire.js'

export interface WireSummary {
  readonly status: number
  readonly stage: number
  readonly stuck: number
  readonly late: number
  readonly dueIn: number | null
  readonly definition: DefinitionRef | undefined
}

/** The write that a summary comes with. */
export interface Cause {
  readonly at: number
  /** By somebody who does not own the saga. */
  readonly isForeign: boolean
  readonly keys: readonly string[] | null
}

export function readSummary(reader: Reader): WireSummary {
  const status = reader.number()
  const stage = reader.number()
  const flags = reader.number()
  const dueIn = reader.maybeNumber()
  const definition = reader.flag() ? reader.ref() : undefined
  return { status, stage, stuck: flags & 1, late: flags >> 1, dueIn, definition }
}

export function summarise(tx: Transaction, row: SagaRecord, summary: WireSummary, cause: Cause): void {
  const { n, stage } = row
  const { stuck, late } = summary
  const status = summary.status === 0 && stage === holdingStage ? running : summary.status
  tx.sql.flags.run(status, stuck, late, n)
  if (summary.definition) rebind(tx, row, tx.intern(summary.definition).d, cause.keys)
  if (summary.stage === doneStage) {
    if (stage !== doneStage) end(tx, row, status, cause)
  } else if (stage === doneStage) reenter(tx, row, cause.keys)
  else release(tx, row, summary.dueIn, cause.isForeign)
  if (stuck === 1 && row.stuck === 0 && stage === holdingStage) turnBad(tx, n)
}

/** The hot path: a saga with keys that held them ends. False: it is another case, nothing has changed. */
export function endHolder(
  tx: Transaction,
  n: number,
  { status, stuck, late }: WireSummary,
  at: number,
  keys: readonly string[],
): boolean {
  if (tx.sql.endHolder.run(status, stuck, late, at, n).changes === 0) return false
  countEnd(tx, status, 1)
  for (const key of keys) tx.sql.deleteWant.run(key, 0, n)
  tx.admission.released(keys)
  return true
}

export function countEnd(tx: Transaction, status: number, by: number): void {
  const counters = tx.changeCounters()
  if (status === committed) counters.committed += by
  else counters.rolled_back += by
}

function end(tx: Transaction, { n, place }: SagaRecord, status: number, { at, keys }: Cause): void {
  tx.sql.end.run(at, n)
  countEnd(tx, status, 1)
  if (keys === null) tx.changeCounters().exclusive--
  else {
    for (const key of keys) tx.sql.deleteWant.run(key, place, n)
    tx.admission.released(keys)
  }
}

/** Its commit landed late: it takes its keys again, in its old place. */
function reenter(tx: Transaction, { n, status }: SagaRecord, keys: readonly string[] | null): void {
  countEnd(tx, status, -1)
  if (keys === null) {
    tx.sql.reenter.run(0, null, null, n)
    tx.changeCounters().exclusive++
  } else {
    tx.sql.reenter.run(1, waits, JSON.stringify(keys), n)
    for (const key of keys) tx.sql.insertWant.run(key, waits, n)
  }
}

/** Its owner parks it, or a fact says when one that is parked is due. */
function release(
  tx: Transaction,
  { n, stage, owner }: SagaRecord,
  dueIn: number | null,
  isForeign: boolean,
): void {
  if (dueIn === null || (isForeign && owner !== null)) return
  tx.sql.giveUp.run(stage === holdingStage ? tx.due(dueIn) : null, n)
}

/** A holding saga has become stuck. */
function turnBad(tx: Transaction, n: number): void {
  const saga = tx.lines.contender(n)
  if (saga) tx.admission.turnedBad(saga)
}

function rebind(
  tx: Transaction,
  { n, stage, d: before }: SagaRecord,
  d: number,
  keys: readonly string[] | null,
): void {
  if (d === before) return
  tx.sql.rebind.run(d, n)
  const saga = tx.lines.contender(n)
  if (!saga) return
  if (stage === holdingStage && !tx.lines.isOffered(d)) tx.admission.turnedBad(saga)
  if (stage === waitingStage && keys !== null) {
    tx.lines.move(saga, tx.admission.placeOf(saga))
    tx.admission.released(keys)
  }
}
