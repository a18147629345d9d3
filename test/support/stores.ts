/**
 * The stores that a scenario runs over, where it matters which: each with a clock of its own kind.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore, type Store } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Gone when the process of the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstep-test-'))
  folders.push(folder)
  return folder
}

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
