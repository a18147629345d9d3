/**
 * The stores that a scenario runs over, where it matters which: each with a clock of its own kind.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore, type Store } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'backstep-test-'))

export const temporaryFile = (name = 'store.db'): string => join(temporaryFolder(), name)

/** By the clock of this machine. `again` opens what the first one has stored. */
export const stores: readonly {
  readonly name: string
  make(): { readonly store: Store; again(): Store }
}[] = [
  {
    name: 'memory',
    make: () => {
      const store = memoryStore()
      return { store, again: () => store }
    },
  },
  {
    name: 'sqlite',
    make: () => {
      const file = temporaryFile()
      const open = (): Store => sqliteStore(file)
      return { store: open(), again: open }
    },
  },
]
