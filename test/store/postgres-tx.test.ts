/**
 * Submits inside of transactions that are none, that are another's, or that meet a prune.
 */
import pg from 'pg'
import { expect, it } from 'vitest'
import type { Queryable } from '#dist/store/store.js'
import { Desk, order, submission } from '#dist/testing/store-suite/desk.js'
import { describePostgres, freshDatabase, freshSchema } from '../support/postgres.js'
import { atEnd, openStore, schemaOf } from './postgres-place.js'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function clientAt(address: string): Promise<pg.Client> {
  const url = new URL(address)
  url.searchParams.delete('schema')
  const client = new pg.Client(url.href)
  client.on('error', () => {})
  await client.connect()
  atEnd(() => client.end())
  return client
}

async function place() {
  const address = await freshSchema()
  const store = await openStore(address)
  const desk = new Desk(store)
  await desk.join('w')
  const client = await clientAt(address)
  const submitIn = (tx: Queryable, write = submission()) => {
    if (!store.submitIn) throw new Error('no submitIn')
    return store.submitIn(tx, write)
  }
  const pruned = async (id: string) => {
    const saga = await desk.submit({ id, start: 'w' })
    await desk.end(saga)
    return saga
  }
  return { address, store, desk, client, submitIn, pruned }
}

/** As a client of pg, with another answer. */
const answering = (client: pg.Client, answer: (rows: readonly Record<string, unknown>[]) => unknown) =>
  ({
    query: async (sql: string, params: unknown[]) => answer((await client.query(sql, params)).rows),
  }) as Queryable

describePostgres("submits in a user's transaction", () => {
  it('a pool, or a client without a transaction: refused, and nothing is stored', async () => {
    const { address, store, client, submitIn } = await place()
    const url = new URL(address)
    url.searchParams.delete('schema')
    const pool = new pg.Pool({ connectionString: url.href, max: 1 }).on('error', () => {})
    atEnd(() => pool.end())
    for (const tx of [client, pool] as Queryable[])
      await expect(submitIn(tx, submission({ id: 'lone' }))).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining('no open transaction'),
      })
    expect(await store.find({ id: 'lone' })).toBeUndefined()
  })

  it('a transaction of another database is refused, also where it has a store', async () => {
    const { submitIn } = await place()
    const elsewhere = await freshDatabase()
    const nothing = await clientAt(elsewhere)
    await nothing.query('BEGIN')
    await expect(submitIn(nothing)).rejects.toMatchObject({ code: 'BAD_INPUT' })

    const there = await openStore(elsewhere)
    await new Desk(there).join('v', [order])
    const here = await openStore(await freshDatabase())
    const write = submission()
    await new Desk(here).join('u')
    for (const [isolation, code] of [
      ['READ COMMITTED', 'BAD_INPUT'],
      ['REPEATABLE READ', '40001'],
    ]) {
      const client = await clientAt(elsewhere)
      await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
      await expect(here.submitIn?.(client as Queryable, write)).rejects.toMatchObject({ code })
      await client.query('COMMIT')
    }
    expect(await there.find({ id: write.id })).toBeUndefined()
  })

  it('an adapter that answers in another shape is told which one is expected', async () => {
    const { store, client, submitIn } = await place()
    const wrong = [() => ({ rows: [] }), () => ({}), (rows: readonly object[]) => rows]
    const asArrays = (rows: readonly Record<string, unknown>[]) => ({ rows: rows.map(Object.values) })
    for (const answer of [...wrong, asArrays]) {
      await client.query('BEGIN')
      await expect(submitIn(answering(client, answer), submission({ id: 'odd' }))).rejects.toMatchObject({
        code: 'BAD_INPUT',
        hint: expect.stringContaining('{ rows: [{ n, saga, tombstone }] }'),
      })
      await client.query('ROLLBACK')
    }
    expect(await store.find({ id: 'odd' })).toBeUndefined()
  })

  it('a saga that is pruned while its id is submitted again does not run again', async () => {
    const { address, store, client, submitIn, pruned } = await place()
    const rival = await clientAt(address)
    await rival.query(`SET search_path = "${schemaOf(address)}"`)
    const { n } = await pruned('dup')
    await rival.query('BEGIN')
    await rival.query('SELECT prune_1($1, $2)', [n, 'hash'])
    await client.query('BEGIN')
    const again = submitIn(client, submission({ id: 'dup' }))
    await wait(100)
    await rival.query('COMMIT')
    expect(await again).toMatchObject({ type: 'exists', saga: { id: 'dup', inputHash: 'hash' } })
    await client.query('COMMIT')
    expect(await store.find({ id: 'dup' })).toMatchObject({ inputHash: 'hash' })
    expect((await store.health(true)).problems).toEqual([])
  })

  it('nor where the tombstone cannot be seen: the transaction is told to begin again', async () => {
    const { desk, store, client, submitIn, pruned } = await place()
    for (const isolation of ['REPEATABLE READ', 'SERIALIZABLE']) {
      const id = `gone-${isolation}`
      await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
      await client.query('SELECT 1 FROM pg_class LIMIT 1')
      const { n } = await pruned(id)
      await desk.expect({ type: 'prune', n, inputHash: 'hash' }, 'applied')
      await expect(submitIn(client, submission({ id }))).rejects.toMatchObject({ code: '40001' })
      await client.query('ROLLBACK')
      await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
      expect(await submitIn(client, submission({ id }))).toMatchObject({ saga: { inputHash: 'hash' } })
      expect(await submitIn(client, submission({ id: `new-${id}` }))).toMatchObject({ type: 'applied' })
      await client.query('COMMIT')
      expect(await store.find({ id })).toMatchObject({ inputHash: 'hash' })
    }
    expect((await store.health(true)).problems).toEqual([])
  })
})
