/**
 * Opening a store on PostgreSQL: many at once, and what is newer.
 */
import { expect, test } from 'vitest'
import { postgresStore } from '#dist/stores/postgres/index.js'
import { describePostgres, freshSchema, query } from '../support/postgres.js'

describePostgres('opening', () => {
  test('ten stores that open at once: one of them migrates, the others find it done', async () => {
    for (let round = 0; round < 3; round++) {
      const address = await freshSchema()
      const stores = Array.from({ length: 10 }, () => postgresStore(address))
      await Promise.all(stores.map((store) => store.open()))
      const { schema, problems } = await (stores[0] as (typeof stores)[number]).health()
      expect({ schema, problems }).toEqual({ schema: 1, problems: [] })
      await Promise.all(stores.map((store) => store.close()))
    }
  })

  test('a newer schema is refused and left as it is', async () => {
    const address = await freshSchema()
    const schema = new URL(address).searchParams.get('schema')
    const store = postgresStore(address)
    await store.open()
    await store.close()
    await query(address, `INSERT INTO "${schema}".migrations (version) VALUES (99)`)
    await expect(postgresStore(address).open()).rejects.toMatchObject({
      code: 'STORE_NEWER',
      message: expect.stringContaining('version 99'),
    })
  })
})
