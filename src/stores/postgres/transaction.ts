/**
 * A submit inside of a user's transaction, for any client that has `query(sql, params)`.
 *
 * Invariants
 * - Parameters are texts, numbers, booleans and null: whatever client it is, it knows how to send them.
 * - It is a transaction of this database. A pool, or a client without BEGIN, would store the saga whatever becomes of the user's rows:
 *   so a statement that is allowed only in a transaction goes first. It costs a round trip; the times of the server, by which one
 *   statement could tell, differ from driver to driver.
 */
import { BadInputError } from '../../core/errors.js'
import type { Queryable, SubmitWrite } from '../../store/store.js'
import { quoted } from './migrations.js'
import { channelOf } from './side.js'
import { keysText, stored } from './text.js'

/** What was stored, or found: its number, or a saga or a tombstone as JSON. */
export type SubmittedIn = { readonly n: number } | { readonly saga: string } | { readonly tombstone: string }

/** `d` and `digest`: the definition's number here, and what it stands for. Throws BadInputError, and what the transaction says. */
export async function submitInto(
  tx: Queryable,
  schema: string,
  write: SubmitWrite,
  d: number,
  digest: string,
): Promise<SubmittedIn> {
  const name = quoted(schema)
  try {
    // Nobody waits for this lock but who drops the table.
    await tx.query(`LOCK TABLE ${name}.definitions IN ACCESS SHARE MODE`, [])
    const text = `SELECT o_n AS n, o_saga AS saga, o_tombstone AS tombstone FROM ${name}.submit_in_1($1, $2, $3, $4, $5, $6, $7, $8, $9)`
    return submittedOf(await tx.query(text, valuesOf(schema, write, d, digest)))
  } catch (error) {
    throw explained(error)
  }
}

function valuesOf(schema: string, write: SubmitWrite, d: number, digest: string): unknown[] {
  const { id, keys, deadline, at, entries } = write
  const due = deadline === null ? null : Math.ceil(deadline)
  return [
    stored(id),
    d,
    digest,
    keysText(keys ?? []),
    keys === null,
    due,
    at,
    JSON.stringify(entries),
    channelOf(schema),
  ]
}

function submittedOf(answer: { readonly rows: readonly unknown[] } | undefined): SubmittedIn {
  const { n, saga, tombstone } = (answer?.rows?.[0] ?? {}) as Record<string, unknown>
  if (typeof saga === 'string') return { saga }
  if (typeof tombstone === 'string') return { tombstone }
  const number = Number(n)
  if (n && Number.isSafeInteger(number) && number > 0) return { n: number }
  throw new BadInputError(
    '`tx.query` did not answer with the row that the statement gives: nobody knows whether the saga is stored',
    'roll the transaction back, and let `tx.query(sql, params)` answer { rows: [{ n, saga, tombstone }] }, rows as objects, as a client of pg does',
  )
}

/** Errors of other libraries carry that of the driver as their cause. */
function stateOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, cause } = error as Error & { readonly code?: unknown }
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : stateOf(cause)
}

function explained(cause: unknown): unknown {
  switch (stateOf(cause)) {
    case '25P01':
      return new BadInputError(
        '`tx` is no open transaction, and nothing was stored',
        'begin one first, and pass its client, not the pool',
        { cause },
      )
    case 'BK003':
    case '3F000':
    case '42P01':
      return new BadInputError(
        '`tx` is a transaction of another database than the store, which is now aborted',
        'pass a transaction of the database that the orchestrator was opened on',
        { cause },
      )
    default:
      return cause
  }
}
