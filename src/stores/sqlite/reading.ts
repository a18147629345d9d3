/**
 * What the SQLite store shows. Nothing here writes.
 */
import type { Database as Driver } from 'better-sqlite3'
import { Admission, type Lines } from '../../store/admission.js'
import type { DefinitionRef, Health, ListFilter, Obstacle, SagaRow, Tombstone } from '../../store/store.js'
import { noCounts, statuses } from '../../store/stored.js'
import type { WireSaga } from './answers.js'
import { doneStage, rowOf, waitingStage } from './codes.js'
import type { Connection } from './connection.js'
import { inconsistencies } from './inspection.js'
import { contenderOf } from './lines.js'
import { Listing } from './listing.js'
import { migrations } from './migrations.js'
import type { SagaRecord } from './statements.js'
import type { Transaction } from './transaction.js'

export type Found = { readonly saga: WireSaga } | { readonly tombstone: Tombstone } | undefined

export class Reading {
  readonly #tx: Transaction
  readonly #db: Driver
  readonly #listing: Listing

  constructor(tx: Transaction, db: Driver) {
    this.#tx = tx
    this.#db = db
    this.#listing = new Listing(tx, db)
  }

  find(ref: { readonly n: number } | { readonly id: string }): Found {
    const { sql } = this.#tx
    const record = 'n' in ref ? sql.saga.get(ref.n) : sql.sagaById.get(ref.id)
    if (record) return { saga: { row: this.#row(record), chunks: sql.chunks.all(record.n) } }
    const left = 'id' in ref ? sql.tombstone.get(ref.id) : undefined
    if (!left) return undefined
    const status = statuses[left.status] === 'committed' ? 'committed' : 'rolled_back'
    return { tombstone: { id: left.id, inputHash: left.input_hash, status, endedAt: left.ended_at } }
  }

  rows(numbers: readonly number[]): SagaRow[] {
    return numbers.flatMap((n) => {
      const record = this.#tx.sql.saga.get(n)
      return record ? [this.#row(record)] : []
    })
  }

  list(filter: ListFilter): SagaRow[] {
    return this.#listing.records(filter).map((record) => this.#row(record))
  }

  owned(name: string): { n: number; token: number }[] {
    const { sql, registry, now } = this.#tx
    const worker = registry.worker(name)
    if (!worker || worker.dead) return []
    return [...registry.definitions.keys()]
      .flatMap((d) => [...sql.owned.all(d, worker.w), ...sql.ownedOverdue.all(d, now(), worker.w)])
      .map(([n, token]) => ({ n, token }))
  }

  obstacles(n: number, limit: number): Obstacle[] {
    const { sql, lines } = this.#tx
    const record = sql.saga.get(n)
    if (record?.stage !== waitingStage) return []
    const holders = sql.someHolders.all(limit)
    const found = new Admission(readOnly(lines)).obstacles(contenderOf(record), holders).slice(0, limit)
    return found.flatMap(({ n: other, key }) => {
      const row = sql.saga.get(other)
      if (!row) return []
      const { id, stage, stuck, blocked } = this.#row(row)
      return [{ n: other, id, stage, stuck, blocked, key }]
    })
  }

  definitions(name: string): DefinitionRef[] {
    return [...this.#tx.registry.definitions.values()]
      .map(({ ref }) => ref)
      .filter((ref) => ref.name === name)
  }

  health(connection: Connection, thorough: boolean): Health {
    const { sql, registry } = this.#tx
    const { committed, rolled_back } = this.#tx.counters()
    const counts = { ...noCounts(), committed, rolled_back, stuck: sql.countStuck.get() ?? 0 }
    for (const [status, count] of [...sql.countWaiting.all(), ...sql.countHolding.all()]) {
      const name = statuses[status]
      if (name) counts[name] += count
    }
    for (const { d } of registry.definitions.values()) {
      if (!registry.isOfferedNow(d)) counts.blocked += sql.countUnfinishedOf.get(d, d) ?? 0
    }
    const workers = [...registry.workers.values()].map((worker) => ({
      worker: worker.worker,
      alive: registry.isAlive(worker),
      offers: [...worker.offers].map((d) => registry.definition(d).ref),
    }))
    const problems = thorough
      ? [...connection.problems(), ...inconsistencies(this.#db)]
      : connection.problems()
    const engine = `SQLite ${connection.version}, WAL, synchronous=FULL`
    return { engine, schema: migrations.length, counts, workers, problems }
  }

  #row(record: SagaRecord): SagaRow {
    const { registry } = this.#tx
    const { ref, d } = registry.definition(record.d)
    const blocked = record.stage !== doneStage && !registry.isOfferedNow(d)
    return rowOf(record, { definition: ref, blocked, owner: registry.nameOf(record.owner) })
  }
}

/** Looking must not leave notes: there is no transaction to keep them in. */
function readOnly(lines: Lines): Lines {
  const nothing = () => {}
  const methods = {
    isOffered: lines.isOffered.bind(lines),
    contender: lines.contender.bind(lines),
    next: lines.next.bind(lines),
    waitingOf: lines.waitingOf.bind(lines),
    holdersOf: lines.holdersOf.bind(lines),
    hasExclusive: lines.hasExclusive.bind(lines),
    holding: lines.holding.bind(lines),
    hasBadHolder: lines.hasBadHolder.bind(lines),
    firstWaiting: lines.firstWaiting.bind(lines),
    ripple: () => undefined,
  }
  return {
    ...methods,
    move: nothing,
    wake: nothing,
    wakeAll: () => ({ count: 0, last: 0 }),
    sleep: nothing,
    addRipple: nothing,
    removeRipple: nothing,
  }
}
