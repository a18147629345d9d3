/**
 * Opening a store on PostgreSQL: many at once, and what is newer.
 */
import { expect, test } from 'vitest'
import { postgresStore } from '#dist/stores/postgres/index.js'
import { describePostgres, freshSchema, query } from '../support/postgres.js'
import { Relay } from './postgres-place.js'

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

describePostgres('what stands between', () => {
  test('a connection that swallows the first question is given up', async () => {
    const relay = await Relay.start(await freshSchema())
    relay.swallowsFrom = /pg_tables/
    const begin = performance.now()
    await expect(postgresStore(relay.address).open()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(performance.now() - begin).toBeLessThan(20_000)
  })

  for (const code of ['08P01', '0A000'])
    test(`a pooler that refuses our settings is asked without them: ${code}`, async () => {
      const relay = await Relay.start(await freshSchema())
      relay.refuses = { what: /tcp_keepalives_idle/, code, message: 'Feature not supported' }
      const store = postgresStore(relay.address)
      await store.open()
      expect(await store.list({ order: 'oldest', limit: 1 })).toEqual([])
      await store.close()
    })

  test('a schema whose name has a $ is refused', () => {
    for (const name of ['v$b', 'v$$b', '$do$'])
      expect(() => postgresStore(`postgres://127.0.0.1/db?schema=${encodeURIComponent(name)}`)).toThrow(
        expect.objectContaining({ code: 'STORE_ADDRESS' }),
      )
  })
})
