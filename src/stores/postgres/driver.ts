/**
 * The part of `pg` that is used, and how it is loaded: late, because it is an optional peer dependency.
 *
 * Invariants
 * - A client of another package with these methods will do: nothing here is told by its class.
 * - Values come back as text: what pg makes of a bigint, or of an array, is slower than what is needed, or another thing.
 */
import { StoreError } from '../../core/errors.js'

export interface QueryConfig {
  readonly text: string
  /** Prepared under this name. */
  readonly name?: string
  readonly values?: readonly unknown[]
  readonly rowMode?: 'array'
  /** ms; then the query fails, while its connection still waits for the answer. */
  readonly query_timeout?: number
  readonly types?: { getTypeParser(): (text: string) => string }
}

export interface Client {
  query(config: QueryConfig | string): Promise<{ readonly rows: readonly (readonly unknown[])[] }>
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown
  removeListener(event: string, listener: (...values: never[]) => void): unknown
}

/** A connection that somebody gave: a client of a pool of the user's own. */
export interface PooledClient extends Client {
  /** True: do not use it again. */
  release(destroy?: boolean): void
}

/** A `pg.Pool`, or what behaves like one. Its clients are those of `pg`, whose overloads no shorter type matches: only `release` is checked. */
export interface PostgresPool {
  connect(): Promise<{ release(destroy?: boolean): void }>
  on?(event: 'error', listener: (error: Error) => void): unknown
}

/** A client of one's own. */
export interface OwnClient extends Client {
  connect(): Promise<unknown>
  end(): Promise<unknown>
}

export type ClientClass = new (config: Readonly<Record<string, unknown>>) => OwnClient

export const asText = { getTypeParser: () => (text: string) => text }

/** Throws StoreError `STORE_MISSING`. */
export async function loadClient(): Promise<ClientClass> {
  try {
    const { Client } = (await import('pg')) as unknown as { Client: ClientClass }
    return Client
  } catch (cause) {
    throw new StoreError('PostgreSQL needs the package pg, which is not installed', {
      code: 'STORE_MISSING',
      hint: 'npm install pg',
      cause,
    })
  }
}
