/** Folders with a store in them, for tests of the SQLite store. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import type { Store } from '#dist/store/store.js'
import { type SqliteStoreOptions, sqliteStore } from '#dist/stores/sqlite/index.js'

const folders: string[] = []
const stores: Store[] = []

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })))
})

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstep-sqlite-'))
  folders.push(folder)
  return folder
}

export async function newPath(): Promise<string> {
  return join(await newFolder(), 'sagas.db')
}

export async function openStore(
  path: string,
  options: SqliteStoreOptions = { thread: false },
): Promise<Store> {
  const store = sqliteStore(path, options)
  await store.open()
  stores.push(store)
  return store
}
