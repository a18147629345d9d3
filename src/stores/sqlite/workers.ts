/**
 * The writes that are about workers: join, renew, leave; and the judgment of who is dead.
 *
 * Invariants
 * - A worker called dead stays dead under that name. Its row stays for as long as it owns sagas: claims find these through it.
 * - Whenever what is offered changes, admission is told in the same transaction.
 */

import type { WireResult } from './answers.js'
import type { KnownWorker } from './registry.js'
import type { Transaction } from './transaction.js'
import type { Reader } from './wire.js'

export function join(tx: Transaction, reader: Reader): WireResult {
  const name = reader.text()
  const leaseUntil = tx.due(reader.number())
  const offers = new Set<number>()
  for (let left = reader.number(); left > 0; left--) offers.add(tx.intern(reader.ref()).d)
  const known = tx.registry.worker(name)
  if (known && !tx.registry.isAlive(known)) return 'superseded'
  const w = known?.w ?? Number(tx.sql.insertWorker.run(name, leaseUntil).lastInsertRowid)
  if (tx.liveness.hold(w)) tx.onRollback(() => tx.liveness.release(w))
  tx.sql.setLease.run(leaseUntil, w)
  tx.sql.deleteOffers.run(w)
  for (const d of offers) tx.sql.insertOffer.run(w, d)
  tx.registry.setWorker({ w, worker: name, leaseUntil, dead: false, offers })
  tx.raiseGeneration()
  tx.liveness.expire()
  judgeWorkers(tx)
  return 'applied'
}

export function renew(tx: Transaction, reader: Reader): WireResult {
  const name = reader.text()
  const leaseUntil = tx.due(reader.number())
  tx.counters()
  const known = tx.registry.worker(name)
  if (!known || !tx.registry.isAlive(known)) return 'superseded'
  tx.sql.setLease.run(leaseUntil, known.w)
  known.leaseUntil = leaseUntil
  return 'applied'
}

export function leave(tx: Transaction, reader: Reader): WireResult {
  const name = reader.text()
  tx.counters()
  const known = tx.registry.worker(name)
  if (!known) return 'applied'
  bury(tx, known)
  forgetTheEmpty(tx)
  tx.onCommit(() => tx.liveness.release(known.w))
  return 'applied'
}

/** Finds out who has died and what is no longer offered, or is again. Cheap if nothing has changed. */
export function judgeWorkers(tx: Transaction): void {
  tx.counters()
  const { registry } = tx
  registry.look()
  for (const worker of [...registry.workers.values()]) {
    if (!worker.dead && !registry.isAlive(worker)) bury(tx, worker)
  }
  if (registry.isJudged) return
  judgeOffers(tx)
  forgetTheEmpty(tx)
  registry.isJudged = true
}

function judgeOffers(tx: Transaction): void {
  const { definitions, workers } = tx.registry
  const offered = new Set([...workers.values()].flatMap(({ dead, offers }) => (dead ? [] : [...offers])))
  for (const definition of definitions.values()) {
    if (definition.offered === offered.has(definition.d)) continue
    definition.offered = !definition.offered
    tx.sql.setOffered.run(definition.offered ? 1 : 0, definition.d)
    tx.raiseGeneration()
    tx.admission.offersChanged(definition.d)
  }
}

function bury(tx: Transaction, worker: KnownWorker): void {
  const { w } = worker
  worker.dead = true
  worker.offers = new Set()
  tx.sql.setDead.run(w)
  tx.sql.deleteOffers.run(w)
  tx.sql.deleteNotices.run(w)
  for (const d of tx.registry.definitions.keys()) tx.sql.disownOverdue.run(d, tx.due(0), w)
  tx.raiseGeneration()
  tx.onCommit(() => tx.liveness.sweep(w))
}

/** A dead worker that owns nothing any more need not be remembered. */
export function forgetTheEmpty(tx: Transaction): void {
  for (const { w, dead } of [...tx.registry.workers.values()]) {
    if (!dead || ownsAny(tx, w)) continue
    tx.sql.deleteWorker.run(w)
    tx.registry.removeWorker(w)
    tx.raiseGeneration()
  }
}

function ownsAny(tx: Transaction, w: number): boolean {
  for (const d of tx.registry.definitions.keys()) if (tx.sql.orphans.get(d, w, 1)) return true
  return false
}
