/** The tool itself: what it passes on, what it breaks, and what the server has done by then. */
import pg from 'pg'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { describePostgres, freshDatabase, query } from './postgres.js'
import { everyNth, type Message, onFirst, PostgresProxy } from './postgres-proxy.js'

const clients: pg.Client[] = []
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => {})))
})

/** With its errors as events: the last one is kept. */
async function connected(address: string) {
  const client = new pg.Client({ connectionString: address, connectionTimeoutMillis: 5_000 })
  const seen: { error?: unknown } = {}
  client.on('error', (error) => {
    seen.error = error
  })
  await client.connect()
  clients.push(client)
  return { client, seen }
}

describePostgres('the proxy', () => {
  let address = ''
  beforeAll(async () => {
    address = await freshDatabase()
    await query(address, 'CREATE TABLE kept (what text)')
  })
  const kept = async (what: string) =>
    (await query(address, 'SELECT FROM kept WHERE what = $1', [what])).length

  const settled = () =>
    expect
      .poll(async () => {
        const sql =
          'SELECT count(*)::int - 1 AS others FROM pg_stat_activity WHERE datname = current_database()'
        return (await query(address, sql))[0]?.others
      })
      .toBe(0)

  test('passes on what is small, what is large, and what comes in pieces; names the messages', async () => {
    const proxy = await PostgresProxy.start(address)
    const seen: Message[] = []
    proxy.fate = (message) => {
      seen.push(message)
      return 'pass'
    }
    const { client } = await connected(proxy.address)
    const large = 'é'.repeat(1_000_000)
    expect((await client.query('SELECT $1::text AS back', [large])).rows[0].back).toBe(large)
    await client.query('SELECT 1; SELECT 2')
    expect(seen[0]).toMatchObject({ to: 'server', type: '', number: 1, connection: 1 })
    const sent = seen.filter(({ to, type }) => to === 'server' && 'PBESQ'.includes(type) && type !== '')
    expect(sent.map(({ type, sql }) => type + sql).join(' ')).toMatch(
      /^PSELECT \$1::text AS back B.* E S QSELECT 1; SELECT 2$/,
    )
    expect(seen.filter(({ to, type }) => to === 'client' && type === 'Z')).toHaveLength(3)
    expect(proxy.counts).toMatchObject({ connections: 1, messages: seen.length, cuts: 0 })
  })

  test('says no to encryption', async () => {
    const proxy = await PostgresProxy.start(address)
    const client = new pg.Client({ connectionString: proxy.address, ssl: true })
    await expect(client.connect()).rejects.toThrow('does not support SSL')
  })

  test.each([
    ['before', 0],
    ['after', 1],
  ] as const)(
    'cut %s COMMIT is passed on: the client sees the same, the row is there %i times',
    async (fate, times) => {
      const proxy = await PostgresProxy.start(address)
      proxy.fate = onFirst(({ sql }) => sql === 'COMMIT', fate)
      const { client } = await connected(proxy.address)
      await client.query('BEGIN')
      await client.query('INSERT INTO kept VALUES ($1)', [fate])
      await expect(client.query('COMMIT')).rejects.toThrow('Connection terminated unexpectedly')
      await settled()
      expect([await kept(fate), proxy.counts.cuts, proxy.open]).toEqual([times, 1, 0])
    },
  )

  test('cut before the answer: the server has done it', async () => {
    const proxy = await PostgresProxy.start(address)
    const { client } = await connected(proxy.address)
    proxy.fate = onFirst(({ to, type }) => to === 'client' && type === 'C', 'before')
    await expect(client.query("INSERT INTO kept VALUES ('answer')")).rejects.toThrow('terminated')
    await settled()
    expect(await kept('answer')).toBe(1)
  })

  test('cut at every nth message, each time at another point of an insert: before or after, never half', async () => {
    const proxy = await PostgresProxy.start(address)
    const ends = new Set<string>()
    for (let n = 1; n <= 16; n++) {
      const { client } = await connected(proxy.address)
      proxy.fate = everyNth(n, 'after')
      const what = `n${n}`
      const insert = client.query({ text: 'INSERT INTO kept VALUES ($1), ($1)', values: [what] })
      const end = await insert.then(
        () => 'answered',
        () => 'lost',
      )
      proxy.fate = () => 'pass'
      if (end === 'lost') await settled()
      const rows = await kept(what)
      if (end === 'answered') expect(rows).toBe(2)
      ends.add(`${end}, ${rows} rows`)
      await client.end().catch(() => {})
    }
    expect([...ends].sort()).toEqual(['answered, 2 rows', 'lost, 0 rows', 'lost, 2 rows'])
  })

  test('silence: nobody is told, nothing arrives; others go on', async () => {
    const proxy = await PostgresProxy.start(address)
    const { client, seen } = await connected(proxy.address)
    const other = await connected(proxy.address)
    proxy.fate = onFirst(({ sql }) => sql.includes('silent'), 'silence')
    const lost = client.query("INSERT INTO kept VALUES ('silent')").then(
      () => 'answered',
      () => 'told',
    )
    const end = await Promise.race([lost, new Promise((done) => setTimeout(done, 300, 'nothing'))])
    expect([end, seen.error, await kept('silent'), proxy.counts.silences]).toEqual([
      'nothing',
      undefined,
      0,
      1,
    ])
    expect((await other.client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const sql = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
    expect((await query(address, sql)).length).toBe(2)
    await proxy.close()
    expect(await lost).toBe('told')
  })

  test('all connections at once, and none that are new', async () => {
    const proxy = await PostgresProxy.start(address)
    const { seen } = await connected(proxy.address)
    proxy.refuses = true
    proxy.breakAll()
    await expect.poll(() => String(seen.error)).toContain('terminated')
    await expect(connected(proxy.address)).rejects.toThrow()
    proxy.refuses = false
    await connected(proxy.address)
    expect(proxy.counts).toMatchObject({ connections: 2, cuts: 1, refusals: 1 })
  })

  test('latency: each way takes longer, and order is kept', async () => {
    const proxy = await PostgresProxy.start(address)
    const { client } = await connected(proxy.address)
    proxy.latency = 60
    const start = performance.now()
    await client.query('SELECT 1')
    expect(performance.now() - start).toBeGreaterThanOrEqual(119)
    proxy.latency = 0
    expect((await client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }])
  })
})
