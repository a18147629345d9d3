/**
 * The lines of the SQLite store, as admission sees them: `wants`, and the indexes of `sagas`.
 */
import type { Contender, Lines, Ripple, Spot } from '../../store/admission.js'
import { stages } from '../../store/stored.js'
import { keysOf } from './codes.js'
import type { Registry } from './registry.js'
import type { Counters, SagaRecord, Statements } from './statements.js'

export class SqliteLines implements Lines {
  readonly #sql: Statements
  readonly #registry: Registry
  readonly #counters: () => Counters

  constructor(sql: Statements, registry: Registry, counters: () => Counters) {
    this.#sql = sql
    this.#registry = registry
    this.#counters = counters
  }

  isOffered(d: number): boolean {
    return this.#registry.definitions.get(d)?.offered ?? false
  }

  contender(n: number): Contender | undefined {
    const record = this.#sql.saga.get(n)
    return record && contenderOf(record)
  }

  next(key: string, place: number, n: number): Spot | undefined {
    const row = this.#sql.nextWant.get(key, place, n)
    return row && { place: row[0], n: row[1] }
  }

  move(saga: Contender, place: number): void {
    const before = this.#sql.saga.get(saga.n)?.place
    if (before === undefined || before === null || before === place) return
    for (const key of saga.keys ?? []) {
      this.#sql.deleteWant.run(key, before, saga.n)
      this.#sql.insertWant.run(key, place, saga.n)
    }
    this.#sql.setPlace.run(place, saga.n)
  }

  wake(n: number): void {
    this.#sql.setAwake.run(1, n)
  }

  wakeAll(d: number, after: number, limit: number) {
    const [count, last] = this.#sql.waitingAfter.get(d, after, limit) ?? [0, null]
    if (last !== null) this.#sql.wakeAll.run(d, after, last)
    return { count, last: last ?? after }
  }

  sleep(n: number): void {
    this.#sql.setAwake.run(0, n)
  }

  waitingOf(d: number, after: number, limit: number): readonly Contender[] {
    return this.#sql.waitingOf.all(d, after, limit).map(contenderOf)
  }

  holdersOf(d: number): readonly Contender[] {
    return this.#sql.holdersOf.all(d).map(contenderOf)
  }

  hasExclusive(): boolean {
    return this.#counters().exclusive > 0
  }

  holding(): 'nothing' | 'keyed' | 'exclusive' {
    const exclusive = this.#sql.holderKind.get()
    if (exclusive === undefined) return 'nothing'
    return exclusive === 1 ? 'exclusive' : 'keyed'
  }

  hasBadHolder(): boolean {
    if (this.#sql.anyStuckHolder.get() !== undefined) return true
    for (const { d, offered } of this.#registry.definitions.values()) {
      if (!offered && this.#sql.anyHolderOf.get(d) !== undefined) return true
    }
    return false
  }

  firstWaiting(exclusive: boolean): number {
    let first = Infinity
    for (const { d, offered } of this.#registry.definitions.values()) {
      if (!offered) continue
      first = Math.min(first, this.#sql.firstWaiting.get(d, 1) ?? Infinity)
      if (!exclusive) first = Math.min(first, this.#sql.firstWaiting.get(d, 0) ?? Infinity)
    }
    return first
  }

  ripple(): Ripple | undefined {
    return this.#sql.ripple.get()
  }

  addRipple({ cause, key, after }: Ripple): void {
    this.#sql.addRipple.run(cause, key, after)
  }

  removeRipple({ cause, key }: Ripple): void {
    this.#sql.removeRipple.run(cause, key)
  }
}

export function contenderOf(record: SagaRecord): Contender {
  return {
    n: record.n,
    d: record.d,
    keys: keysOf(record),
    stage: stages[record.stage] ?? 'done',
    stuck: record.stuck === 1,
  }
}
