/**
 * Where connections come from: our own, by address, or a pool of the user's.
 *
 * Invariants
 * - Connecting, statements, locks and idle transactions are bounded in time, wherever the other side lets us: behind a pooler that
 *   refuses such parameters the functions bound the waits for locks, and the client bounds the wait for the answer.
 * - An error of an idle connection is always heard: unheard it would end the process.
 */
import { StoreError } from '../../core/errors.js'
import { type ClientClass, loadClient, type PooledClient, type PostgresPool } from './driver.js'
import { messageOf, sqlStateOf } from './failures.js'
import type { Connected } from './link.js'

export interface Limits {
  /** ms, each. */
  readonly connect: number
  readonly statement: number
}

const ignore = () => {}

const heard = new WeakSet<PostgresPool>()

/** Of a pool, too, an idle connection that the server ends must not end the process: some of its idle ones have been ours. */
function hear(pool: PostgresPool): void {
  if (heard.has(pool)) return
  heard.add(pool)
  pool.on?.('error', ignore)
}

export function connectorTo(pool: PostgresPool, within: number): () => Promise<Connected> {
  hear(pool)
  return async () => {
    const client = await borrow(pool, within)
    client.on('error', ignore)
    let open = true
    return {
      client,
      close: async (broken) => {
        if (!open) return
        open = false
        if (!broken) client.removeListener('error', ignore)
        client.release(broken)
      },
    }
  }
}

/** A pool that has nothing to give keeps whoever asks waiting, by default for ever. What it gives too late is given back. */
function borrow(pool: PostgresPool, within: number): Promise<PooledClient> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(
        new StoreError(`the pool gave no connection within ${within} ms`, {
          code: 'STORE_UNAVAILABLE',
          hint: 'let the pool have more connections: two are kept, and reading takes others for a moment',
        }),
      )
    }, within)
    pool
      .connect()
      .then((given) => {
        // See PostgresPool: a client of pg.
        const client = given as PooledClient
        if (isLate) client.release()
        else resolve(client)
      }, reject)
      .finally(() => clearTimeout(timer))
  })
}

/**
 * Poolers refuse what they cannot hand on each in words of their own: 08P01 (PgBouncer), 0A000 (RDS Proxy), or without a code. They are
 * not set by SET afterwards, either: behind such a pooler the session is not ours, and the next one would find them.
 */
const isAboutSettings = (error: unknown): boolean =>
  /^(08P01|0A000|22023|42)/.test(sqlStateOf(error)) || /startup|options|parameter/i.test(messageOf(error))

/** Loads `pg` at the first call. Throws StoreError `STORE_MISSING`. */
export function connectorAt(connectionString: string, limits: Limits): () => Promise<Connected> {
  let Client: ClientClass | undefined
  /** Parameters that a pooler does not let through. */
  let settings: Readonly<Record<string, number | string>> = {
    // The server, too, notices within half a minute that our machine is gone, or that nobody reads, and lets go of its locks.
    options:
      '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4 -c tcp_user_timeout=20000',
    statement_timeout: limits.statement,
    lock_timeout: limits.statement,
    idle_in_transaction_session_timeout: limits.statement * 2,
  }
  const connect = async (): Promise<Connected> => {
    Client ??= await loadClient()
    const client = new Client({
      connectionString,
      application_name: 'backstep',
      connectionTimeoutMillis: limits.connect,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      ...settings,
    })
    client.on('error', ignore)
    try {
      await client.connect()
    } catch (error) {
      client.end().catch(ignore)
      if (Object.keys(settings).length === 0 || !isAboutSettings(error)) throw error
      settings = {}
      return connect()
    }
    return { client, close: async () => void client.end().catch(ignore) }
  }
  return connect
}
