/** A pool of the user's own, which he uses himself: to the last connection. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator } from 'backstep'
import { postgresStore } from 'backstep/postgres'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { MemoryLedger } from '../support/ledger.js'
import { describePostgres, freshSchema, query } from '../support/postgres.js'
import { desk, jobs, judgeJobs, repeated, until } from './fleet.js'
import { jobSaga } from './jobs.mjs'

const left: (() => unknown)[] = []
afterEach(async () => {
  for (const end of left.splice(0).reverse()) await end()
})

async function place(options: pg.PoolConfig = {}) {
  const address = await freshSchema()
  const url = new URL(address)
  const schema = url.searchParams.get('schema') ?? ''
  url.searchParams.delete('schema')
  const pool = new pg.Pool({ connectionString: url.href, max: 6, ...options })
  left.push(() => pool.ended || pool.end())
  return { address, pool, schema, connectionString: url.href }
}

/** Every connection that the pool has left, each in an open transaction. A test that fails gives them back, too. */
async function exhaust(pool: pg.Pool) {
  const clients: pg.PoolClient[] = []
  const out = new Set<pg.PoolClient>()
  const back = (client: pg.PoolClient, broken = false) => {
    if (out.delete(client)) client.release(broken)
  }
  let answered = 0
  for (let asked = 0; asked < 10; asked++) {
    pool
      .connect()
      .then(async (client) => {
        out.add(client)
        // The pool listens only to those that are in it: unheard, a connection that the server ends would end the process.
        client.on('error', () => {})
        await client.query('BEGIN')
        clients.push(client)
      })
      .catch(() => {})
      .finally(() => answered++)
  }
  left.push(() => {
    for (const client of out) back(client, true)
  })
  await until(() => pool.waitingCount > 0 && pool.idleCount === 0 && clients.length > 0)
  // Each that comes back goes to one who still waits, who begins, and is to be heard of before all are back.
  const release = async () => {
    for (let released = 0; answered < 10 || released < clients.length; ) {
      const client = clients[released]
      if (client === undefined) {
        await sleep(5)
        continue
      }
      released++
      await client.query('COMMIT')
      back(client)
    }
  }
  return { clients, release }
}

describePostgres('pools', () => {
  test('scenario 34: the pool is exhausted by the user’s own transactions: leases are renewed, sagas run and end, nothing waits for itself', async () => {
    const { address, pool, schema } = await place()
    const ledger = new MemoryLedger()
    const aborted: string[] = []
    const job = jobSaga(ledger, (id) => aborted.push(id))
    const options = { sagas: [job], log: false, lease: 900 } as const
    await using orchestrator = await Orchestrator.open(postgresStore({ pool, schema }), options)
    await using rival = await Orchestrator.open(address, { ...options, sagas: [jobSaga(new MemoryLedger())] })
    const all = jobs(20, (i) => ({ keys: [`k${i}`], ms: i === 0 ? 1_500 : 50, fails: i % 4 === 3 }))
    const [long, ...rest] = [...all].map(([id, input]) => ({ id, input }))
    if (!long) throw new Error('no job')
    // Whatever the rival may be given is judged too: nothing that is ours.
    await orchestrator.submit(job, long.input, { id: long.id })
    await until(() => ledger.lines.length > 0)
    await rival.close()
    const { clients, release } = await exhaust(pool)
    const begun = performance.now()
    const [inside, ...outside] = rest
    const [client] = clients
    if (!inside || !client) throw new Error('nothing to submit with')
    await orchestrator.submit(job, inside.input, { id: inside.id, tx: client })
    const runs = outside.map(({ id, input }) => orchestrator.run(job, input, { id }).catch(() => {}))
    await Promise.all(runs)
    await sleep(Math.max(0, 2_000 - (performance.now() - begun)))
    expect(pool.waitingCount).toBeGreaterThan(0)
    expect(aborted).toEqual([])
    const { orchestrator: reader } = await desk(address)
    await using _closed = reader
    const { workers } = await reader.health()
    expect(workers.filter(({ alive }) => alive)).toHaveLength(1)
    await release()
    await until(async () => (await reader.health()).counts.committed === 15)
    expect(await judgeJobs(reader, all, ledger.lines)).toEqual([])
    expect(repeated(ledger.lines)).toEqual([])
    expect(await orchestrator.get(inside.id)).toMatchObject({ status: 'committed' })
    await orchestrator.close()
    await pool.end()
  }, 30_000)

  test('scenario 34: who reads while the pool has nothing to give waits, or is told so', async () => {
    const { pool, schema } = await place({ connectionTimeoutMillis: 1_500 })
    // It has not read anything yet: what it may keep for reading, it does not have.
    await using orchestrator = await Orchestrator.open(postgresStore({ pool, schema }), {
      work: false,
      log: false,
    })
    const { release } = await exhaust(pool)
    const error = await orchestrator.get('a').then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(error).toMatchObject({ name: 'StoreError', code: 'STORE_UNAVAILABLE' })
    await release()
    expect(await orchestrator.get('a')).toBeUndefined()
    await orchestrator.close()
    await pool.end()
  })

  test('scenario 34: a pool that is too small is refused, rather than waited for', async () => {
    const { pool, schema } = await place({ max: 1 })
    const opened = Orchestrator.open(postgresStore({ pool, schema }), { log: false }).then(
      (orchestrator) => orchestrator.close().then(() => 'opened'),
      (error: { code?: string; hint?: string }) => `${error.code}: ${error.hint}`,
    )
    expect(await Promise.race([opened, sleep(10_000, 'still waiting')])).toMatch(/^STORE_\w+: .*pool/)
    await pool.end()
  }, 20_000)

  test('connections that the server ends, also idle ones of the pool, end no process, and work goes on', async () => {
    const { pool, schema, connectionString } = await place()
    const ledger = new MemoryLedger()
    const job = jobSaga(ledger)
    await using orchestrator = await Orchestrator.open(postgresStore({ pool, schema }), {
      sagas: [job],
      log: false,
    })
    const idle = await Promise.all([pool.connect(), pool.connect()])
    for (const client of idle) client.release()
    await orchestrator.get('nobody')
    const ended = await query(
      connectionString,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    )
    expect(ended.length).toBeGreaterThanOrEqual(4)
    await until(async () => {
      const run = orchestrator.run(job, { keys: [], ms: 0, fails: false }, { id: 'after' })
      return run.then(
        () => true,
        () => false,
      )
    })
    expect(repeated(ledger.lines)).toEqual([])
    await orchestrator.close()
    await pool.end()
  })
})
