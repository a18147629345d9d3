/**
 * The one store of a history: in memory, or SQLite's own SQL in this thread, a connection for each process.
 *
 * Invariants
 * - Its clock is virtual time.
 * - A process that is gone has lost its connection and its lock, as after a kill.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import type { Store } from '#dist/store/store.js'
import type { Timeline } from './timeline.js'

export type StoreKind = 'memory' | 'sqlite'

export interface Shared {
  /** A connection of one process's own. */
  connect(pid: number): Promise<Store>
  /** The process is gone. */
  drop(pid: number): void
  remove(): void
}

export function shared(kind: StoreKind, timeline: Timeline): Shared {
  return kind === 'memory' ? inMemory(timeline) : inFile(timeline)
}

function inMemory(timeline: Timeline): Shared {
  const store = memoryStore({ now: () => timeline.now })
  return { connect: async () => store, drop: () => {}, remove: () => {} }
}

/** Memory, where there is a file system in it: thousands of histories wear out a disk for nothing. */
export const fastFolder = (): string => process.env['BACKSTEP_PROVE_DIR'] ?? tmpdir()

function inFile(timeline: Timeline): Shared {
  const folder = mkdtempSync(join(fastFolder(), 'backstep-prove-'))
  const open = new Map<number, Store>()
  return {
    connect: async (pid) => {
      const store = sqliteStore(join(folder, 'store.db'), { thread: false, now: () => timeline.now })
      await timeline.during(store.open())
      open.set(pid, store)
      return store
    },
    drop: (pid) => {
      const store = open.get(pid)
      open.delete(pid)
      // Inline, it is done at once.
      void store?.close()
    },
    remove: () => {
      for (const store of open.values()) void store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
