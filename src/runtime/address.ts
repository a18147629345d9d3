/**
 * Stores by address: `memory:`, `sqlite:trips.db`, `postgres://user@host/database`.
 *
 * Invariant: no driver is loaded until an address names it.
 */
import { shownAddress } from '../core/address.js'
import { StoreError } from '../core/errors.js'
import type { Store } from '../store/store.js'
import { memoryStore } from '../stores/memory/index.js'

/** Throws StoreError (`STORE_ADDRESS`) for an address that names no store. */
export async function storeAt(address: string): Promise<Store> {
  const colon = address.indexOf(':')
  const scheme = colon < 0 ? '' : address.slice(0, colon).toLowerCase()
  const rest = address.slice(colon + 1)
  if (scheme === 'memory' && rest === '') return memoryStore()
  if (scheme === 'sqlite' && rest !== '') {
    const { sqliteStore } = await import('../stores/sqlite/index.js')
    return sqliteStore(rest)
  }
  if ((scheme === 'postgres' || scheme === 'postgresql') && rest.startsWith('//')) {
    const { postgresStore } = await import('../stores/postgres/index.js')
    return postgresStore(address)
  }
  throw new StoreError(`no store has the address ${JSON.stringify(shownAddress(address))}`, {
    code: 'STORE_ADDRESS',
    hint: "use 'memory:', 'sqlite:path/to/file.db', 'postgres://user:password@host/database', or a store object",
  })
}
