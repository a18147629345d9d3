/**
 * Where the sagas are that a list's filter can let through: which of the small sets that a store keeps an index of.
 *
 * Invariants
 * - The sets of one filter never overlap, and hold every saga that it lets through.
 * - Not one of them holds a saga that has ended and did not land late: these are the millions.
 */
import type { Status } from '../core/state.js'
import type { ListFilter } from './store.js'
import { statuses } from './stored.js'

/** `late waiting` are those that landed late and wait for their keys again: of those that wait, they alone run or roll back. */
export type Walk = 'stuck' | 'late' | 'holding' | 'waiting' | 'late waiting'

const unfinished: readonly Status[] = ['queued', 'running', 'rolling_back']

/** Undefined: all sagas have to be looked at, by number. */
export function walksOf({ status, stuck, late, blocked }: ListFilter): readonly Walk[] | undefined {
  // Nothing can be of no status: over nothing at all SQLite has no use for an index, and refuses.
  if (status?.length === 0) return []
  if (stuck === true) return ['stuck']
  if (late === true) return ['late']
  const wanted = (status ?? statuses).filter((word) => unfinished.includes(word))
  if (blocked !== true && wanted.length < (status ?? statuses).length) return undefined
  if (wanted.length === 0) return []
  return ['holding', wanted.includes('queued') ? 'waiting' : 'late waiting']
}
