import { postgresStore } from 'backstep/postgres'
import { sqliteStore } from 'backstep/sqlite'

/** The store at an address that processes share. `thread` is for SQLite. */
export function sharedStore(address, { thread = true } = {}) {
  return address.startsWith('sqlite:')
    ? sqliteStore(address.slice('sqlite:'.length), { thread })
    : postgresStore(address)
}
