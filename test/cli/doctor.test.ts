/**
 * The doctor: what it finds in files, processes and sagas, and remedies that work when they are typed.
 */
import { execFile } from 'node:child_process'
import { closeSync, copyFileSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backstep, command, Folder, Trips } from './processes.js'

const folder = new Folder()
const store = `sqlite:${folder.file('trips.db')}`
afterAll(() => folder.remove())

async function doctor(address = store) {
  const { code, stdout, stderr } = await backstep(['doctor', '--json', '--store', address])
  expect(stderr).toBe('')
  const report = JSON.parse(stdout)
  expect(report.ok).toBe(code === 0)
  const wrong = report.checks.filter(({ ok }: { ok: boolean }) => !ok)
  return { code, report, wrong }
}

describe('processes and sagas', () => {
  let trips: Trips
  beforeAll(async () => {
    trips = await Trips.start(folder.file('trips.db'))
    await trips.tell({ submit: 'line', id: 'fine-1' })
    await trips.tell({ until: 'committed', id: 'fine-1' })
  })
  afterAll(() => trips.kill())

  test('all is well: exit code 0, and the process is named by its pid', async () => {
    const { code, report, wrong } = await doctor()
    expect({ code, wrong }).toEqual({ code: 0, wrong: [] })
    const names = report.checks.map(({ name }: { name: string }) => name)
    expect(names).toEqual(['file', 'store', 'integrity', 'disk', 'processes', 'stuck', 'blocked'])
    expect(report.checks[1].detail).toMatch(/^schema 1; SQLite 3\.\d+\.\d+, WAL, synchronous=FULL$/)
    expect(report.checks[4].detail).toContain(`1 alive: ${trips.pid}@`)
    expect(report.counts).toMatchObject({ committed: 1, stuck: 0, blocked: 0 })
  })

  test('stuck, then its process is replaced by another version: blocked; the remedies, typed, free it', async () => {
    const input = { commit: { last: 'refuse' }, rollback: { first: 'fail' } }
    await trips.tell({ submit: 'line', id: "it's -x", input })
    await trips.tell({ until: 'stuck', id: "it's -x" })
    const before = await doctor()
    expect(before.wrong).toEqual([{ name: 'stuck', ok: false, detail: '1 saga' }])
    expect(before.report.stuck[0].why).toMatch(/^stuck, waiting/)

    await trips.kill()
    trips = await Trips.start(folder.file('trips.db'), '2')
    const { code, report } = await doctor()
    expect(code).toBe(1)
    expect(report.blocked).toMatchObject([
      {
        id: "it's -x",
        definition: 'line@1',
        why: 'blocked: no live process offers line@1; offered is line@2',
      },
    ])
    await type(report.blocked[0].remedies[0])
    await trips.tell({ until: 'stuck', id: "it's -x" })
    const [, resolve] = (await doctor()).report.stuck[0].remedies
    await type(resolve)
    await trips.tell({ until: 'rolled_back', id: "it's -x" })
    expect((await doctor()).code).toBe(0)
  })

  /** Runs a line of the doctor's as a shell would. */
  async function type(line: string): Promise<void> {
    expect(line).toMatch(/^backstep /)
    await promisify(execFile)('sh', ['-c', line.replace(/^backstep/, `"${process.execPath}" "${command}"`)])
  }

  test('nobody is there, but nothing waits either: all is well', async () => {
    await trips.kill()
    const { code, report } = await doctor()
    expect(code).toBe(0)
    expect(report.checks[4].detail).toMatch(/^none runs sagas now/)
  })
})

describe('files', () => {
  test.each([
    [
      'garbage',
      (file: string) => writeFileSync(file, Buffer.alloc(10_000, 'noise')),
      /file is not a database/,
    ],
    [
      'a database of somebody else',
      (file: string) => sql(file, 'CREATE TABLE t (a)'),
      /not a Backstep store/,
    ],
    [
      'a newer schema',
      (file: string) => sql(file, 'PRAGMA application_id = 0x42535450; PRAGMA user_version = 99'),
      /has schema 99; this version of Backstep knows 1/,
    ],
  ])('%s is told from a store, and left as it is', async (_, make, told) => {
    const file = folder.file('other.db')
    make(file)
    const bytes = readFileSync(file)
    const { code, wrong } = await doctor(`sqlite:${file}`)
    expect(code).toBe(1)
    expect(wrong).toEqual([
      { name: 'store', ok: false, detail: expect.stringMatching(told), hint: expect.any(String) },
    ])
    expect(readFileSync(file).equals(bytes)).toBe(true)
    writeFileSync(file, '')
  })

  test('a page that is damaged is found, though the store opens', async () => {
    const file = folder.file('damaged.db')
    copyFileSync(folder.file('trips.db'), file)
    damage(file)
    const { code, wrong, report } = await doctor(`sqlite:${file}`)
    expect(code).toBe(1)
    expect(report.checks[1]).toMatchObject({ name: 'store', ok: true })
    expect(wrong[0]).toMatchObject({ name: 'integrity', ok: false, hint: expect.stringContaining('backup') })
  })
})

function sql(file: string, text: string): void {
  const db = new Database(file)
  db.exec(text)
  db.close()
}

/** Overwrites the root page of the journal: nothing reads it until a saga is looked at. */
function damage(file: string): void {
  const db = new Database(file)
  const root =
    db.prepare<[], number>("SELECT rootpage FROM sqlite_master WHERE name = 'journal'").pluck().get() ?? 0
  const size = Number(db.pragma('page_size', { simple: true }))
  db.close()
  expect(statSync(file).size).toBeGreaterThan(root * size - 1)
  const handle = openSync(file, 'r+')
  writeSync(handle, Buffer.alloc(size, 0xff), 0, size, (root - 1) * size)
  closeSync(handle)
}
