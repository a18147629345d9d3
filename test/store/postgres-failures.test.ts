/** What a network, a server and other people do to the PostgreSQL store. */
import pg from 'pg'
import { expect, it } from 'vitest'
import type { Result, Write } from '#dist/store/store.js'
import { postgresStore } from '#dist/stores/postgres/index.js'
import {
  committedEntry,
  Desk,
  endedEntry,
  submission,
  summaryOf,
  trip,
} from '#dist/testing/store-suite/desk.js'
import { describePostgres, freshDatabase, freshSchema, query } from '../support/postgres.js'
import { atEnd, openStore, Relay, schemaOf } from './postgres-place.js'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Sends a write as the group commit does: again, until it is answered. Counts the failures. */
class Stubborn {
  readonly #desk: Desk
  failures = 0

  constructor(desk: Desk) {
    this.#desk = desk
  }

  async send(write: Write): Promise<Result> {
    for (;;) {
      try {
        return await this.#desk.one(write)
      } catch (error) {
        expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
        if (++this.failures > 100) throw error
        await wait(20)
      }
    }
  }
}

async function clientOf(address: string): Promise<pg.Client> {
  const client = new pg.Client(address)
  client.on('error', () => {})
  await client.connect()
  atEnd(() => client.end())
  return client
}

describePostgres('PostgreSQL that fails', () => {
  it('scenario 29: the connection is cut at every Nth answer: each write lands once, and is answered as the first time', async () => {
    const address = await freshSchema()
    const judge = new Desk(await openStore(address))
    await judge.join('judge')
    for (let nth = 1; nth <= 7; nth++) {
      const relay = await Relay.start(address)
      const store = await openStore(relay.address)
      const desk = new Desk(store)
      const worker = `w${nth}`
      await desk.join(worker)
      let answers = 0
      relay.cutsAnswer = () => ++answers === nth
      const stubborn = new Stubborn(desk)
      const write = submission({ id: `cut-${nth}`, keys: [`k${nth}`], start: worker })
      const result = await stubborn.send(write)
      if (result.type !== 'applied' || !result.n || !result.token) throw new Error(JSON.stringify(result))
      const saga = { id: write.id, n: result.n, keys: write.keys, token: result.token, seq: 0 }
      for (let i = 0; i < 5; i++, saga.seq++) {
        expect(await stubborn.send(desk.appendOf(saga, [committedEntry(`s${i}`)]))).toEqual({
          type: 'applied',
        })
      }
      const summary = summaryOf({ status: 'committed', stage: 'done' })
      expect(await stubborn.send(desk.appendOf(saga, [endedEntry], { summary }))).toEqual({ type: 'applied' })
      expect(answers, `the ${nth}th answer`).toBeGreaterThanOrEqual(nth)
      const found = await judge.find(saga)
      expect(found.chunks.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6])
      expect(found).toMatchObject({ stage: 'done', status: 'committed' })
      expect(stubborn.failures).toBeGreaterThan(0)
    }
    expect((await judge.store.health(true)).problems).toEqual([])
    expect((await judge.store.health()).counts.committed).toBe(7)
  })

  it('what a lost connection left behind is ended before anything is sent again', async () => {
    const address = await freshSchema()
    const relay = await Relay.start(address)
    const desk = new Desk(await openStore(relay.address))
    await desk.join('w')
    const rival = await clientOf(address)
    await rival.query('BEGIN')
    await rival.query(`SELECT FROM "${schemaOf(address)}".line FOR UPDATE`)
    const write = submission({ id: 'once', start: 'w' })
    const lost = desk.one(write).catch((error: unknown) => error)
    await wait(200)
    relay.cutAll()
    expect(await lost).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    // The server has not noticed: the statement still waits for the line.
    const again = new Stubborn(desk).send(write)
    await wait(200)
    await rival.query('COMMIT')
    expect(await again).toMatchObject({ type: 'applied', token: expect.any(Number) })
    expect(await desk.store.list({ order: 'oldest', limit: 9 })).toHaveLength(1)
  })

  it('what a lost connection had sent, and what arrives only after a new one was made, changes nothing', async () => {
    const address = await freshSchema()
    const relay = await Relay.start(address)
    const desk = new Desk(await openStore(relay.address))
    await desk.join('w')
    const saga = await desk.submit({ start: 'w' })
    const schema = `"${schemaOf(address)}"`
    const [old] = await query<{ s: string; epoch: number }>(
      address,
      `SELECT s, epoch FROM ${schema}.sessions`,
    )
    relay.cutAll()
    await new Stubborn(desk).send({ type: 'renew', worker: 'w', lease: 60_000 })
    await new Stubborn(desk).send({ type: 'claim', worker: 'w', limit: 0 })
    await new Stubborn(desk).send(desk.appendOf(saga, [committedEntry()]))
    const stored = await desk.find(saga)
    const late = [old?.s, old?.epoch, [saga.n], [saga.token], [2], [1], '[{"type":"retry_requested"}]']
    const append = await query(
      address,
      `SELECT ${schema}.append_1($1, $2, $3, $4, $5, $6, $7) AS landed`,
      late,
    )
    expect(append).toEqual([{ landed: null }])
    const nothing = Array(23).fill('NULL').join(', ')
    await expect(
      query(address, `SELECT ${schema}.flush_1($1, $2, NULL, $3, $4, $5, $6, $7, ${nothing})`, late),
    ).rejects.toMatchObject({ code: 'BK001' })
    expect(await desk.find(saga)).toEqual(stored)
    expect(stored.chunks).toHaveLength(2)
  })

  it('sessions that the server ends are made again', async () => {
    const address = await freshSchema()
    const desk = new Desk(await openStore(address))
    await desk.join('w')
    const saga = await desk.submit({ start: 'w' })
    const stubborn = new Stubborn(desk)
    for (let i = 0; i < 5; i++, saga.seq++) {
      await query(
        address,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backstep' AND datname = current_database()`,
      )
      expect(await stubborn.send(desk.appendOf(saga, [committedEntry()]))).toEqual({ type: 'applied' })
      expect((await desk.find(saga)).chunks).toHaveLength(i + 2)
      expect(await stubborn.send({ type: 'renew', worker: 'w', lease: 60_000 })).toEqual({ type: 'applied' })
    }
  })

  it('scenario 36: a read-only server is waited for, without a busy loop', async () => {
    const address = `${await freshDatabase()}?schema=mine`
    const relay = await Relay.start(address)
    const desk = new Desk(await openStore(relay.address))
    await desk.join('w')
    const saga = await desk.submit({ start: 'w' })
    const name = new URL(address).pathname.slice(1)
    await query(address, `ALTER DATABASE ${name} SET default_transaction_read_only = on`)
    relay.cutAll()
    const before = relay.connections
    const end = performance.now() + 1_500
    let failures = 0
    while (performance.now() < end) {
      const append = desk.appendOf(saga, [committedEntry()])
      await expect(desk.one(append)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      failures++
      await wait(5)
    }
    expect(failures).toBeGreaterThan(20)
    expect(relay.connections - before).toBeLessThan(20)
    const client = await clientOf(address)
    await client.query('SET default_transaction_read_only = off')
    await client.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`)
    expect(await new Stubborn(desk).send(desk.appendOf(saga, [committedEntry()]))).toEqual({
      type: 'applied',
    })
  })

  it("scenario 34: the user's own transactions take the rest of the pool: flushes and renewals go on", async () => {
    const address = await freshSchema()
    const { searchParams } = new URL(address)
    const pool = new pg.Pool({ connectionString: address, max: 3, connectionTimeoutMillis: 300 })
    atEnd(() => pool.end())
    const store = await openStore({ pool, schema: searchParams.get('schema') ?? '' })
    const desk = new Desk(store)
    await desk.join('w')
    const mine = await pool.connect()
    const saga = await desk.submit({ start: 'w' })
    await desk.add(saga)
    await desk.expect({ type: 'renew', worker: 'w', lease: 60_000 }, 'applied')
    await expect(store.find({ n: saga.n })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    mine.release()
    expect(await desk.find(saga)).toMatchObject({ owner: 'w' })
    expect([pool.totalCount, pool.idleCount]).toEqual([3, 1])
    await store.close()
    expect(pool.totalCount - pool.idleCount).toBe(0)
  })

  it('ten that open at once migrate once', async () => {
    const address = await freshSchema()
    const stores = await Promise.all(Array.from({ length: 10 }, () => openStore(address)))
    const desks = stores.map((store) => new Desk(store))
    await Promise.all(desks.map((desk, i) => desk.join(`w${i}`)))
    const sagas = await Promise.all(desks.map((desk, i) => desk.submit({ keys: ['one'], start: `w${i}` })))
    expect(sagas.filter(({ token }) => token !== null)).toHaveLength(1)
    expect(await query(address, `SELECT version FROM "${schemaOf(address)}".migrations`)).toEqual([
      { version: 1 },
    ])
    expect(await stores[0]?.migrate()).toEqual({ from: 1, to: 1 })
  })

  it('a newer schema, a role without rights, another isolation level: refused, and said why', async () => {
    const newer = await freshSchema()
    await (await openStore(newer)).close()
    await query(newer, `INSERT INTO "${schemaOf(newer)}".migrations (version) VALUES (99)`)
    await expect(postgresStore(newer).open()).rejects.toMatchObject({ code: 'STORE_NEWER' })

    const address = new URL(await freshDatabase())
    const role = `nobody_${Date.now()}`
    await query(address.href, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`)
    atEnd(() => query(address.href, `DROP ROLE ${role}`))
    const theirs = new URL(address)
    theirs.username = role
    theirs.password = 'x'
    await expect(postgresStore(theirs.href).open()).rejects.toMatchObject({ code: 'STORE_ADDRESS' })

    const name = address.pathname.slice(1)
    await query(address.href, `ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable'`)
    await expect(postgresStore(address.href).open()).rejects.toMatchObject({ code: 'STORE_UNSAFE' })
  })

  it('nobody is there: said at once, without the password', async () => {
    const error = await postgresStore('postgres://me:secret@127.0.0.1:1/db')
      .open()
      .catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(String((error as Error).stack)).not.toContain('secret')
  })

  it('a connection that swallows everything is given up in time', async () => {
    const address = await freshSchema()
    const relay = await Relay.start(address)
    const desk = new Desk(await openStore(relay.address))
    await desk.join('w')
    relay.swallows = true
    await expect(desk.one({ type: 'renew', worker: 'w', lease: 60_000 })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
    relay.swallows = false
    expect(await new Stubborn(desk).send({ type: 'renew', worker: 'w', lease: 60_000 })).toEqual({
      type: 'applied',
    })
  }, 20_000)

  it('28: nobody is taken over while his flush is under way', async () => {
    const address = await freshSchema()
    const one = new Desk(await openStore(address))
    const other = new Desk(await openStore(address))
    await one.join('w', [trip], 300)
    await other.join('v')
    const saga = await one.submit({ start: 'w' })
    const rival = await clientOf(address)
    await rival.query('BEGIN')
    await rival.query(`SELECT FROM "${schemaOf(address)}".line FOR UPDATE`)
    const end = one.end(saga)
    await wait(400)
    const claim = other.claim('v')
    await rival.query('COMMIT')
    await end
    expect(await claim).toEqual([])
    expect(await one.find(saga)).toMatchObject({ stage: 'done', status: 'committed' })
  })
})

describePostgres('hints, clocks, and transactions of the user', () => {
  it('whoever listens is told that something waits', async () => {
    const address = await freshSchema()
    const submitter = new Desk(await openStore(address))
    const store = await openStore(address)
    let hints = 0
    store.onHint?.(() => hints++)
    await wait(100)
    hints = 0
    for (let i = 0; i < 30; i++) await submitter.submit()
    await wait(200)
    expect(hints).toBeGreaterThan(0)
    expect(hints).toBeLessThan(30)
    expect(Math.abs(store.skew?.() ?? Number.NaN)).toBeLessThan(50)
  })

  it("a saga submitted in a user's transaction is there if that commits", async () => {
    const address = await freshSchema()
    const store = await openStore(address)
    const desk = new Desk(store)
    await desk.join('w')
    const client = await clientOf(address)
    const tx = { query: (sql: string, params: unknown[]) => client.query(sql, params) }
    const submitIn = (write: ReturnType<typeof submission>) => store.submitIn?.(tx, write)

    await client.query('BEGIN')
    const undone = submission({ id: 'undone', keys: ['k'] })
    expect(await submitIn(undone)).toMatchObject({ type: 'applied' })
    await client.query('ROLLBACK')
    expect(await store.find({ id: 'undone' })).toBeUndefined()

    let hints = 0
    store.onHint?.(() => hints++)
    await client.query('BEGIN')
    const early = await submitIn(submission({ id: 'early', keys: ['k'] }))
    // Whoever comes later and commits first is not held up, and does not hold up.
    const later = await desk.submit({ id: 'later', keys: ['k'], start: 'w' })
    expect(later.token).not.toBeNull()
    expect(early).toMatchObject({ n: expect.any(Number) })
    expect(await desk.claimIds('w')).toEqual([])
    await client.query('COMMIT')
    expect(await desk.claimIds('w')).toEqual([])
    await desk.end(later)
    expect(await desk.claimIds('w')).toEqual(['early'])
    await wait(100)
    expect(hints).toBeGreaterThan(0)

    await client.query('BEGIN')
    const again = await submitIn(submission({ id: 'early', uid: 'another' }))
    expect(again).toMatchObject({ type: 'exists', saga: { id: 'early', stage: 'holding' } })
    expect(await submitIn(submission({ id: 'alone', keys: null }))).toMatchObject({ type: 'applied' })
    await client.query('COMMIT')
    expect(await store.find({ id: 'alone' })).toMatchObject({ stage: 'waiting' })
    expect((await store.health(true)).problems).toEqual([])
  })

  it('an id that an open transaction has taken keeps the others waiting for a moment only', async () => {
    const address = await freshSchema()
    const store = await openStore(address)
    const desk = new Desk(store)
    await desk.join('w')
    await desk.submit()
    const client = await clientOf(address)
    await client.query('BEGIN')
    await store.submitIn?.({ query: (sql, params) => client.query(sql, params) }, submission({ id: 'taken' }))
    expect(await desk.one(submission({ id: 'taken', uid: 'other' }))).toMatchObject({
      type: 'refused',
      error: { code: 'STORE_UNAVAILABLE' },
    })
    await desk.submit({ id: 'free' })
    await client.query('COMMIT')
    expect(await desk.one(submission({ id: 'taken', uid: 'other' }))).toEqual({ type: 'conflict' })
  })
})
