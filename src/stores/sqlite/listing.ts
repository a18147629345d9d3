/**
 * Lists sagas by a filter, newest or oldest first.
 *
 * Invariants
 * - What asks only for sagas that have not ended is found by the indexes of those, however many have ended: walks (walks.ts), each
 *   in the order of the page and no longer than the page.
 * - A page of what has ended is read by number: it is long only where (nearly) none of a million that are passed is wanted.
 *   An index of the ended by status would make it short, and cost every saga a page written at its end.
 */
import type { Database as Driver } from 'better-sqlite3'
import type { ListFilter } from '../../store/store.js'
import { statuses } from '../../store/stored.js'
import { type Walk, walksOf } from '../../store/walks.js'
import { type SagaRecord, sagaColumns } from './statements.js'
import type { Transaction } from './transaction.js'

/** How a walk goes: a condition that an index serves, once for each row of values. */
interface Way {
  readonly index: string
  readonly where: string
  readonly each: readonly (readonly number[])[]
}

export class Listing {
  readonly #tx: Transaction
  readonly #db: Driver

  constructor(tx: Transaction, db: Driver) {
    this.#tx = tx
    this.#db = db
  }

  records(filter: ListFilter): SagaRecord[] {
    const { name, blocked, order, limit } = filter
    // Over no definition at all SQLite has no use for an index that is named, and refuses.
    if (this.#definitions(name, blocked === true ? false : undefined).length === 0) return []
    const walks = walksOf(filter)
    if (walks === undefined) return this.#select(sagaColumns, '', 'TRUE', filter)([])
    const sign = order === 'newest' ? -1 : 1
    return walks
      .flatMap((walk) => this.#numbers(this.#way(walk, filter), filter))
      .sort((a, b) => sign * (a - b))
      .slice(0, limit)
      .flatMap((n) => this.#tx.sql.saga.get(n) ?? [])
  }

  #numbers({ index, where, each }: Way, filter: ListFilter): number[] {
    const select = this.#select('n', `INDEXED BY ${index}`, where, filter)
    return each.flatMap((values) => select(values).map(({ n }) => n))
  }

  /** A statement that reads `columns` of one page of what the filter lets through. */
  #select(
    columns: string,
    indexed: string,
    where: string,
    filter: ListFilter,
  ): (values: readonly number[]) => SagaRecord[] {
    const { conditions, bounds } = this.#conditionsOf(filter)
    const direction = filter.order === 'newest' ? 'DESC' : 'ASC'
    const statement = this.#db.prepare<unknown[], SagaRecord>(
      `SELECT ${columns} FROM sagas ${indexed} WHERE ${[where, ...conditions].join(' AND ')} ORDER BY n ${direction} LIMIT ?`,
    )
    return (values) => statement.all(...values, ...bounds, filter.limit)
  }

  #way(walk: Walk, { name, blocked }: ListFilter): Way {
    if (walk === 'stuck') return { index: 'stuck', where: 'stuck = 1', each: [[]] }
    if (walk === 'late') return { index: 'late', where: 'late = 1', each: [[]] }
    if (walk === 'late waiting') return { index: 'late', where: 'late = 1 AND stage = 0', each: [[]] }
    const definitions = this.#definitions(name, blocked === undefined ? undefined : !blocked)
    if (walk === 'holding')
      return { index: 'holding', where: 'stage = 1 AND d = ?', each: definitions.map((d) => [d]) }
    const each = definitions.flatMap((d) => [
      [d, 0],
      [d, 1],
    ])
    return { index: 'waiting', where: 'stage = 0 AND d = ? AND exclusive = ?', each }
  }

  #conditionsOf(filter: ListFilter): { conditions: string[]; bounds: number[] } {
    const conditions = [...this.#flagConditions(filter)]
    const bounds: number[] = []
    const bound = [
      [`n ${filter.order === 'newest' ? '<' : '>'} ?`, filter.after],
      ['ended_at < ?', filter.endedBefore],
    ] as const
    for (const [condition, value] of bound) {
      if (value === undefined) continue
      conditions.push(condition)
      bounds.push(value)
    }
    return { conditions, bounds }
  }

  *#flagConditions({ status, stuck, late, name, blocked }: ListFilter): Generator<string> {
    if (status) yield `status IN (${status.map((word) => statuses.indexOf(word)).join()})`
    if (stuck !== undefined) yield `stuck = ${stuck ? 1 : 0}`
    if (late !== undefined) yield `late = ${late ? 1 : 0}`
    if (name !== undefined) yield `d IN (${this.#definitions(name).join()})`
    if (blocked === undefined) return
    const dead = this.#definitions(undefined, false).join()
    yield blocked ? `stage < 2 AND d IN (${dead})` : `(stage = 2 OR d NOT IN (${dead}))`
  }

  #definitions(name?: string, offered?: boolean): number[] {
    const { registry } = this.#tx
    return [...registry.definitions.values()]
      .filter(({ ref }) => name === undefined || ref.name === name)
      .filter(({ d }) => offered === undefined || registry.isOfferedNow(d) === offered)
      .map(({ d }) => d)
  }
}
