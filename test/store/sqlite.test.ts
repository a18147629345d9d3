import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '#dist/store/store.js'
import { sqliteStore } from '#dist/stores/sqlite/index.js'
import { type Place, storeSuite } from './suite.js'

async function makePlace(thread: boolean): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'backstep-store-'))
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
