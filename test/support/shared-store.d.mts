import type { Store } from 'backstep'

/** The store at an address that processes share. `thread` is for SQLite. */
export function sharedStore(address: string, options?: { readonly thread?: boolean }): Store
