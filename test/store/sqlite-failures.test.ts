/**
 * A disk that fails, a disk that is full, a lock that somebody else has, a thread that is gone.
 */
import Sqlite from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import type { Result, Write } from '#dist/store/store.js'
import { toResults } from '#dist/stores/sqlite/answers.js'
import { ThreadBackend } from '#dist/stores/sqlite/backends.js'
import { loadDriver, type OpenDriver } from '#dist/stores/sqlite/connection.js'
import { Database } from '#dist/stores/sqlite/database.js'
import { Encoder } from '#dist/stores/sqlite/wire.js'
import {
  committedEntry,
  Desk,
  startedEntry,
  submission,
  summaryOf,
  trip,
} from '#dist/testing/store-suite/desk.js'
import { newPath, openStore } from './sqlite-place.js'

/** A driver whose statements fail when `fails` says so, with the result code that SQLite would give. */
async function failingDriver(
  fails: (sql: string) => string | undefined,
): Promise<{ open: OpenDriver; opened: string[] }> {
  const real = await loadDriver()
  const opened: string[] = []
  const check = (sql: string) => {
    const code = fails(sql)
    if (code) throw new Sqlite.SqliteError(`injected ${code}`, code)
  }
  const open: OpenDriver = (path, options) => {
    const db = real(path, options)
    opened.push(path)
    const prepare = db.prepare.bind(db)
    const exec = db.exec.bind(db)
    const pragma = db.pragma.bind(db)
    db.prepare = ((sql: string) => {
      const statement = prepare(sql)
      const run = statement.run.bind(statement)
      statement.run = ((...values: unknown[]) => {
        check(sql)
        return run(...values)
      }) as never
      return statement
    }) as never
    db.exec = (sql) => {
      check(sql)
      return exec(sql)
    }
    db.pragma = (sql, more) => {
      check(sql)
      return pragma(sql, more)
    }
    return db
  }
  return { open, opened }
}

class Direct {
  readonly #database: Database
  readonly #encoder = new Encoder()

  constructor(open: OpenDriver, path: string) {
    this.#database = new Database(open, path, Date.now)
    this.#database.open()
  }

  get database(): Database {
    return this.#database
  }

  apply(...writes: Write[]): Result[] {
    const { cells, unsendable } = this.#encoder.encode(writes)
    return toResults(this.#database.apply(cells), unsendable, writes.length)
  }
}

describe('scenario 25: the disk reports an error', () => {
  it('the commit is not believed, nor anything read, until a truncating checkpoint has gone through', async () => {
    let failing: string[] = []
    const { open, opened } = await failingDriver((sql) =>
      failing.some((part) => sql.includes(part)) ? 'SQLITE_IOERR_FSYNC' : undefined,
    )
    const direct = new Direct(open, await newPath())
    direct.apply(submission({ id: 'before' }))
    const connections = opened.length

    failing = ['COMMIT', 'TRUNCATE']
    expect(() => direct.apply(submission({ id: 'unknown' }))).toThrow(
      expect.objectContaining({ code: 'STORE_UNAVAILABLE' }),
    )
    failing = ['TRUNCATE']
    expect(() => direct.database.find({ id: 'before' })).toThrow(
      expect.objectContaining({ code: 'STORE_UNAVAILABLE' }),
    )
    expect(() => direct.apply(submission({ id: 'later' }))).toThrow(
      expect.objectContaining({ code: 'STORE_UNAVAILABLE' }),
    )
    expect(opened.length).toBeGreaterThan(connections)

    failing = []
    expect(direct.database.find({ id: 'before' })).toMatchObject({ saga: { row: { id: 'before' } } })
    expect(direct.database.find({ id: 'unknown' })).toBeUndefined()
    expect(direct.apply(submission({ id: 'unknown' }))).toMatchObject([{ type: 'applied' }])
    direct.database.close()
  })

  it('and that checkpoint has to be whole: while another process reads an older state, nothing is answered', async () => {
    let failing = ''
    const { open } = await failingDriver((sql) =>
      failing && sql.includes(failing) ? 'SQLITE_IOERR_FSYNC' : undefined,
    )
    const path = await newPath()
    const direct = new Direct(open, path)
    direct.apply(submission({ id: 'a' }))
    const reader = new Sqlite(path)
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM sagas').get()
    direct.apply(submission({ id: 'b' }))
    failing = 'COMMIT'
    expect(() => direct.apply(submission({ id: 'c' }))).toThrow(
      expect.objectContaining({ code: 'STORE_UNAVAILABLE' }),
    )
    failing = ''
    const unsure = expect.objectContaining({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('durable'),
    })
    expect(() => direct.database.find({ id: 'a' })).toThrow(unsure)
    expect(() => direct.apply(submission({ id: 'c' }))).toThrow(unsure)
    reader.close()
    expect(direct.database.find({ id: 'b' })).toMatchObject({ saga: { row: { id: 'b' } } })
    direct.database.close()
  })

  it('an error at any statement of a flush leaves all of it undone, and the repetition does all of it', async () => {
    let at = Infinity
    let seen = 0
    const { open } = await failingDriver(() => (++seen === at ? 'SQLITE_IOERR_WRITE' : undefined))
    const path = await newPath()
    const direct = new Direct(open, path)
    direct.apply({ type: 'join', worker: 'w', lease: 1e6, offers: [trip] })
    const desk = new Desk(null as never)
    let failed = 0
    for (let step = 1; step < 60; step++) {
      const first = submission({ start: 'w' })
      const started = direct.apply(first)[0]
      if (started?.type !== 'applied' || !started.n || !started.token) throw new Error('not started')
      const saga = { id: first.id, n: started.n, keys: first.keys, token: started.token, seq: 0 }
      const summary = summaryOf({ status: 'committed', stage: 'done' })
      const writes: Write[] = [
        submission({ start: 'w' }),
        desk.appendOf(saga, [committedEntry(), startedEntry]),
        desk.appendOf({ ...saga, seq: 1 }, [committedEntry()], { summary }),
      ]
      seen = 0
      at = step
      try {
        direct.apply(...writes)
      } catch (error) {
        failed++
        expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
        at = Infinity
        expect(direct.database.find({ n: saga.n })).toMatchObject({ saga: { row: { stage: 'holding' } } })
        expect(direct.database.find({ id: (writes[0] as { id: string }).id })).toBeUndefined()
      }
      at = Infinity
      const results = direct.apply(...writes)
      expect(results.map(({ type }) => type)).toEqual(['applied', 'applied', 'applied'])
      expect(results[0]).toHaveProperty('token')
      expect(direct.database.find({ n: saga.n })).toMatchObject({
        saga: { row: { stage: 'done', status: 'committed' } },
      })
    }
    expect(failed).toBeGreaterThan(5)
    direct.database.close()
  })
})

describe('scenario 26: the disk is full', () => {
  it('a commit fails, reads go on, and once there is room so do commits', async () => {
    let isFull = false
    const { open, opened } = await failingDriver((sql) =>
      isFull && sql === 'COMMIT' ? 'SQLITE_FULL' : undefined,
    )
    const direct = new Direct(open, await newPath())
    direct.apply(submission({ id: 'before' }))
    const connections = opened.length
    isFull = true
    const error = expect.objectContaining({
      code: 'STORE_UNAVAILABLE',
      hint: expect.stringContaining('disk is full'),
    })
    expect(() => direct.apply(submission({ id: 'later' }))).toThrow(error)
    isFull = false
    expect(direct.database.find({ id: 'later' })).toBeUndefined()
    expect(direct.apply(submission({ id: 'later' }))).toMatchObject([{ type: 'applied', n: 2 }])
    expect(opened.length).toBe(connections)
    direct.database.close()
  })
})

describe('one write that the database refuses', () => {
  it('is refused alone, and leaves no trace in what is counted', async () => {
    let poison = false
    const { open } = await failingDriver((sql) =>
      poison && sql.includes('INTO wants') ? 'SQLITE_CONSTRAINT' : undefined,
    )
    const direct = new Direct(open, await newPath())
    direct.apply({ type: 'join', worker: 'w', lease: 1e6, offers: [trip] })
    poison = true
    const results = direct.apply(
      submission({ id: 'a', keys: [] }),
      submission({ id: 'b', keys: ['k'] }),
      submission({ id: 'c', keys: null }),
    )
    expect(results).toMatchObject([{ type: 'applied', n: 1 }, { type: 'refused' }, { type: 'applied', n: 2 }])
    poison = false
    expect(direct.database.find({ id: 'b' })).toBeUndefined()
    expect(direct.apply(submission({ id: 'b', keys: ['k'] }))).toEqual([{ type: 'applied', n: 3 }])
    direct.database.close()
  })

  it('an entry that is no JSON is refused alone', async () => {
    const desk = new Desk(await openStore(await newPath()))
    await desk.join('w')
    const saga = await desk.submit({ start: 'w' })
    const bad = desk.appendOf(saga, [{ type: 'committed', step: 'a', attempt: 1, output: 1n as never }])
    const results = await desk.store.apply([submission({ id: 'x' }), bad, submission({ id: 'y' })])
    expect(results.map(({ type }) => type)).toEqual(['applied', 'refused', 'applied'])
    expect((await desk.store.list({ order: 'oldest', limit: 9 })).map(({ id }) => id)).toEqual([
      saga.id,
      'x',
      'y',
    ])
    expect((await desk.find(saga)).chunks).toHaveLength(1)
  })
})

describe('scenario 27: somebody else has the lock', () => {
  it('a flush waits for it, and the event loop does not', async () => {
    const path = await newPath()
    const store = await openStore(path, {})
    const rival = new Sqlite(path)
    rival.exec('BEGIN IMMEDIATE')
    let ticks = 0
    const timer = setInterval(() => ticks++, 5)
    const write = store.apply([submission()])
    const first = await Promise.race([
      write.then(() => 'written'),
      new Promise((resolve) => setTimeout(resolve, 400, 'waiting')),
    ])
    expect(first).toBe('waiting')
    expect(ticks).toBeGreaterThan(20)
    rival.exec('COMMIT')
    rival.close()
    expect(await write).toMatchObject([{ type: 'applied' }])
    clearInterval(timer)
  })
})

describe('a thread that is gone', () => {
  it('fails what was asked of it, and what is asked afterwards', async () => {
    const backend = new ThreadBackend(await newPath())
    await backend.start()
    await backend.send({ type: 'open', create: true })
    // So many that the last of them cannot have been answered when the thread ends.
    const asked = Array.from({ length: 1_000 }, () => backend.send({ type: 'health', thorough: true }))
    const settled = Promise.allSettled(asked)
    await backend.stop()
    expect((await settled).at(-1)).toMatchObject({
      status: 'rejected',
      reason: { code: 'STORE_UNAVAILABLE' },
    })
    await expect(backend.send({ type: 'health', thorough: false })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
  })
})

describe('a clock that is set back', () => {
  it('does not lose the overdue saga of one who died then: another ends it', async () => {
    let now = 1_700_000_000_000
    const desk = new Desk(await openStore(await newPath(), { thread: false, now: () => now }))
    await desk.join('w')
    await desk.join('v')
    await desk.submit({ id: 'late', deadline: now + 10 })
    now += 20
    expect(await desk.claimIds('w')).toEqual(['late'])
    expect(await desk.claimIds('v')).toEqual([])
    now -= 3_600_000
    await desk.leave('w')
    now += 3_600_000
    expect(await desk.claimIds('v')).toEqual(['late'])
  })
})
