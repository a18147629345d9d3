import type { Store } from '#dist/store/store.js'
import { postgresStore } from '#dist/stores/postgres/index.js'
import { describePostgres, freshSchema, query } from '../support/postgres.js'
import type { Place } from './desk.js'
import { storeSuite } from './suite.js'

async function makePlace(): Promise<Place> {
  const address = await freshSchema()
  const open: Store[] = []
  return {
    open: async () => {
      const store = postgresStore(address)
      await store.open()
      open.push(store)
      return store
    },
    close: async () => {
      await Promise.all(open.splice(0).map((store) => store.close()))
    },
    remove: async () => {
      await query(address, `DROP SCHEMA IF EXISTS "${new URL(address).searchParams.get('schema')}" CASCADE`)
    },
  }
}

describePostgres('PostgreSQL', () => storeSuite('postgres', makePlace, 60))
