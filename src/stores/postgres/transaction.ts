/**
 * A submit inside of a user's transaction: one statement for any client that has `query(sql, params)`.
 *
 * Invariant
 * - Parameters are texts, numbers, booleans and null: whatever client it is, it knows how to send them.
 */
import type { SubmitWrite } from '../../store/store.js'
import { quoted } from './migrations.js'
import { channelOf } from './side.js'
import { keysText, stored } from './text.js'

/** The row that comes back. */
export interface SubmittedIn {
  readonly n?: string | number | bigint | null
  readonly saga?: string | null
  readonly tombstone?: string | null
}

export const submitInText = (schema: string): string =>
  `SELECT o_n AS n, o_saga AS saga, o_tombstone AS tombstone FROM ${quoted(schema)}.submit_in_1($1, $2, $3, $4, $5, $6, $7, $8)`

export function submitInValues(schema: string, write: SubmitWrite, d: number): unknown[] {
  const { id, keys, deadline, at, entries } = write
  const due = deadline === null ? null : Math.ceil(deadline)
  return [
    stored(id),
    d,
    keysText(keys ?? []),
    keys === null,
    due,
    at,
    JSON.stringify(entries),
    channelOf(schema),
  ]
}
