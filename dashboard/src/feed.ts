/**
 * The list of sagas, and how what is heard of them changes it. Pure.
 *
 * Invariants
 * - A row is only ever replaced by a later one of the same saga, and never appears twice.
 * - Between the newest row and the next page nothing that is known is missing: what has no room is on the next page.
 * - What is in trouble comes first: stuck, then blocked; else the order is that of the server.
 */
import type { SagaSummary, Status } from 'backstep'
import { isEnded } from './words.js'

export interface Filter {
  readonly status?: Status
  readonly show?: 'stuck' | 'blocked' | 'late'
  readonly name?: string
  readonly after?: string
  readonly order?: 'oldest'
}

export const pageLength = 50

export type Rows = readonly SagaSummary[]

export interface Page {
  readonly rows: Rows
  /** `after` of the page behind it; null: there is none. */
  readonly next: string | null
}

export const inTrouble = (saga: SagaSummary): boolean => !isEnded(saga) && (saga.stuck || saga.blocked)

export function matches(saga: SagaSummary, { status, show, name }: Filter): boolean {
  if (status !== undefined && saga.status !== status) return false
  if (show !== undefined && !saga[show]) return false
  return name === undefined || saga.name === name
}

const rank = (saga: SagaSummary): number => (inTrouble(saga) ? (saga.stuck ? 0 : 1) : 2)
const newest = (a: SagaSummary, b: SagaSummary): number => Number(b.cursor) - Number(a.cursor)

/** Troubled ones first, if the list is of all. */
export function arranged(rows: Rows, filter: Filter): SagaSummary[] {
  const byNumber = [...rows].sort(newest)
  if (filter.status !== undefined || filter.show !== undefined || filter.after !== undefined) return byNumber
  return byNumber.sort((a, b) => rank(a) - rank(b) || newest(a, b))
}

/** Lists of several questions as one, without doubles. */
export const together = (lists: readonly Rows[]): SagaSummary[] => [
  ...new Map(lists.flat().map((saga) => [saga.id, saga])).values(),
]

/** New sagas come into the first page only; what no longer matches leaves; the page keeps its length. */
export function heard({ rows, next }: Page, news: Rows, filter: Filter): Page {
  const latest = new Map(news.map((saga) => [saga.id, saga]))
  const kept = rows.flatMap((row) => {
    const saga = latest.get(row.id) ?? row
    latest.delete(row.id)
    return matches(saga, filter) ? [saga] : []
  })
  if (filter.after !== undefined) return { rows: kept, next }
  const fresh = [...latest.values()].filter((saga) => matches(saga, filter))
  const all = [...kept, ...fresh].sort(newest)
  const troubled = all.filter(inTrouble)
  const others = all.filter((saga) => !inTrouble(saga))
  const dropped = [...troubled.slice(2 * pageLength), ...others.slice(pageLength)].sort(newest)[0]
  return {
    rows: [...troubled.slice(0, 2 * pageLength), ...others.slice(0, pageLength)],
    next: dropped ? String(Number(dropped.cursor) + 1) : next,
  }
}
