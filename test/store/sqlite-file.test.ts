/**
 * What can happen to the file of a SQLite store: fresh, older, newer, foreign, damaged, deleted.
 */
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import type { Result, StoredSaga } from '#dist/store/store.js'
import { Connection, loadDriver } from '#dist/stores/sqlite/connection.js'
import { sqliteStore } from '#dist/stores/sqlite/index.js'
import { applicationId, migrations } from '#dist/stores/sqlite/migrations.js'
import { prepareAll } from '#dist/stores/sqlite/statements.js'
import {
  committedEntry,
  Desk,
  type Known,
  startedEntry,
  submission,
  summaryOf,
  trip,
} from '#dist/testing/store-suite/desk.js'
import { newFolder, newPath, openStore } from './sqlite-place.js'

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
const golden = new URL('./golden/', import.meta.url)

function schemaOf(path: string): string[] {
  const db = new Sqlite(path, { readonly: true })
  const rows = db
    .prepare<[], string>('SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name')
    .pluck()
    .all()
  db.close()
  return rows.map((sql) => sql.replaceAll(/\s+/g, ' '))
}

function fileOf(path: string, sql: string): void {
  const db = new Sqlite(path)
  db.exec(sql)
  db.close()
}

describe('the file', () => {
  it('is marked as ours, in WAL with synchronous=FULL, both read back', async () => {
    const path = await newPath()
    const store = await openStore(path)
    expect((await store.health()).engine).toMatch(/^SQLite 3\.\d+\.\d+, WAL, synchronous=FULL$/)
    const connection = Connection.open(await loadDriver(), path, { suspicious: false, create: true })
    const read = (name: string) => connection.db.pragma(name, { simple: true })
    expect([read('journal_mode'), read('synchronous'), read('application_id'), read('user_version')]).toEqual(
      ['wal', 2, applicationId, migrations.length],
    )
    expect(connection.problems()).toEqual([])
    connection.db.pragma('synchronous = NORMAL')
    expect(connection.problems()).toEqual(['synchronous is not FULL'])
    connection.close()
  })

  it.each([
    ['journal_mode = WAL', 'journal_mode = DELETE'],
    ['synchronous = FULL', 'synchronous = NORMAL'],
  ])('a driver that is told %s, and does %s, is found out and refused', async (told, done) => {
    const real = await loadDriver()
    const open: typeof real = (path, options) => {
      const db = real(path, options)
      const pragma = db.pragma.bind(db)
      db.pragma = (sql, more) => pragma(sql === told ? done : sql, more)
      return db
    }
    const path = await newPath()
    expect(() => Connection.open(open, path, { suspicious: false, create: true })).toThrow(
      expect.objectContaining({ code: 'STORE_UNSAFE' }),
    )
  })

  it('an empty file is a new store', async () => {
    const path = await newPath()
    writeFileSync(path, '')
    const store = await openStore(path)
    expect((await new Desk(store).submit()).n).toBe(1)
  })

  it('close leaves one file behind, can be repeated, and open works again', async () => {
    const path = await newPath()
    const store = await openStore(path, {})
    const desk = new Desk(store)
    await desk.join('w')
    const saga = await desk.submit({ start: 'w' })
    await store.close()
    await store.close()
    expect(readdirSync(dirname(path))).toEqual([basename(path)])
    await expect(store.find(saga)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await store.open()
    await desk.join('v')
    expect(await desk.claimIds('v')).toEqual([saga.id])
  })

  it('a store that was never opened says so', async () => {
    for (const thread of [true, false]) {
      const store = sqliteStore(await newPath(), { thread })
      await expect(store.apply([])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await store.close()
    }
  })

  it('a folder that does not exist is named, with a hint', async () => {
    const path = join(await newFolder(), 'missing', 'sagas.db')
    for (const thread of [true, false]) {
      const open = sqliteStore(path, { thread }).open()
      await expect(open).rejects.toMatchObject({
        code: 'STORE_ADDRESS',
        hint: expect.stringContaining('folder'),
      })
    }
  })

  it('what is no path is refused', () => {
    for (const path of ['', ':memory:', 'file:x.db'])
      expect(() => sqliteStore(path)).toThrow(/no path of a file/)
    expect(() => sqliteStore('x.db', { now: () => 0 })).toThrow(/thread: false/)
  })
})

describe('migrations', () => {
  it('the schema that was released as 1 is not changed any more', async () => {
    const released = await newPath()
    fileOf(released, readFileSync(new URL('schema-1.sql', golden), 'utf8'))
    const fresh = await newPath()
    fileOf(fresh, migrations[0] ?? '')
    expect(schemaOf(fresh)).toEqual(schemaOf(released))
  })

  it('a file from version 1 opens, and its sagas go on', async () => {
    const path = await newPath()
    fileOf(path, readFileSync(new URL('schema-1.sql', golden), 'utf8'))
    const desk = new Desk(await openStore(path))
    await desk.join('new', [trip])
    const claimed = await desk.claim('new')
    expect(claimed.map(({ saga }) => [saga.id, saga.status, saga.chunks.length])).toEqual([
      ['parked', 'running', 2],
      ['running', 'running', 1],
      ['queued', 'running', 1],
    ])
    expect(await desk.store.find({ id: 'done' })).toMatchObject({ status: 'committed', stage: 'done' })
    expect(await desk.store.find({ id: 'pruned' })).toEqual({
      id: 'pruned',
      inputHash: 'h',
      status: 'committed',
      endedAt: 1_700_000_000_500,
    })
    expect((await desk.submit()).n).toBe(7)
  })

  it('a file from a newer version is refused and left as it is', async () => {
    const path = await newPath()
    await (await openStore(path)).close()
    fileOf(path, `PRAGMA user_version = ${migrations.length + 1}`)
    const before = digest(path)
    for (const thread of [true, false]) {
      await expect(sqliteStore(path, { thread }).open()).rejects.toMatchObject({ code: 'STORE_NEWER' })
    }
    expect(digest(path)).toBe(before)
  })

  it('many that open a new file at once all succeed', async () => {
    const path = await newPath()
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(path, {})))
    const numbers = await Promise.all(stores.map(async (store) => (await new Desk(store).submit()).n))
    expect(numbers.sort()).toEqual([1, 2, 3, 4])
  })
})

describe('scenario 23: a damaged or foreign file', () => {
  it('a database of somebody else is refused and left as it is', async () => {
    const path = await newPath()
    fileOf(path, 'CREATE TABLE accounts (id)')
    const before = digest(path)
    await expect(sqliteStore(path).open()).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      hint: expect.any(String),
    })
    expect(digest(path)).toBe(before)
    expect(existsSync(`${path}-wal`)).toBe(false)
  })

  it('garbage is refused and left as it is', async () => {
    for (const content of [
      'not a database, but long enough to be one'.repeat(100),
      Buffer.alloc(8_192, 0xff),
    ]) {
      const path = await newPath()
      writeFileSync(path, content)
      const before = digest(path)
      await expect(sqliteStore(path).open()).rejects.toMatchObject({
        code: 'STORE_CORRUPT',
        hint: expect.stringContaining('backup'),
      })
      expect(digest(path)).toBe(before)
    }
  })

  it('a garbage header on a store is refused', async () => {
    const path = await newPath()
    await (await openStore(path)).close()
    const bytes = readFileSync(path)
    bytes.fill(0x55, 0, 100)
    writeFileSync(path, bytes)
    await expect(sqliteStore(path).open()).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  })

  it('a WAL that is cut short anywhere leaves a correct prefix of what was written', async () => {
    const path = await newPath()
    const desk = new Desk(await openStore(path))
    const total = 40
    for (let i = 1; i <= total; i++) await desk.submit({ id: `s${i}` })
    const size = readFileSync(`${path}-wal`).length
    const counts: number[] = []
    for (let cut = 0; cut <= 24; cut++) {
      const copy = await newPath()
      copyFileSync(path, copy)
      copyFileSync(`${path}-wal`, `${copy}-wal`)
      truncateSync(`${copy}-wal`, Math.floor((size * cut) / 24))
      const rows = await readAll(copy)
      expect(rows).toEqual(Array.from(rows, (_, i) => `s${i + 1}`))
      counts.push(rows.length)
    }
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(counts[0]).toBe(0)
    expect(counts.at(-1)).toBe(total)
  })

  it('a corrupt page is reported, or does no harm: never a saga that was not written', async () => {
    const path = await newPath()
    const first = await openStore(path)
    const desk = new Desk(first)
    const expected = new Map<string, StoredSaga>()
    for (let i = 0; i < 60; i++) {
      const { n, id } = await desk.submit({ id: `saga-${i}` })
      expected.set(id, await desk.find({ n }))
    }
    await first.close()
    const bytes = readFileSync(path)
    let reported = 0
    for (let page = 1; page < bytes.length / 4_096; page++) {
      const copy = await newPath()
      const damaged = Buffer.from(bytes)
      damaged.fill(0xa5, page * 4_096, (page + 1) * 4_096)
      writeFileSync(copy, damaged)
      reported += await readDamaged(copy, expected)
    }
    expect(reported).toBeGreaterThan(0)
  })
})

async function readAll(path: string): Promise<string[]> {
  const store = await openStore(path)
  return (await store.list({ order: 'oldest', limit: 1_000 })).map(({ id }) => id)
}

/** 1 if the damage was reported, 0 if all that could be read was right. */
async function readDamaged(path: string, expected: ReadonlyMap<string, StoredSaga>): Promise<number> {
  const store = sqliteStore(path, { thread: false })
  let reported = 0
  try {
    await store.open()
    for (const [id, saga] of expected) {
      const found = await store.find({ id }).catch((error: { code: string }) => {
        expect(error.code).toBe('STORE_CORRUPT')
        reported = 1
        return undefined
      })
      if (found) expect(found).toEqual(saga)
    }
  } catch (error) {
    expect(error).toMatchObject({ code: 'STORE_CORRUPT' })
    reported = 1
  }
  await store.close()
  return reported
}

describe('a thorough look', () => {
  const damages = {
    'journals with a gap: 1': 'DELETE FROM journal WHERE n = 1 AND seq = 1',
    'sagas without a journal: 2': 'DELETE FROM journal WHERE n = 2',
    'journals without a saga: 3': 'DELETE FROM sagas WHERE n = 3; DELETE FROM wants WHERE n = 3',
    'keys that two sagas hold: 1': "INSERT INTO wants VALUES ('a', 0, 2)",
    'unfinished sagas that miss a key, or ended ones that kept one: 1': "DELETE FROM wants WHERE key = 'a'",
    'counters that differ from what they count: 0': 'UPDATE counters SET exclusive = 5',
  }
  it('finds nothing in a good store, and each kind of damage', async () => {
    const path = await newPath()
    const store = await openStore(path)
    const desk = new Desk(store)
    await desk.join('w')
    const first = await desk.submit({ keys: ['a'], start: 'w' })
    await desk.submit({ keys: ['b'], start: 'w' })
    await desk.submit({ keys: ['c'] })
    await desk.add(first)
    await desk.add(first)
    expect((await store.health(true)).problems).toEqual([])
    await store.close()
    for (const [problem, sql] of Object.entries(damages)) {
      const copy = await newPath()
      copyFileSync(path, copy)
      fileOf(copy, sql)
      expect((await (await openStore(copy, {})).health(true)).problems).toContain(problem)
    }
  })
})

describe('a file that goes away while it is open', () => {
  it('deleted: nothing is acknowledged any more', async () => {
    const path = await newPath()
    const store = await openStore(path, {})
    await store.apply([submission()])
    rmSync(path)
    await expect(store.apply([submission()])).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('deleted'),
    })
  })

  it('replaced by another: the same', async () => {
    const path = await newPath()
    const store = await openStore(path)
    const other = await newPath()
    await (await openStore(other)).close()
    copyFileSync(other, `${path}.new`)
    rmSync(path)
    copyFileSync(`${path}.new`, path)
    await expect(store.apply([submission()])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})

function startedOf(result: Result): Known {
  if (result.type !== 'applied' || !result.n || !result.token) throw new Error('it did not start')
  return { id: '', n: result.n, keys: [`own-saga-${result.n}`], token: result.token, seq: 0 }
}

describe('speed by design', () => {
  it('scenario 41: every query goes by an index', async () => {
    const path = await newPath()
    await (await openStore(path)).close()
    const db = new Sqlite(path)
    const asked: string[] = []
    const prepare = db.prepare.bind(db)
    db.prepare = ((sql: string) => {
      asked.push(sql)
      return prepare(sql)
    }) as never
    prepareAll(db)
    const big = /\b(sagas|journal|wants)\b/
    let checked = 0
    for (const sql of asked) {
      if (!big.test(sql) || sql === 'COMMIT') continue
      const blanks = Array.from(sql.matchAll(/\?/g), () => 1)
      const plan = prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...blanks)
      checked++
      for (const { detail } of plan) {
        const isWholeIndex = /^SCAN sagas USING (COVERING )?INDEX (holding|waiting|stuck)/.test(detail)
        const readsFew = /LIMIT|count\(\*\)/.test(sql)
        expect(
          /^SCAN (sagas|journal|wants)/.test(detail) && !(isWholeIndex && readsFew),
          `${detail}\n${sql}`,
        ).toBe(false)
        expect(detail, sql).not.toMatch(/TEMP B-TREE FOR ORDER BY/)
      }
    }
    expect(checked).toBeGreaterThan(30)
    db.close()
  })

  it('a finished saga of three steps takes less than 1 kB beyond its payloads', async () => {
    const path = await newPath()
    const store = await openStore(path)
    const desk = new Desk(store)
    await desk.join('w')
    const sagas = 1_000
    const known = (await store.apply(Array.from({ length: sagas }, () => submission({ start: 'w' })))).map(
      startedOf,
    )
    for (let step = 0; step < 3; step++) {
      const summary = step === 2 ? { summary: summaryOf({ status: 'committed', stage: 'done' }) } : {}
      const results = await store.apply(
        known.map((saga) => desk.appendOf(saga, [committedEntry(), startedEntry], summary)),
      )
      expect(results.every(({ type }) => type === 'applied')).toBe(true)
      for (const saga of known) saga.seq++
    }
    await store.close()
    expect(readFileSync(path).length / sagas).toBeLessThan(1_000)
  })
})

describe('opening only what is there', () => {
  it('refuses a missing file, and one without a store, and makes nothing', async () => {
    const path = await newPath()
    await expect(sqliteStore(path).open({ create: false })).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
    expect(existsSync(path)).toBe(false)
    writeFileSync(path, '')
    await expect(sqliteStore(path).open({ create: false })).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
    expect(statSync(path).size).toBe(0)
  })

  it('opens a present one', async () => {
    const path = await newPath()
    const store = sqliteStore(path)
    await store.open()
    await store.close()
    const again = sqliteStore(path)
    await again.open({ create: false })
    expect((await again.health()).schema).toBe(migrations.length)
    await again.close()
  })
})
