/**
 * Lists sagas by a filter, newest or oldest first: the SQL that follows `FROM sagas s`.
 *
 * Invariants
 * - What asks only for sagas that have not ended is found by the indexes of those, however many have ended: walks (store/walks.ts),
 *   in each definition no longer than the page. Without the limit in each, the server sorts all that wait to show fifty.
 * - The parameters are the same in every walk: one list of values.
 */
import type { ListFilter } from '../../store/store.js'
import { statuses } from '../../store/stored.js'
import { type Walk, walksOf } from '../../store/walks.js'

/** The numbers of all definitions that a live worker offers at this moment: asked once a statement, not once a row. */
const offeredNow = (
  name: string,
): string => `ARRAY(SELECT o.d FROM ${name}.offers o JOIN ${name}.workers k ON k.w = o.w
  WHERE NOT k.dead AND k.lease_until > extract(epoch FROM clock_timestamp()) * 1000)`

export interface Listed {
  readonly filter: ListFilter
  /** The numbers of the definitions with the filter's name: as numbers, so that the planner knows whether they are rare. */
  readonly named?: readonly number[]
}

export function listing(listed: Listed, name: string): { sql: string; values: unknown[] } {
  const { filter } = listed
  const values: unknown[] = [filter.limit]
  const parts = partsOf(listed, name, (given) => `$${values.push(given)}`)
  const { page, direction, conditions, ofDefinitions } = parts
  const walks = walksOf(filter)?.map((walk) => walkOf(walk, parts))
  if (!walks) {
    return { sql: `WHERE ${[...conditions, ...ofDefinitions, 'TRUE'].join(' AND ')} ${page}`, values }
  }
  if (walks.length === 0) return { sql: 'WHERE $1::bigint IS NULL', values: [filter.limit] }
  // An array, that is found first: with a limit outside, the planner goes through all sagas until it has met as many of them.
  const found = `ARRAY(SELECT s.n FROM (${walks.join(' UNION ALL ')}) s ${page})`
  return { sql: `WHERE s.n = ANY (${found}) ORDER BY s.n ${direction}`, values }
}

interface Parts {
  readonly name: string
  /** Of a saga `s`, whatever its definition. */
  readonly conditions: readonly string[]
  /** Of a saga `s` by its definition. */
  readonly ofDefinitions: readonly string[]
  /** The same of a definition `f`: one whose sagas are all kept out is not walked. */
  readonly definitions: readonly string[]
  readonly direction: 'ASC' | 'DESC'
  readonly page: string
}

type Parameter = (value: unknown) => string

function partsOf({ filter, named }: Listed, name: string, value: Parameter): Parts {
  const { order, after, endedBefore, blocked } = filter
  const isNewest = order === 'newest'
  const conditions = [...flagConditions(filter)]
  const ofDefinitions: string[] = []
  const definitions: string[] = []
  if (after !== undefined) conditions.push(`s.n ${isNewest ? '<' : '>'} ${value(after)}`)
  if (endedBefore !== undefined) conditions.push(`s.ended_at < ${value(endedBefore)}`)
  if (blocked !== undefined) {
    const offered = offeredNow(name)
    ofDefinitions.push(
      blocked ? `s.stage < 2 AND s.d <> ALL (${offered})` : `(s.stage = 2 OR s.d = ANY (${offered}))`,
    )
    definitions.push(blocked ? `f.d <> ALL (${offered})` : `f.d = ANY (${offered})`)
  }
  if (named) {
    ofDefinitions.push(`s.d = ANY ('{${named.join()}}')`)
    definitions.push(`f.d = ANY ('{${named.join()}}')`)
  }
  const direction = isNewest ? 'DESC' : 'ASC'
  return {
    name,
    conditions,
    ofDefinitions,
    definitions,
    direction,
    page: `ORDER BY s.n ${direction} LIMIT $1`,
  }
}

function* flagConditions({ status, stuck, late }: ListFilter): Generator<string> {
  if (status) yield `s.status = ANY ('{${status.map((word) => statuses.indexOf(word)).join()}}')`
  if (stuck !== undefined) yield stuck ? 's.stuck' : 'NOT s.stuck'
  if (late !== undefined) yield late ? 's.late' : 'NOT s.late'
}

function walkOf(walk: Walk, parts: Parts): string {
  if (walk === 'stuck') return oneWalk('s.stuck', parts)
  if (walk === 'late') return oneWalk('s.late', parts)
  if (walk === 'late waiting') return oneWalk('s.late AND s.stage = 0', parts)
  if (walk === 'holding') return eachWalk('s.stage = 1', parts)
  return `${eachWalk('s.stage = 0 AND s.keys IS NOT NULL', parts)} UNION ALL ${eachWalk('s.stage = 0 AND s.keys IS NULL', parts)}`
}

const oneWalk = (where: string, { name, conditions, ofDefinitions, page }: Parts): string =>
  `(SELECT s.n FROM ${name}.sagas s WHERE ${[where, ...conditions, ...ofDefinitions].join(' AND ')} ${page})`

/**
 * In the definition's part of an index the sagas are in order: only a page of them is read. Said as a range and an order of two
 * columns, which that index alone can serve: for `=` and the order of `n` the planner goes through all sagas by number instead,
 * in the hope of meeting some soon (0.5 s of a million). Nothing more is said of the saga's definition: a list of thousands would be
 * gone through for each of the thousands.
 */
const eachWalk = (where: string, { name, conditions, direction, definitions }: Parts): string =>
  `(SELECT w.n FROM ${name}.definitions f CROSS JOIN LATERAL
    (SELECT s.n FROM ${name}.sagas s WHERE s.d BETWEEN f.d AND f.d AND ${[where, ...conditions].join(' AND ')}
     ORDER BY s.d ${direction}, s.n ${direction} LIMIT $1) w
    WHERE ${[...definitions, 'TRUE'].join(' AND ')})`
