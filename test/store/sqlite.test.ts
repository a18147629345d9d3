import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '#dist/store/store.js'
import { sqliteStore } from '#dist/stores/sqlite/index.js'
import type { Place } from './desk.js'
import { storeSuite } from './suite.js'

/** Memory where there is any: the suite makes thousands of commits, and what an fsync is for is tested elsewhere. */
const root = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

async function makePlace(thread: boolean): Promise<Place> {
  const folder = await mkdtemp(join(root, 'backstep-store-'))
  const open: Store[] = []
  return {
    open: async () => {
      const store = sqliteStore(join(folder, 'sagas.db'), { thread })
      await store.open()
      open.push(store)
      return store
    },
    close: async () => {
      await Promise.all(open.splice(0).map((store) => store.close()))
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

storeSuite('sqlite, in a thread', () => makePlace(true), 5)
storeSuite('sqlite, inline', () => makePlace(false), 60)
