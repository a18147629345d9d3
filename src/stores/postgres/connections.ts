/**
 * Where connections come from: our own, by address, or a pool of the user's.
 *
 * Invariants
 * - Connecting, statements, locks and idle transactions are bounded in time, wherever the other side lets us: behind a pooler that
 *   refuses such parameters the functions bound the waits for locks, and the client bounds the wait for the answer.
 * - An error of an idle connection is always heard: unheard it would end the process.
 */
import { type ClientClass, loadClient, type PooledClient, type PostgresPool } from './driver.js'
import { messageOf } from './failures.js'
import type { Connected } from './link.js'

export interface Limits {
  /** ms, each. */
  readonly connect: number
  readonly statement: number
}

const ignore = () => {}

export function connectorTo(pool: PostgresPool): () => Promise<Connected> {
  return async () => {
    // See PostgresPool: a client of pg.
    const client = (await pool.connect()) as PooledClient
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

/** Loads `pg` at the first call. Throws StoreError `STORE_MISSING`. */
export function connectorAt(connectionString: string, limits: Limits): () => Promise<Connected> {
  let Client: ClientClass | undefined
  /** Parameters that a pooler does not let through. */
  let settings: Readonly<Record<string, number>> = {
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
      if (Object.keys(settings).length === 0 || !/unsupported startup parameter/i.test(messageOf(error)))
        throw error
      settings = {}
      return connect()
    }
    return { client, close: async () => void client.end().catch(ignore) }
  }
  return connect
}
