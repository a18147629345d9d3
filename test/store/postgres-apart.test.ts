/**
 * What one write, one answer or one stranger costs the others: nothing that can be told.
 */
import pg from 'pg'
import { expect, it } from 'vitest'
import type { Result, SubmitWrite, Write } from '#dist/store/store.js'
import { committedEntry, Desk, type Submission, submission } from '#dist/testing/store-suite/desk.js'
import { describePostgres, freshSchema, query } from '../support/postgres.js'
import { atEnd, openStore, Relay, schemaOf } from './postgres-place.js'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A saga whose journal has so many bytes. */
function large(bytes: number, options: Submission = {}): SubmitWrite {
  const write = submission(options)
  const [first] = write.entries
  return { ...write, entries: [{ ...first, input: 'x'.repeat(bytes) } as SubmitWrite['entries'][number]] }
}

async function place() {
  const address = await freshSchema()
  const store = await openStore(address)
  const desk = new Desk(store)
  await desk.join('w')
  const client = new pg.Client(address)
  client.on('error', () => {})
  await client.connect()
  atEnd(() => client.end())
  /** Submits it in a transaction, which stays open. */
  const take = async (id: string) => {
    await client.query('BEGIN')
    await store.submitIn?.({ query: (sql, params) => client.query(sql, params) }, submission({ id }))
  }
  return { address, store, desk, client, take }
}

const typesOf = (results: readonly Result[]) => results.map(({ type }) => type)

describePostgres('a write, an answer, a stranger', () => {
  it('a process that stops reading keeps nobody waiting: long journals are not part of an answer', async () => {
    const { address, desk } = await place()
    for (let i = 0; i < 32; i += 8)
      await desk.store.apply(Array.from({ length: 8 }, (_, k) => large(500_000, { id: `big-${i + k}` })))
    const relay = await Relay.start(address)
    const frozen = new Desk(await openStore(relay.address))
    await frozen.join('frozen')
    relay.stopsReading = true
    const claim = frozen.claim('frozen', 40).catch(() => [])
    await wait(300)
    const begin = performance.now()
    await desk.submit({ id: 'other' })
    expect(performance.now() - begin).toBeLessThan(3_000)
    expect(await desk.claimIds('w', 40)).toEqual(['other'])
    relay.stopsReading = false
    expect(await claim).toHaveLength(32)
  })

  it('whatever its length, a journal is claimed whole, and an id that is submitted again is known', async () => {
    const { desk } = await place()
    const writes = [10, 40_000, 20, 9_000_000, 30].map((bytes) => large(bytes, { id: `of-${bytes}` }))
    const results = await desk.store.apply(writes)
    expect(await desk.store.apply(writes)).toEqual(results)
    expect(await desk.one({ ...(writes[3] as SubmitWrite), uid: 'another' })).toEqual({ type: 'conflict' })
    const sagas = await desk.claim('w')
    expect(sagas.map(({ saga, token }) => [saga.id, saga.owner, saga.token === token])).toEqual(
      writes.map(({ id }) => [id, 'w', true]),
    )
    expect(sagas.map(({ saga }) => saga.chunks)).toEqual(
      writes.map(({ at, entries }) => [{ seq: 0, at, entries }]),
    )
  })

  const kinds = { 'keys of its own': ['own'], 'a key that others want': ['busy'], 'no keys': null }
  for (const [kind, keys] of Object.entries(kinds))
    it(`an id that a stranger's transaction has taken is refused to who wants it, and to nobody else: ${kind}`, async () => {
      const { desk, take, client } = await place()
      const saga = await desk.submit({ start: 'w', keys: ['busy'] })
      await take('taken')
      const others = Array.from({ length: 20 }, (_, i) => submission({ id: `free-${i}`, start: 'w' }))
      const wanted = submission({ id: 'taken', uid: 'another', keys })
      const writes: Write[] = [...others.slice(0, 13), wanted, ...others.slice(13)]
      writes.push(desk.appendOf(saga, [committedEntry()]), { type: 'claim', worker: 'w', limit: 1 })
      const begin = performance.now()
      const results = await desk.store.apply(writes)
      expect(performance.now() - begin).toBeLessThan(1_500)
      expect(typesOf(results)).toEqual(
        writes.map((write) =>
          write === wanted ? 'refused' : write.type === 'claim' ? 'claimed' : 'applied',
        ),
      )
      expect(results[13]).toMatchObject({ error: { code: 'STORE_UNAVAILABLE' } })
      await client.query('COMMIT')
      expect(await desk.one(wanted)).toEqual({ type: 'conflict' })
      expect((await desk.store.health(true)).problems).toEqual([])
    })

  it('a flush that is sent again is not overtaken by the next', async () => {
    const { desk, take, client } = await place()
    await take('taken')
    const first = desk.store.apply([submission({ id: 'first' }), submission({ id: 'taken', uid: 'another' })])
    const second = desk.one(submission({ id: 'second' }))
    const [one, two] = [(await first)[0], await second]
    await client.query('ROLLBACK')
    if (one?.type !== 'applied' || two.type !== 'applied') throw new Error(JSON.stringify([one, two]))
    expect(Number(one.n)).toBeLessThan(Number(two.n))
  })

  it('one id any number of times in one call: the first is stored, the others find it, and nothing is repeated', async () => {
    const { address, desk } = await place()
    const write = submission({ id: 'dup', keys: [], start: 'w' })
    const others = Array.from({ length: 50 }, () => submission({ keys: [], start: 'w' }))
    const again = Array.from({ length: 10 }, () => ({ ...write }))
    const [{ aborted: before } = {}] = await rollbacks(address)
    const results = await desk.store.apply([write, ...again, ...others, { ...write, uid: 'another' }])
    expect(results.slice(0, 11)).toEqual(Array.from({ length: 11 }, () => results[0]))
    expect(results[0]).toMatchObject({ type: 'applied', token: expect.any(Number) })
    expect(results.at(-1)).toEqual({ type: 'conflict' })
    expect(new Set(typesOf(results.slice(11, -1)))).toEqual(new Set(['applied']))
    const [{ aborted: after } = {}] = await rollbacks(address)
    expect(after).toBe(before)
  })

  it('more than can be one text goes in several flushes', async () => {
    const { desk } = await place()
    const saga = await desk.submit({ start: 'w' })
    const submits = Array.from({ length: 20 }, () => large(1_000_000))
    const append = desk.appendOf(saga, [committedEntry()])
    const results = await desk.store.apply([...submits, append])
    expect(new Set(typesOf(results))).toEqual(new Set(['applied']))
    const { batchesOf } = await import('#dist/stores/postgres/batch.js')
    const batches = batchesOf([...submits, append], () => {})
    expect(batches.map(({ writes }) => writes.length)).toEqual([7, 7, 7])
  })

  it('an overdue saga whose ender died is given to another, also after the clock of the database was set back', async () => {
    const { address, desk } = await place()
    const { n } = await desk.submit({ id: 'late', deadline: Date.now() - 1_000 })
    expect(await desk.claimIds('w')).toEqual(['late'])
    // As seen from a clock that is an hour behind.
    await query(
      address,
      `UPDATE "${schemaOf(address)}".sagas SET deadline = deadline + 3600000 WHERE n = ${n}`,
    )
    await desk.leave('w')
    await desk.join('v')
    expect(await desk.claimIds('v')).toEqual(['late'])
  })
})

/** Transactions of this database that were rolled back. Those who did it tell within a second. */
async function rollbacks(address: string): Promise<{ aborted: string }[]> {
  await wait(1_200)
  return (await query(
    address,
    `SELECT xact_rollback::text AS aborted FROM pg_stat_database WHERE datname = current_database()`,
  )) as { aborted: string }[]
}
