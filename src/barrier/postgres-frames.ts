/**
 * Where the barrier's work runs on PostgreSQL: in a transaction of its own, or inside the caller's.
 *
 * Invariants
 * - All of the work becomes durable, or nothing of it. An error of the work is rethrown as it is, whatever taking it back does.
 * - Both begin with a savepoint and end by releasing it, which fails outside of a transaction and in another one: so work that
 *   ended its transaction is found out, and statements can never run one by one on a client that has none.
 * - A client whose state is unknown never goes back into its pool.
 */
import { answerLost } from '../core/connection-errors.js'
import { BarrierError, ended, unknownEnd } from './errors.js'
import {
  type PooledClient,
  type PostgresPool,
  type PostgresTransaction,
  sqlState,
} from './postgres-schema.js'

export interface Frame {
  /** Where the caller may try the work again: nothing of an attempt that failed is left. */
  readonly repeats: boolean
  within<Result>(work: (tx: PostgresTransaction) => Promise<Result>): Promise<Result>
}

/** A client of the pool and a transaction for each piece of work. */
export class PoolFrame implements Frame {
  readonly repeats = true
  readonly #pool: PostgresPool

  constructor(pool: PostgresPool) {
    this.#pool = pool
  }

  async within<Result>(work: (tx: PostgresTransaction) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect()
    // pg tells of a lost connection by an event, too, which ends the process if nobody listens.
    client.on?.('error', ignore)
    const taken = new Taken(client)
    try {
      return await taken.run(work)
    } finally {
      client.removeListener?.('error', ignore)
      client.release(!taken.isClean)
    }
  }
}

/** A client while it is ours. */
class Taken {
  readonly #client: PooledClient
  isClean = false

  constructor(client: PooledClient) {
    this.#client = client
  }

  async run<Result>(work: (tx: PostgresTransaction) => Promise<Result>): Promise<Result> {
    let result: Result
    try {
      // One message each, at the beginning and the end: no round trip more than a plain transaction has.
      await this.#client.query('BEGIN; SAVEPOINT backstep_barrier')
      result = await work(this.#client)
    } catch (error) {
      await this.#takeBack()
      throw error
    }
    try {
      await this.#client.query('RELEASE SAVEPOINT backstep_barrier; COMMIT')
      this.isClean = true
    } catch (error) {
      throw await this.#failedEnd(error)
    }
    return result
  }

  async #takeBack(): Promise<void> {
    this.isClean = await this.#client.query('ROLLBACK').then(
      () => true,
      () => false,
    )
  }

  /** What the server itself refuses at COMMIT, a deferred constraint for example, had no effect. Silence says nothing. */
  async #failedEnd(error: unknown): Promise<unknown> {
    const state = sqlState(error)
    if (state === undefined || answerLost(error)) return unknownEnd(error)
    await this.#takeBack()
    return isNoTransaction(state) ? ended(error) : error
  }
}

/** Numbers the savepoints: calls nest, and calls side by side on one client must not take each other back. */
let savepoints = 0

/** The caller's own transaction: what happens to it afterwards happens to the barrier's records, too. */
export class TransactionFrame implements Frame {
  // At a fixed snapshot an attempt sees what the one before it saw: the whole transaction would have to run again.
  readonly repeats = false
  readonly #tx: PostgresTransaction

  constructor(tx: PostgresTransaction) {
    this.#tx = tx
  }

  async within<Result>(work: (tx: PostgresTransaction) => Promise<Result>): Promise<Result> {
    savepoints++
    const name = `backstep_barrier_${savepoints}`
    await this.#begin(name)
    let result: Result
    try {
      result = await work(this.#tx)
    } catch (error) {
      await this.#takeBack(name)
      throw error
    }
    try {
      await this.#tx.query(`RELEASE SAVEPOINT ${name}`)
    } catch (error) {
      throw isNoTransaction(sqlState(error)) ? ended(error) : error
    }
    return result
  }

  async #begin(name: string): Promise<void> {
    try {
      await this.#tx.query(`SAVEPOINT ${name}`)
    } catch (error) {
      if (sqlState(error) !== '25P01') throw error
      throw new BarrierError(
        'no transaction is open on this client',
        'NO_TRANSACTION',
        'begin one and end it yourself, or give the barrier a pool: it then runs a transaction for each call',
        error,
      )
    }
  }

  async #takeBack(name: string): Promise<void> {
    try {
      await this.#tx.query(`ROLLBACK TO SAVEPOINT ${name}`)
      await this.#tx.query(`RELEASE SAVEPOINT ${name}`)
    } catch {
      // The transaction is gone, or its connection: then nothing of it will stand. The error of the work is the one to tell.
    }
  }
}

/** No transaction, or none with our savepoint. */
const isNoTransaction = (state: string | undefined): boolean => state === '25P01' || state === '3B001'

const ignore = (): void => {}
