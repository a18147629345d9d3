/**
 * From what PostgreSQL says to what to do about it.
 *
 * Invariants
 * - Each error is of one kind only: the data of one write is bad, somebody else was in the way, or the store does not answer.
 * - No message carries the address: it may hold a password.
 */
import { StoreError } from '../../core/errors.js'

/** SQLSTATE of an error of the server; empty for any other. */
export function sqlStateOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in (error as object) ? code : ''
}

export const isSqlState = (error: unknown, ...codes: readonly string[]): boolean =>
  codes.includes(sqlStateOf(error))

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The server says that nothing was done, because of somebody else: again, soon. 23505: he was first at an id, or at a chunk. */
export const isInTheWay = (error: unknown): boolean => isSqlState(error, '40001', '40P01', '55P03', '23505')

/** About a submit that met a transaction of somebody else which has taken its id, and is still open or has just ended. */
export function isAboutSubmits(error: unknown): boolean {
  const { constraint, where } = error as { readonly constraint?: unknown; readonly where?: unknown }
  if (isSqlState(error, '23505')) return constraint === 'by_id'
  // "while inserting index tuple (0,5) in relation "by_id"", in whatever language; with ON CONFLICT it names the table.
  const [first = ''] = String(where).split('\n')
  return isSqlState(error, '55P03') && /\(\d+,\d+\)/.test(first) && /by_id|sagas/.test(first)
}

export const idIsTaken = (cause: unknown): StoreError =>
  new StoreError('nothing was stored: a transaction that is still open has submitted this id', {
    code: 'STORE_UNAVAILABLE',
    hint: 'submit it again after that transaction has ended',
    cause,
  })

/** A pooler gave us a connection that does not know what was prepared, or where somebody else prepared it: nothing was done. */
export const isUnprepared = (error: unknown): boolean => isSqlState(error, '26000', '42P05')

/** This session was ended by a later connection of the same store, or was swept away: nothing was done. */
export const isOutdated = (error: unknown): boolean => isSqlState(error, 'BK001')

/** About one write's data. */
export const isAboutData = (error: unknown): boolean => /^(22|23|54)/.test(sqlStateOf(error))

/** The connection can be used again: the server answered, and did not hang up. A read-only one may be a standby that was taken over. */
export function isConnectionGood(error: unknown): boolean {
  const state = sqlStateOf(error)
  if (state === '' || /^(08|57P|25006|BK001)/.test(state)) return false
  return (error as { severity?: unknown }).severity === 'ERROR'
}

export function toStoreError(address: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const state = sqlStateOf(error)
  const text = `${address}: ${messageOf(error)}${state ? ` (${state})` : ''}`
  if (state === 'BK002') {
    return new StoreError(text, {
      code: 'STORE_UNSAFE',
      hint: 'set default_transaction_isolation to read committed for this role or database',
      cause: error,
    })
  }
  if (/^(28|3D000)/.test(state) || codeOf(error) === 'ENOTFOUND') {
    return new StoreError(text, {
      code: 'STORE_ADDRESS',
      hint: 'check host, database, user and password',
      cause: error,
    })
  }
  return new StoreError(text, {
    code: 'STORE_UNAVAILABLE',
    hint: hintFor(state, codeOf(error)),
    cause: error,
  })
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

function hintFor(state: string, code: unknown): string {
  if (state === '25006')
    return 'the server is read-only, perhaps a standby; work goes on once it takes writes'
  if (state === '53300')
    return 'the server has no connection left: each process needs two, and up to two for reading'
  if (state === '53100') return 'the disk of the server is full: free some space; work goes on by itself'
  if (/^(42P01|42883|3F000)/.test(state)) return 'the schema is gone or incomplete: run `backstep migrate`'
  if (state === '42501') return 'grant this role USAGE on the schema and ALL on its tables and sequences'
  if (/^(55P03|40)/.test(state)) return 'somebody held a lock for long; see who in pg_stat_activity'
  if (code === 'ECONNREFUSED') return 'no server answers there: see that it runs, and check host and port'
  return 'the outcome of this write is unknown; it is sent again, and a write that was made is found'
}
