/**
 * One connection to one file: opened with care, checked, migrated.
 *
 * Invariants
 * - A file is identified before anything in it is changed: one that is not ours, or is newer, stays as it is.
 * - Every pragma that safety rests on is set and read back.
 * - What a fresh connection reads is durable: it checkpoints first, since a process killed between write and fsync leaves
 *   commits in the WAL that only the page cache knows.
 */
import { closeSync, existsSync, fsyncSync, openSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Database as Driver, Options, Statement } from 'better-sqlite3'
import { StoreError } from '../../core/errors.js'
import { isBusy } from './failures.js'
import { applicationId, migrations } from './migrations.js'

export type OpenDriver = (path: string, options?: Options) => Driver

/** The first SQLite in which two connections that checkpoint at once cannot lose commits. */
const oldestSafe = [3, 51, 3] as const
/**
 * SQLite waits for a lock in steps that grow to 100 ms: between busy processes that starves one of them for seconds. So it
 * waits 1, 2 and 5 ms, and we ask again, for as long as `patience`.
 */
const busyTimeout = 10
const patience = 30_000
/** Checkpoint after 4,000 pages (16 MB): fewer fsyncs of the main file, and the WAL still fits the cache. */
const checkpointPages = 4_000
const journalSizeLimit = 64 * 1024 * 1024

export async function loadDriver(): Promise<OpenDriver> {
  try {
    const { default: Database } = await import('better-sqlite3')
    const open: OpenDriver = (path, options) => new Database(path, options)
    // The native part is loaded by the first connection, not by the import.
    open(':memory:').close()
    return open
  } catch (error) {
    throw new StoreError('the SQLite driver could not be loaded', {
      code: 'STORE_MISSING',
      hint:
        'run `npm install better-sqlite3`; if npm blocked its install script, allow it ' +
        '("allowScripts" in package.json, or `npm approve-scripts better-sqlite3`) and install again',
      cause: error,
    })
  }
}

export interface OpenOptions {
  /** After a storage failure: nothing is believed until a truncating checkpoint has gone through. */
  readonly suspicious: boolean
  /** False: a file that is missing, or has an older schema, is refused. */
  readonly create: boolean
}

export class Connection {
  readonly db: Driver
  readonly path: string
  readonly version: string
  readonly #begin: Statement
  readonly #beginReading: Statement
  readonly #commit: Statement
  readonly #file: { readonly dev: number; readonly ino: number }

  private constructor(db: Driver, path: string, version: string) {
    this.db = db
    this.path = path
    this.version = version
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#beginReading = db.prepare('BEGIN')
    this.#commit = db.prepare('COMMIT')
    const { dev, ino } = statSync(path)
    this.#file = { dev, ino }
  }

  static open(openDriver: OpenDriver, path: string, { suspicious, create }: OpenOptions): Connection {
    if (!existsSync(dirname(path))) throw noFolder(path)
    if (!create && !existsSync(path)) throw notThere(path)
    const db = openDriver(path, { timeout: busyTimeout })
    try {
      const version = safeVersion(db)
      identify(db, path)
      if (!create) refuseOlder(db, path)
      setPragmas(db, path)
      migrate(db, path)
      checkpoint(db, path, suspicious)
      return new Connection(db, path, version)
    } catch (error) {
      db.close()
      throw error
    }
  }

  /** Begins a transaction that may write at once, so that no read in it can be overtaken. Waits for other writers. */
  begin(): void {
    retryBusy(() => this.#begin.run())
  }

  /** Begins a snapshot to read from. */
  beginReading(): void {
    this.#beginReading.run()
  }

  commit(): void {
    this.#commit.run()
  }

  rollback(): void {
    if (this.db.inTransaction) this.db.exec('ROLLBACK')
  }

  /** Writes to a deleted file would succeed and be lost. */
  checkFile(): void {
    const now = statSync(this.path, { throwIfNoEntry: false })
    if (now?.ino === this.#file.ino && now.dev === this.#file.dev) return
    throw new StoreError(`${this.path} was deleted or replaced while it was open`, {
      code: 'STORE_UNAVAILABLE',
      hint: 'put the file back (its -wal too) and start the process again; nothing more is written until then',
    })
  }

  /** What is wrong with it now, in words. */
  problems(): string[] {
    const problems: string[] = []
    if (Number(this.db.pragma('synchronous', { simple: true })) !== 2)
      problems.push('synchronous is not FULL')
    const wal = statSync(`${this.path}-wal`, { throwIfNoEntry: false })
    if (wal && wal.size > 4 * journalSizeLimit) {
      problems.push(
        `the WAL has ${Math.round(wal.size / 1e6)} MB: some process keeps a read open, so that it cannot be checkpointed`,
      )
    }
    return problems
  }

  close(): void {
    if (!this.db.open) return
    try {
      // Not worth a wait: while another process holds the file, its own end tidies up.
      this.db.pragma('busy_timeout = 0')
      this.db.pragma('wal_checkpoint(TRUNCATE)')
    } catch {
      // The commits are in the WAL, and synced: whoever opens the file next finds them.
    }
    this.db.close()
  }

  /** Drops the connection without touching the file more than that takes. */
  abandon(): void {
    try {
      this.db.close()
    } catch {
      // It is of no use any more either way.
    }
  }
}

function noFolder(path: string): StoreError {
  return new StoreError(`${path}: there is no folder ${dirname(path)}`, {
    code: 'STORE_ADDRESS',
    hint: 'make the folder first, or name another',
  })
}

/** Somebody else's lock reaches nobody, unless it is held for very long. */
export function retryBusy<T>(action: () => T): T {
  const start = performance.now()
  for (;;) {
    try {
      return action()
    } catch (error) {
      if (!isBusy(error) || performance.now() - start > patience) throw error
    }
  }
}

function safeVersion(db: Driver): string {
  const version = String(db.prepare('SELECT sqlite_version()').pluck().get())
  const parts = version.split('.').map(Number)
  for (const [i, least] of oldestSafe.entries()) {
    const part = parts[i] ?? 0
    if (part > least) break
    if (part === least) continue
    throw new StoreError(`SQLite ${version} can lose commits when two processes checkpoint at once`, {
      code: 'STORE_UNSAFE',
      hint: `install a better-sqlite3 that bundles SQLite ${oldestSafe.join('.')} or newer`,
    })
  }
  return version
}

function readNumber(db: Driver, pragma: string): number {
  return Number(db.pragma(pragma, { simple: true }))
}

/** Reads only. */
function identify(db: Driver, path: string): void {
  const id = readNumber(db, 'application_id')
  const version = readNumber(db, 'user_version')
  const tables = Number(db.prepare('SELECT count(*) FROM sqlite_master').pluck().get())
  if (id !== applicationId && (id !== 0 || version !== 0 || tables !== 0)) {
    throw new StoreError(`${path} is a SQLite database, but not a Backstep store`, {
      code: 'STORE_CORRUPT',
      hint: 'name another file; this one was left as it is',
    })
  }
  if (version > migrations.length) throw newer(path, version)
}

function notThere(path: string): StoreError {
  return new StoreError(`${path}: there is no store`, {
    code: 'STORE_NOT_FOUND',
    hint: 'name another file; a process that runs sagas makes one',
  })
}

function refuseOlder(db: Driver, path: string): void {
  const version = readNumber(db, 'user_version')
  if (version === 0) throw notThere(path)
  if (version === migrations.length) return
  throw new StoreError(
    `${path} has schema ${version}, and this version of Backstep needs ${migrations.length}`,
    {
      code: 'STORE_OLDER',
      hint: 'run `backstep migrate` once no older process uses it',
    },
  )
}

function newer(path: string, version: number): StoreError {
  return new StoreError(
    `${path} has schema ${version}; this version of Backstep knows ${migrations.length}`,
    {
      code: 'STORE_NEWER',
      hint: 'update the backstep package; the file was left as it is',
    },
  )
}

function setPragmas(db: Driver, path: string): void {
  const mode = db.pragma('journal_mode = WAL', { simple: true })
  db.pragma('synchronous = FULL')
  db.pragma(`wal_autocheckpoint = ${checkpointPages}`)
  db.pragma(`journal_size_limit = ${journalSizeLimit}`)
  const readBack = [
    mode,
    readNumber(db, 'synchronous'),
    readNumber(db, 'busy_timeout'),
    readNumber(db, 'wal_autocheckpoint'),
  ]
  const wanted = ['wal', 2, busyTimeout, checkpointPages]
  if (wanted.some((value, i) => value !== readBack[i])) {
    throw new StoreError(
      `${path}: SQLite did not accept WAL with synchronous=FULL (${readBack.join(', ')})`,
      {
        code: 'STORE_UNSAFE',
        hint: 'keep the file on a local disk; for a store without a file use memory:',
      },
    )
  }
}

function migrate(db: Driver, path: string): void {
  if (readNumber(db, 'user_version') === migrations.length) return
  db.exec('BEGIN IMMEDIATE')
  try {
    const version = readNumber(db, 'user_version')
    if (version > migrations.length) throw newer(path, version)
    for (const migration of migrations.slice(version)) db.exec(migration)
    db.pragma(`application_id = ${applicationId}`)
    db.pragma(`user_version = ${migrations.length}`)
    db.exec('COMMIT')
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function checkpoint(db: Driver, path: string, suspicious: boolean): void {
  const [result] = db.pragma(`wal_checkpoint(${suspicious ? 'TRUNCATE' : 'PASSIVE'})`) as { busy: number }[]
  if (result?.busy === 0) return
  // Somebody else is at it, and perhaps stopped in the middle. Nothing of ours has failed: the log need only be synced.
  if (!suspicious) return syncFile(`${realpathSync(path)}-wal`)
  throw new StoreError(`${path}: after a disk error it is not known yet what is durable`, {
    code: 'STORE_UNAVAILABLE',
    hint: 'other processes still read the file; this is tried again by itself',
  })
}

/** Closing it drops no lock of SQLite's: those are on the main file and the -shm. */
function syncFile(path: string): void {
  const file = openSync(path, 'r+')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
