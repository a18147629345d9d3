/** The store's contract on SQLite, in a thread of its own and inline; with it scenarios 16, 21, 22, 38, 39 and 40. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStore } from '#dist/stores/sqlite/index.js'
import type { StoreSubject } from '#dist/testing/store-suite/index.js'
import { testStore } from './suite.js'

/** Memory where there is any: the suite makes thousands of commits, and what an fsync is for is tested elsewhere. */
const root = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

const subject = (thread: boolean): StoreSubject<string> => ({
  create: () => mkdtemp(join(root, 'backstep-store-')),
  store: (folder) => sqliteStore(join(folder, 'sagas.db'), { thread }),
  remove: (folder) => rm(folder, { recursive: true, force: true }),
})

testStore('sqlite, in a thread', subject(true), 5)
testStore('sqlite, inline', subject(false), 60)
