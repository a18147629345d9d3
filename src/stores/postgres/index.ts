/**
 * `backstep/postgres`: sagas in a PostgreSQL database, for any number of processes on any number of machines.
 *
 * Invariants
 * - Nothing of a driver is loaded until a store is opened.
 * - Two connections are kept: one for flushes, one for leases and hints. Whatever else the process does with its pool, these two
 *   are not waited for again. Reading takes others: two of our own, or one of the user's pool, given back after each answer.
 */
import { BadInputError, StoreError } from '../../core/errors.js'
import type {
  DefinitionRef,
  Health,
  ListFilter,
  Obstacle,
  OpenOptions,
  Queryable,
  RenewWrite,
  Result,
  SagaRow,
  Store,
  StoredSaga,
  SubmitWrite,
  Tombstone,
  Write,
} from '../../store/store.js'
import { checkSchema, placeOf } from './address.js'
import { connectorAt, connectorTo } from './connections.js'
import { Definitions, digestOf } from './definitions.js'
import type { Client, PostgresPool } from './driver.js'
import { toStoreError } from './failures.js'
import { Flusher } from './flusher.js'
import type { Connected, Link } from './link.js'
import { migrate, quoted, refuseOlder } from './migrations.js'
import { borrowedReaders, ownReaders, type Source } from './readers.js'
import { Reading } from './reading.js'
import { storedOf, tombstoneOf, type WireSaga, type WireTombstone } from './rows.js'
import { Side } from './side.js'
import { submitInto } from './transaction.js'

export type { PostgresPool } from './driver.js'

export interface PostgresStoreOptions {
  /** A `pg.Pool` of your own. Two of its connections are kept for as long as the store is open, and more are taken for reading. */
  readonly pool: PostgresPool
  /** Where the tables are. Default: `backstep`. */
  readonly schema?: string
}

/** A store in PostgreSQL. */
export interface PostgresStore extends Store {
  /** Brings the schema up to date, as `open` does, and says from which version to which. Throws StoreError. */
  migrate(): Promise<{ readonly from: number; readonly to: number }>
}

/** ms: to connect; for a flush; for a renewal, which must not outlast its lease. */
const connectTimeout = 5_000
const flushTimeout = 15_000
const sideTimeout = 4_000
const readTimeout = 30_000

/**
 * A store in a PostgreSQL database (14 or newer), by address or over a pool of your own. It has a schema of its own, which is
 * created and migrated when the store is opened. `open` throws StoreError: `STORE_MISSING` (no `pg`), `STORE_NEWER`,
 * `STORE_ADDRESS`, `STORE_UNSAFE` (an isolation level other than READ COMMITTED), `STORE_UNAVAILABLE`.
 *
 * @example const orchestrator = await Orchestrator.open(postgresStore({ pool }))
 */
export function postgresStore(at: string | PostgresStoreOptions): PostgresStore {
  if (typeof at === 'string') {
    const { connectionString, schema, shown } = placeOf(at, undefined)
    const open = (statement: number) => connectorAt(connectionString, { connect: connectTimeout, statement })
    return new StoreOverPostgres(shown, schema, open, ownReaders)
  }
  if (typeof at?.pool?.connect !== 'function')
    throw new BadInputError('`pool` is no pool', 'pass an address, or { pool: new pg.Pool(…) }')
  const schema = checkSchema(at.schema ?? 'backstep')
  const connect = connectorTo(at.pool, connectTimeout)
  return new StoreOverPostgres(`postgres: (a pool) ${schema}`, schema, () => connect, borrowedReaders)
}

type InTransaction = Awaited<ReturnType<NonNullable<Store['submitIn']>>>

class StoreOverPostgres implements PostgresStore {
  readonly address: string
  readonly durable = true
  readonly lease = 5_000
  readonly #schema: string
  readonly #open: (statement: number) => () => Promise<Connected>
  readonly #readers: (open: () => Promise<Connected>, timeout: number) => Source
  readonly #definitions: Definitions
  #flusher: Flusher | undefined
  #side: Side | undefined
  #reader: Source | undefined
  readonly #reading: Reading
  readonly #listeners: (() => void)[] = []
  /** Until the last call has been sent. */
  #last: Promise<unknown> = Promise.resolve()
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(
    address: string,
    schema: string,
    open: (statement: number) => () => Promise<Connected>,
    readers: (open: () => Promise<Connected>, timeout: number) => Source,
  ) {
    this.#readers = readers
    this.address = address
    this.#schema = schema
    this.#open = open
    this.#definitions = new Definitions(schema)
    this.#reading = new Reading(() => this.#need(this.#reader), schema, this.#definitions)
  }

  async open({ create = true }: OpenOptions = {}): Promise<void> {
    if (this.#flusher) return
    await (create ? this.migrate() : this.#once((client) => refuseOlder(client, this.#schema)))
    const side = new Side(this.#open(sideTimeout), this.#schema, sideTimeout)
    const woke = () => side.hint()
    const flusher = new Flusher(this.#open(flushTimeout), this.#schema, this.#definitions, flushTimeout, woke)
    this.#side = side
    this.#flusher = flusher
    this.#reader = this.#readers(this.#open(readTimeout), readTimeout)
    for (const listener of this.#listeners) side.onHint(listener)
    try {
      await Promise.all([this.#guard(() => flusher.link.ready()), this.#guard(() => side.measure())])
    } catch (error) {
      await this.close()
      throw error
    }
  }

  migrate(): Promise<{ readonly from: number; readonly to: number }> {
    return this.#once((client) => migrate(client, this.#schema))
  }

  /** Over a connection for this alone. */
  #once<T>(action: (client: Client) => Promise<T>): Promise<T> {
    return this.#guard(async () => {
      const { client, close } = await this.#open(readTimeout)()
      try {
        const done = await action(client)
        await close(false)
        return done
      } catch (error) {
        await close(true)
        throw error
      }
    })
  }

  apply(writes: readonly Write[]): Promise<readonly Result[]> {
    const [first] = writes
    if (writes.length === 0) return Promise.resolve([])
    if (first?.type === 'renew' && writes.length === 1)
      return this.#guard(async () => [await this.#renew(first)])
    return this.#inTurn((sent) => this.#need(this.#flusher).apply(writes, sent))
  }

  find(ref: { readonly n: number } | { readonly id: string }): Promise<StoredSaga | Tombstone | undefined> {
    return this.#guard(() => this.#reading.find(ref))
  }

  rows(numbers: readonly number[]): Promise<readonly SagaRow[]> {
    return this.#guard(() => this.#reading.rows(numbers))
  }

  list(filter: ListFilter): Promise<readonly SagaRow[]> {
    return this.#guard(() => this.#reading.list(filter))
  }

  /** Over the connection of the flushes: a claim whose answer was lost has been made by then, or never will be. */
  owned(worker: string): Promise<readonly { readonly n: number; readonly token: number }[]> {
    const name = quoted(this.#schema)
    const text = `SELECT s.n, s.token FROM ${name}.workers k CROSS JOIN ${name}.definitions f JOIN ${name}.sagas s
        ON s.stage = 1 AND s.d = f.d AND s.owner = k.w WHERE k.worker = $1 AND NOT k.dead
      UNION ALL SELECT s.n, s.token FROM ${name}.workers k JOIN ${name}.sagas s
        ON s.stage = 0 AND s.deadline IS NOT NULL AND s.owner = k.w WHERE k.worker = $1 AND NOT k.dead`
    return this.#inTurn(async (sent) => {
      const rows = await this.#need(this.#flusher).query(text, [worker], sent)
      return rows.map(([n, token]) => ({ n: Number(n), token: Number(token) }))
    })
  }

  obstacles(n: number, limit: number): Promise<readonly Obstacle[]> {
    return this.#guard(() => this.#reading.obstacles(n, limit))
  }

  definitions(name: string): Promise<readonly DefinitionRef[]> {
    return this.#guard(() => this.#reading.definitions(name))
  }

  health(thorough = false): Promise<Health> {
    return this.#guard(() => this.#reading.health(thorough))
  }

  onHint(listener: () => void): void {
    this.#listeners.push(listener)
    this.#side?.onHint(listener)
  }

  skew(): number {
    return this.#side?.skew ?? 0
  }

  async submitIn(tx: Queryable, write: SubmitWrite): Promise<InTransaction> {
    const { link } = this.#need(this.#flusher)
    // Ours, and before: a definition that only the user's transaction knows would keep all others waiting for it.
    const d = await this.#guard(() => this.#numberOf(link, write.definition))
    const submitted = await submitInto(tx, this.#schema, write, d, digestOf(write.definition))
    if ('n' in submitted) return { type: 'applied', n: submitted.n }
    if ('tombstone' in submitted)
      return { type: 'exists', saga: tombstoneOf(JSON.parse(submitted.tombstone) as WireTombstone) }
    const wire = JSON.parse(submitted.saga) as WireSaga
    const definitions = await this.#guard(() => this.#definitions.load(link, [wire[2]]))
    return { type: 'exists', saga: storedOf(wire, definitions) }
  }

  async close(): Promise<void> {
    const parts = [this.#flusher, this.#side, this.#reader]
    this.#flusher = undefined
    this.#side = undefined
    this.#reader = undefined
    await Promise.allSettled(this.#underWay)
    await Promise.all(parts.map((part) => part?.close()))
  }

  async #numberOf(link: Link, ref: DefinitionRef): Promise<number> {
    await link.ready()
    const unknown = this.#definitions.unknown([ref])
    if (unknown) await this.#definitions.intern(link, unknown)
    return this.#definitions.numberOf(ref)
  }

  #renew(write: RenewWrite): Promise<Result> {
    return this.#need(this.#side).renew(write)
  }

  #need<T>(part: T | undefined): T {
    if (part) return part
    throw new StoreError(`${this.address} is not open`, {
      code: 'STORE_UNAVAILABLE',
      hint: 'call open() first',
    })
  }

  /** Calls are sent in order, and the next while the server still works on the last: so that it need not wait for us. */
  #inTurn<T>(action: (sent: () => void) => Promise<T>): Promise<T> {
    const answer = new Promise<T>((resolve, reject) => {
      const send = (sent: () => void) => {
        this.#guard(() => action(sent))
          .then(resolve, reject)
          .finally(sent)
      }
      this.#last = this.#last.then(() => new Promise<void>(send))
    })
    this.#underWay.add(answer)
    const done = () => this.#underWay.delete(answer)
    answer.then(done, done)
    return answer
  }

  async #guard<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      throw toStoreError(this.address, error)
    }
  }
}
