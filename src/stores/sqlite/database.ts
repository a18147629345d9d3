/**
 * The store over one file, synchronous: what runs in the thread, or inline.
 *
 * Invariants
 * - A flush is one transaction. A write that fails by its own data is answered `refused`, and the others commit.
 * - After a storage failure the connection is dropped, and nothing is answered until a fresh one has completed a
 *   truncating checkpoint: only then what is read is what is on the disk.
 * - Reads are snapshots of one moment: a read transaction each.
 */
import type { DefinitionRef, Health, ListFilter, Obstacle, SagaRow } from '../../store/store.js'
import type { WireResult } from './answers.js'
import { append, prune } from './append.js'
import { claim } from './claims.js'
import { Connection, type OpenDriver, retryBusy } from './connection.js'
import { isStorageFailure, isStoreWide, toStoreError } from './failures.js'
import { Liveness } from './liveness.js'
import { type Found, Reading } from './reading.js'
import { submit } from './submit.js'
import { Transaction } from './transaction.js'
import { type Cells, kinds, Reader } from './wire.js'
import { join, leave, renew } from './workers.js'

interface Open {
  readonly connection: Connection
  readonly tx: Transaction
  readonly reading: Reading
}

type Handler = (tx: Transaction, reader: Reader) => WireResult

const handlers: Record<number, Handler> = {
  [kinds.skip]: () => 'applied',
  [kinds.submit]: submit,
  [kinds.append]: append,
  [kinds.claim]: claim,
  [kinds.join]: join,
  [kinds.renew]: renew,
  [kinds.leave]: leave,
  [kinds.prune]: prune,
}

export class Database {
  readonly #openDriver: OpenDriver
  readonly #path: string
  readonly #now: () => number
  readonly #liveness: Liveness
  readonly #refs: DefinitionRef[] = []
  #open: Open | undefined
  #isSuspicious = false
  #create = true
  #isClosed = false

  /** `monotonic`: where a test brings its own time, that counts between two looks at the other processes, too. */
  constructor(openDriver: OpenDriver, path: string, now: () => number, monotonic?: () => number) {
    this.#openDriver = openDriver
    this.#path = path
    this.#now = now
    this.#liveness = new Liveness(openDriver, path, monotonic)
  }

  open(create = true): void {
    this.#create = create
    this.#guard(() => this.#ready())
  }

  apply(cells: Cells): WireResult[] {
    for (const ref of cells.refs) this.#refs.push(ref)
    return this.#guard(() => {
      const reader = new Reader(cells, this.#refs)
      return this.#applyAll(reader, false) ?? this.#applyAll(new Reader(cells, this.#refs), true) ?? []
    })
  }

  find(ref: { readonly n: number } | { readonly id: string }): Found {
    return this.#read(({ reading }) => reading.find(ref))
  }

  rows(numbers: readonly number[]): SagaRow[] {
    return this.#read(({ reading }) => reading.rows(numbers))
  }

  list(filter: ListFilter): SagaRow[] {
    return this.#read(({ reading }) => reading.list(filter))
  }

  owned(worker: string): { n: number; token: number }[] {
    return this.#read(({ reading }) => reading.owned(worker))
  }

  obstacles(n: number, limit: number): Obstacle[] {
    return this.#read(({ reading }) => reading.obstacles(n, limit))
  }

  definitions(name: string): DefinitionRef[] {
    return this.#read(({ reading }) => reading.definitions(name))
  }

  health(thorough: boolean): Health {
    return this.#read(({ reading, connection }) => reading.health(connection, thorough))
  }

  close(): void {
    this.#isClosed = true
    this.#open?.connection.close()
    this.#open = undefined
    this.#liveness.releaseAll()
  }

  #ready(): Open {
    if (this.#open) return this.#open
    if (this.#isClosed) throw new Error('the store is closed')
    const options = { suspicious: this.#isSuspicious, create: this.#create }
    const connection = retryBusy(() => Connection.open(this.#openDriver, this.#path, options))
    const tx = new Transaction(connection.db, this.#liveness, this.#now)
    this.#isSuspicious = false
    this.#open = { connection, tx, reading: new Reading(tx, connection.db) }
    return this.#open
  }

  /** Turns whatever goes wrong into a StoreError, and drops a connection that cannot be believed any more. */
  #guard<T>(action: () => T): T {
    try {
      return action()
    } catch (error) {
      if (isStorageFailure(error)) {
        this.#isSuspicious = true
        this.#open?.connection.abandon()
        this.#open = undefined
      }
      throw toStoreError(this.#path, error)
    }
  }

  #read<T>(action: (open: Open) => T): T {
    return this.#guard(() => {
      const open = this.#ready()
      return retryBusy(() => readOnce(open, action))
    })
  }

  /**
   * One transaction for all of them. The usual try has no savepoints; if a write fails by its data, undefined is returned,
   * and a second try puts each write into a savepoint of its own.
   */
  #applyAll(reader: Reader, isCareful: boolean): WireResult[] | undefined {
    const { connection, tx } = this.#ready()
    connection.begin()
    try {
      const results: WireResult[] = []
      while (!reader.isAtEnd) {
        const result = isCareful ? this.#applyCarefully(connection, tx, reader) : applyOne(tx, reader)
        results.push(result)
      }
      tx.saveCounters()
      connection.checkFile()
      connection.commit()
      tx.finish()
      return results
    } catch (error) {
      tx.forget()
      connection.rollback()
      if (isCareful || isStoreWide(error)) throw error
      return undefined
    }
  }

  #applyCarefully(connection: Connection, tx: Transaction, reader: Reader): WireResult {
    const { db } = connection
    const before = tx.mark()
    db.exec('SAVEPOINT one')
    try {
      const result = applyOne(tx, reader)
      db.exec('RELEASE one')
      return result
    } catch (error) {
      if (isStoreWide(error)) throw error
      db.exec('ROLLBACK TO one')
      db.exec('RELEASE one')
      tx.undo(before)
      return { refused: error instanceof Error ? error.message : String(error) }
    }
  }
}

/** One snapshot. */
function readOnce<T>(open: Open, action: (open: Open) => T): T {
  const { tx, connection } = open
  connection.checkFile()
  connection.beginReading()
  try {
    tx.counters()
    tx.registry.look()
    return action(open)
  } finally {
    tx.finish()
    if (connection.db.inTransaction) connection.commit()
  }
}

function applyOne(tx: Transaction, reader: Reader): WireResult {
  const handler = handlers[reader.number()]
  if (!handler) throw new Error('unknown kind of write')
  return handler(tx, reader)
}
