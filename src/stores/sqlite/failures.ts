/**
 * From what SQLite says to what a person can act on.
 *
 * Invariant
 * - An error is either about one write's data (that write is refused) or about the whole store (a StoreError); never both.
 */
import { StoreError } from '../../core/errors.js'

/** The result code of an error thrown by the driver, such as `SQLITE_IOERR_FSYNC`. */
export function sqliteCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : ''
}

/** Somebody else has the lock. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(error))
}

/** The storage itself failed: what the connection remembers may differ from what is on the disk. */
export function isStorageFailure(error: unknown): boolean {
  // Ours, beside SQLite's: see connection.ts.
  if (error instanceof Error && 'syscall' in error && error.syscall === 'fsync') return true
  return /^SQLITE_(IOERR|CORRUPT|NOTADB|CANTOPEN|PROTOCOL|NOMEM|INTERNAL)/.test(sqliteCode(error))
}

/** It is about the store, not about one write's data. */
export function isStoreWide(error: unknown): boolean {
  return (
    error instanceof StoreError ||
    isBusy(error) ||
    isStorageFailure(error) ||
    /^SQLITE_(FULL|READONLY|AUTH|PERM)/.test(sqliteCode(error))
  )
}

export function toStoreError(path: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const code = sqliteCode(error)
  const message = error instanceof Error ? error.message : String(error)
  const text = `${path}: ${message}${code ? ` (${code})` : ''}`
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
    return new StoreError(text, {
      code: 'STORE_CORRUPT',
      // SQLite says the same where the disk reported an error at a read.
      hint: 'the file is damaged, is no SQLite database, or the disk cannot read it (see its log); it was left as it is. Restore a backup, or try `sqlite3 FILE .recover`',
      cause: error,
    })
  }
  if (code === 'SQLITE_CANTOPEN') {
    return new StoreError(text, {
      code: 'STORE_ADDRESS',
      hint: 'check that the folder exists and that this user may write to it',
      cause: error,
    })
  }
  return new StoreError(text, { code: 'STORE_UNAVAILABLE', hint: hintFor(code), cause: error })
}

function hintFor(code: string): string {
  if (code === 'SQLITE_FULL') return 'the disk is full: free some space; work goes on by itself'
  if (/^SQLITE_(READONLY|PERM|AUTH)/.test(code)) return 'this user may not write to the file or its folder'
  if (/^SQLITE_(BUSY|LOCKED)/.test(code))
    return 'another process keeps the file locked; see who with `fuser` or `lsof`'
  if (code.startsWith('SQLITE_IOERR'))
    return 'the disk reported an error; the store is reopened and checked before anything else is answered'
  return 'the outcome of this write is unknown; it is read again before work goes on'
}
