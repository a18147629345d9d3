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

/** How a walk goes: by conditions that an index serves, once for each row of values. */
interface Way {
  readonly index: string
  readonly conditions: readonly string[]
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
    if (walks === undefined) return this.#select(sagaColumns, '', this.#ofDefinitions(filter), filter)([])
    const sign = order === 'newest' ? -1 : 1
    return walks
      .flatMap((walk) => this.#numbers(this.#way(walk, filter), filter))
      .sort((a, b) => sign * (a - b))
      .slice(0, limit)
      .flatMap((n) => this.#tx.sql.saga.get(n) ?? [])
  }

  #numbers({ index, conditions, each }: Way, filter: ListFilter): number[] {
    const select = this.#select('n', `INDEXED BY ${index}`, conditions, filter)
    return each.flatMap((values) => select(values).map(({ n }) => n))
  }

  /** A statement that reads `columns` of one page of what the filter lets through. */
  #select(
    columns: string,
    indexed: string,
    wanted: readonly string[],
    filter: ListFilter,
  ): (values: readonly number[]) => SagaRecord[] {
    const { conditions, bounds } = conditionsOf(filter)
    const where = [...wanted, ...conditions, 'TRUE'].join(' AND ')
    const direction = filter.order === 'newest' ? 'DESC' : 'ASC'
    const statement = this.#db.prepare<unknown[], SagaRecord>(
      `SELECT ${columns} FROM sagas ${indexed} WHERE ${where} ORDER BY n ${direction} LIMIT ?`,
    )
    return (values) => statement.all(...values, ...bounds, filter.limit)
  }

  #way(walk: Walk, filter: ListFilter): Way {
    const { name, blocked } = filter
    const among = (index: string, ...conditions: string[]): Way => ({
      index,
      conditions: [...conditions, ...this.#ofDefinitions(filter)],
      each: [[]],
    })
    if (walk === 'stuck') return among('stuck', 'stuck = 1')
    if (walk === 'late') return among('late', 'late = 1')
    if (walk === 'late waiting') return among('late', 'late = 1', 'stage = 0')
    const stage = walk === 'holding' ? 'stage = 1' : 'stage = 0'
    const wanted = new Set(this.#definitions(name, blocked === undefined ? undefined : !blocked))
    const there = this.#db.prepare<[], { d: number }>(definitionsIn(walk, stage)).all()
    const definitions = there.map(({ d }) => d).filter((d) => wanted.has(d))
    // Nothing more is said of the definition: a list of thousands would be read anew for each of the thousands.
    return walk === 'holding'
      ? { index: walk, conditions: [stage, 'd = ?'], each: definitions.map((d) => [d]) }
      : { index: walk, conditions: [stage, 'd = ?', 'exclusive = ?'], each: definitions.flatMap(bothOf) }
  }

  #ofDefinitions({ name, blocked }: ListFilter): string[] {
    const conditions = name === undefined ? [] : [`d IN (${this.#definitions(name).join()})`]
    if (blocked === undefined) return conditions
    const dead = this.#definitions(undefined, false).join()
    return [...conditions, blocked ? `stage < 2 AND d IN (${dead})` : `(stage = 2 OR d NOT IN (${dead}))`]
  }

  #definitions(name?: string, offered?: boolean): number[] {
    const { registry } = this.#tx
    return [...registry.definitions.values()]
      .filter(({ ref }) => name === undefined || ref.name === name)
      .filter(({ d }) => offered === undefined || registry.isOfferedNow(d) === offered)
      .map(({ d }) => d)
  }
}

/** With keys, and without. */
const bothOf = (d: number): number[][] => [
  [d, 0],
  [d, 1],
]

/** The definitions that have sagas in an index which begins with them: one look each, however many there are of both. */
const definitionsIn = (index: string, where: string): string => {
  const least = `SELECT min(d) AS d FROM sagas INDEXED BY ${index} WHERE ${where}`
  return `WITH RECURSIVE found AS (${least} UNION ALL
    SELECT (${least} AND d > found.d) FROM found WHERE d IS NOT NULL) SELECT d FROM found WHERE d IS NOT NULL`
}

function conditionsOf({ status, stuck, late, after, endedBefore, order }: ListFilter): {
  conditions: string[]
  bounds: number[]
} {
  const conditions: string[] = []
  const bounds: number[] = []
  if (status) conditions.push(`status IN (${status.map((word) => statuses.indexOf(word)).join()})`)
  if (stuck !== undefined) conditions.push(`stuck = ${stuck ? 1 : 0}`)
  if (late !== undefined) conditions.push(`late = ${late ? 1 : 0}`)
  const bound = [
    [`n ${order === 'newest' ? '<' : '>'} ?`, after],
    ['ended_at < ?', endedBefore],
  ] as const
  for (const [condition, value] of bound) {
    if (value === undefined) continue
    conditions.push(condition)
    bounds.push(value)
  }
  return { conditions, bounds }
}
