/**
 * `backstep/sqlite`: sagas in one file, durable against kill -9 and power loss.
 *
 * Invariant
 * - Nothing of a driver is loaded until a store is opened.
 */
import { resolve } from 'node:path'
import { BadInputError } from '../../core/errors.js'
import type {
  ListFilter,
  OpenOptions,
  Result,
  Store,
  StoredSaga,
  Tombstone,
  Write,
} from '../../store/store.js'
import { toResults, toSaga } from './answers.js'
import { type Backend, InlineBackend, ThreadBackend } from './backends.js'
import type { ReplyTo, Request } from './protocol.js'
import { Encoder } from './wire.js'

export interface SqliteStoreOptions {
  /**
   * Run SQLite in a worker thread (default), so that the event loop never waits for the disk. `false` runs it inline:
   * a third faster for one saga at a time, and every flush blocks the process for an fsync.
   */
  readonly thread?: boolean
  /** The store's clock, ms since 1970; only with `thread: false`. Default: `Date.now`. */
  readonly now?: () => number
}

/**
 * A store in a SQLite file, which is created if it is missing. Several processes may share the file; it must be on a local disk.
 * `open` throws StoreError: `STORE_MISSING` (no driver), `STORE_NEWER`, `STORE_CORRUPT`, `STORE_UNSAFE`, `STORE_ADDRESS`.
 *
 * @example const orchestrator = await Orchestrator.open(sqliteStore('trips.db', { thread: false }))
 */
export function sqliteStore(path: string, options: SqliteStoreOptions = {}): Store {
  if (typeof path !== 'string' || path === '' || path.startsWith(':memory:') || path.startsWith('file:')) {
    throw new BadInputError(
      `${JSON.stringify(path)} is no path of a file`,
      'name a file, such as trips.db; for a store without one use memory:',
    )
  }
  const { thread = true, now } = options
  if (thread && now)
    throw new BadInputError('`now` cannot cross into a thread', 'pass { thread: false, now }')
  // Resolved now: what the process later changes its folder to must not matter.
  const file = resolve(path)
  return new SqliteStore(path, thread ? new ThreadBackend(file) : new InlineBackend(file, now))
}

class SqliteStore implements Store {
  readonly address: string
  readonly durable = true
  /** Only a frozen process is judged by its lease; a dead one is known by its lock. */
  readonly lease = 15_000
  readonly #backend: Backend
  #encoder = new Encoder()
  #isOpen = false

  constructor(path: string, backend: Backend) {
    this.address = `sqlite:${path}`
    this.#backend = backend
  }

  async open({ create = true }: OpenOptions = {}): Promise<void> {
    if (this.#isOpen) return
    await this.#backend.start()
    this.#encoder = new Encoder()
    try {
      await this.#backend.send({ type: 'open', create })
      this.#isOpen = true
    } catch (error) {
      await this.#backend.stop()
      throw error
    }
  }

  apply(writes: readonly Write[]): Promise<readonly Result[]> {
    const { cells, unsendable } = this.#encoder.encode(writes)
    return this.#ask({ type: 'apply', cells }, (results) => toResults(results, unsendable, writes.length))
  }

  find(ref: { readonly n: number } | { readonly id: string }): Promise<StoredSaga | Tombstone | undefined> {
    return this.#ask(
      { type: 'find', ref },
      (found) => found && ('saga' in found ? toSaga(found.saga) : found.tombstone),
    )
  }

  rows(numbers: readonly number[]) {
    return this.#ask({ type: 'rows', numbers }, (rows) => rows)
  }

  list(filter: ListFilter) {
    return this.#ask({ type: 'list', filter }, (rows) => rows)
  }

  owned(worker: string) {
    return this.#ask({ type: 'owned', worker }, (owned) => owned)
  }

  obstacles(n: number, limit: number) {
    return this.#ask({ type: 'obstacles', n, limit }, (obstacles) => obstacles)
  }

  definitions(name: string) {
    return this.#ask({ type: 'definitions', name }, (definitions) => definitions)
  }

  health(thorough = false) {
    return this.#ask({ type: 'health', thorough }, (health) => health)
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    try {
      await this.#backend.send({ type: 'close' })
    } finally {
      await this.#backend.stop()
    }
  }

  /** Inline the answer is there at once, and so the promise is settled when it is returned. */
  #ask<R extends Request, T>(request: R, decode: (reply: ReplyTo<R>) => T): Promise<T> {
    try {
      const reply = this.#backend.send(request)
      return reply instanceof Promise ? reply.then(decode) : Promise.resolve(decode(reply))
    } catch (error) {
      return Promise.reject(error)
    }
  }
}
