/**
 * The claim: which sagas a worker gets.
 *
 * Invariants
 * - Each saga given has a new token, and its row names the worker, before the claim is answered.
 * - Every query reads about as many rows as it gives. A claim that finds nothing writes nothing.
 */

import { holds } from '../../store/admission.js'
import { rotated, shareOut } from '../../store/sharing.js'
import type { WireResult, WireSaga } from './answers.js'
import { holdingStage, keysOf, rowOf, running, waitingStage } from './codes.js'
import { contenderOf } from './lines.js'
import type { KnownWorker } from './registry.js'
import type { SagaRecord } from './statements.js'
import type { Transaction } from './transaction.js'
import type { Reader } from './wire.js'
import { forgetTheEmpty, judgeWorkers } from './workers.js'

export function claim(tx: Transaction, reader: Reader): WireResult {
  const name = reader.text()
  const limit = reader.number()
  judgeWorkers(tx)
  const worker = tx.registry.worker(name)
  if (!worker || worker.dead) return 'superseded'
  const noticed = tx.sql.notices.all(worker.w)
  if (noticed.length > 0) tx.sql.deleteNotices.run(worker.w)
  tx.admission.refill()
  const round = new Round(tx, worker)
  round.more = tx.admission.settle()
  shareOut(limit, tx.turn++, [
    (most) => round.takeParked(most),
    (most) => round.takeOrphans(most),
    (most) => round.takeOverdue(most),
    (most) => round.startWaiting(most),
  ])
  const claimed = round.taken.map((record) => round.read(record))
  return { claimed, noticed, dueIn: round.more ? 0 : round.nextDue() }
}

/** One claim while it is being answered. */
class Round {
  /** As their rows are now. */
  readonly taken: SagaRecord[] = []
  more = false
  readonly #tx: Transaction
  readonly #worker: KnownWorker
  readonly #now: number

  constructor(tx: Transaction, worker: KnownWorker) {
    this.#tx = tx
    this.#worker = worker
    this.#now = tx.now()
  }

  takeParked(most: number): number {
    return this.#take(most, (d, left) => this.#tx.sql.parkedDue.all(d, this.#now, left))
  }

  takeOrphans(most: number): number {
    let taken = 0
    for (const { w, dead } of this.#tx.registry.workers.values()) {
      if (!dead || taken >= most) continue
      const orphans = this.#take(most - taken, (d, left) => this.#tx.sql.orphans.all(d, w, left))
      if (orphans < most - taken) forgetTheEmpty(this.#tx)
      taken += orphans
    }
    return taken
  }

  takeOverdue(most: number): number {
    return this.#take(most, (d, left) => this.#tx.sql.overdue.all(d, this.#now, left))
  }

  startWaiting(most: number): number {
    const { admission, lines } = this.#tx
    const before = this.taken.length
    const candidates = this.#candidates(admission.barrier(), most)
    if (admission.start(candidates, most, ({ record }) => this.#start(record))) this.more = true
    if (this.taken.length - before < most && lines.hasExclusive()) this.#startAlone()
    return this.taken.length - before
  }

  nextDue(): number | null {
    let next = Infinity
    for (const d of this.#worker.offers) {
      next = Math.min(
        next,
        this.#tx.sql.nextParked.get(d) ?? Infinity,
        this.#tx.sql.nextDeadline.get(d) ?? Infinity,
      )
    }
    return next === Infinity ? null : Math.max(0, next - this.#tx.now())
  }

  read(record: SagaRecord): WireSaga {
    const { sql, registry } = this.#tx
    const words = {
      definition: registry.definition(record.d).ref,
      blocked: false,
      owner: this.#worker.worker,
    }
    return { row: rowOf(record, words), chunks: sql.chunks.all(record.n) }
  }

  #take(most: number, query: (d: number, left: number) => SagaRecord[]): number {
    let left = most
    for (const d of rotated(this.#worker.offers, this.#tx.turn)) {
      if (left <= 0) break
      for (const record of query(d, left)) {
        const token = this.#nextToken()
        this.#tx.sql.take.run(this.#worker.w, token, record.n)
        this.#give(record, token)
        left--
      }
    }
    return most - left
  }

  #startAlone(): void {
    const { admission, lines, sql } = this.#tx
    const record = sql.saga.get(lines.firstWaiting(true))
    if (record && this.#isStartable(record) && admission.judge(contenderOf(record)) === 'start')
      this.#start(record)
  }

  #start(record: SagaRecord): void {
    const { admission, sql } = this.#tx
    const { n } = record
    // Judging others may have moved it since it was read.
    const place = sql.place.get(n) ?? null
    for (const key of keysOf(record) ?? []) {
      sql.deleteWant.run(key, place, n)
      sql.insertWant.run(key, holds, n)
    }
    const token = this.#nextToken()
    const status = record.status === 0 ? running : record.status
    sql.start.run(this.#worker.w, token, status, n)
    record.status = status
    record.stage = holdingStage
    this.#give(record, token)
    if (record.stuck === 1) admission.turnedBad(contenderOf(record))
  }

  #give(record: SagaRecord, token: number): void {
    record.owner = this.#worker.w
    record.token = token
    record.due = null
    this.taken.push(record)
  }

  #nextToken(): number {
    return ++this.#tx.changeCounters().token
  }

  #isStartable({ d, owner, deadline, stage }: SagaRecord): boolean {
    const isOverdue = deadline !== null && deadline <= this.#now
    return stage === waitingStage && owner === null && !isOverdue && this.#worker.offers.has(d)
  }

  /** Awake sagas of all that the worker offers, in order. */
  *#candidates(below: number, most: number) {
    const heads = [...this.#worker.offers].map((d) => new Head(this.#tx, d, most))
    for (;;) {
      let first: Head | undefined
      for (const head of heads) if (head.n < (first?.n ?? below)) first = head
      const record = first?.shift()
      if (!record) return
      if (this.#isStartable(record)) yield { record, ...contenderOf(record) }
    }
  }
}

/** The awake sagas of one definition, a page at a time. */
class Head {
  readonly #tx: Transaction
  readonly #d: number
  readonly #page: number
  #records: SagaRecord[] = []
  #next = 0
  #after = 0

  constructor(tx: Transaction, d: number, most: number) {
    this.#tx = tx
    this.#d = d
    this.#page = Math.min(Math.max(most, 16), 256)
    this.#fill()
  }

  get n(): number {
    return this.#records[this.#next]?.n ?? Infinity
  }

  shift(): SagaRecord | undefined {
    const record = this.#records[this.#next++]
    if (record) this.#after = record.n
    if (this.#next >= this.#records.length) this.#fill()
    return record
  }

  #fill(): void {
    if (this.#next > 0 && this.#records.length < this.#page) {
      this.#records = []
      return
    }
    this.#records = this.#tx.sql.awake.all(this.#d, this.#after, this.#page)
    this.#next = 0
  }
}
