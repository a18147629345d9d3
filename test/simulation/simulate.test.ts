/**
 * Whole simulations, small: serial, keyed, side by side, in memory and on SQLite, with few faults and with many.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Orchestrator, saga } from 'backstep'
import { afterEach, expect, test } from 'vitest'
import { type GivenOptions, type Report, simulate, type Watch } from '#dist/simulation/index.js'
import type { Origins } from '#dist/simulation/trip.js'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

async function run(options: GivenOptions, watch?: Watch): Promise<Report> {
  const report = await simulate({ inProcess: true, ...options }, watch)
  folders.push(report.books)
  return report
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstep-simulate-'))
  folders.push(folder)
  return folder
}

const clean = { unfinished: 0, violations: 0, details: [], interrupted: false }

test.each<[string, GivenOptions]>([
  ['serial, on SQLite', { sagas: 60 }],
  ['serial, in memory', { sagas: 60, store: 'memory:' }],
  ['16 at a time, a key each', { sagas: 150, concurrency: 16 }],
  ['16 at a time, 4 travellers as keys', { sagas: 100, concurrency: 16, keys: 4 }],
  ['half of all calls fail', { sagas: 60, concurrency: 16, failureRate: 0.5, store: 'memory:' }],
])('%s: every trip ends whole or undone', async (_, options) => {
  const report = await run({ failureRate: 0.15, seed: 4, ...options })
  expect(report).toMatchObject(clean)
  expect(report.committed + report.rolledBack).toBe(options.sagas)
  expect(report.commitFailures).toBeGreaterThan(0)
  // Both ends were met, or the run has shown nothing.
  expect(Math.min(report.committed, report.rolledBack)).toBeGreaterThan(0)
})

test('with the services in processes of their own, over HTTP, behind the page', async () => {
  let page: string | undefined
  const watch: Watch = {
    opened: (run) => {
      page = run.page
    },
    reported: async (report) => {
      const { sagas } = (await (await fetch(`${page}v1/sagas?limit=500`)).json()) as { sagas: unknown[] }
      expect(sagas).toHaveLength(report.sagas)
      expect((await fetch(`${page}`)).headers.get('content-type')).toContain('text/html')
    },
  }
  const report = await run({ sagas: 80, failureRate: 0.2, seed: 9, concurrency: 8, inProcess: false }, watch)
  expect(report).toMatchObject({ ...clean, inProcess: false })
  expect(report.committed + report.rolledBack).toBe(80)
  expect(
    Math.min(report.committed, report.rolledBack, report.commitFailures, report.rollbackFailures),
  ).toBeGreaterThan(0)
  expect(report.calls).toBeGreaterThan(240)
  // Nothing listens any more.
  await expect(fetch(`${page}livez`)).rejects.toThrow()
}, 60_000)

/** The process that `ps` knows by this word, below this one. */
function childRunning(script: string): number {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n')
  const fields = lines.map((line) => line.trim().split(/\s+/))
  const found = fields.find((words) => words[1] === String(process.pid) && words.join(' ').includes(script))
  return Number(found?.[0])
}

test('a service that somebody kills comes back where it was, with its books', async () => {
  let flight = ''
  const answers = () =>
    fetch(flight, { method: 'POST', body: '{}' }).then(
      () => true,
      () => false,
    )
  const began: Watch['began'] = ({ tally, services }) => {
    flight = (services.at as Origins).flight
    const look = setInterval(() => {
      if (tally.answered < 30) return
      clearInterval(look)
      process.kill(childRunning('service-process.js'), 'SIGKILL')
    }, 5)
  }
  const reported = () => expect.poll(answers, { timeout: 20_000 }).toBe(true)
  const report = await run({ sagas: 150, seed: 3, inProcess: false }, { began, reported })
  expect(report).toMatchObject(clean)
  expect(report.committed).toBeGreaterThan(20)
}, 60_000)

test("an orchestrator's process that somebody kills is followed by another one", async () => {
  const began: Watch['began'] = ({ tally }) => {
    const look = setInterval(() => {
      if (tally.answered < 10) return
      clearInterval(look)
      process.kill(childRunning('simulation/child.js'), 'SIGKILL')
    }, 5)
  }
  const report = await run({ sagas: 80, seed: 3, workers: 2 }, { began })
  expect(report).toMatchObject({ ...clean, kills: 0 })
}, 60_000)

test('without faults all commit', async () => {
  const report = await run({ sagas: 40, failureRate: 0, concurrency: 8, store: 'memory:' })
  expect(report).toMatchObject({
    ...clean,
    committed: 40,
    commitFailures: 0,
    rollbackFailures: 0,
    timeouts: 0,
  })
})

test('the store of a run stays, and can be looked into', async () => {
  const report = await run({ sagas: 5, failureRate: 0, seed: 1 })
  expect(existsSync(report.store.replace('sqlite:', ''))).toBe(true)
  await using orchestrator = await Orchestrator.open(report.store, { work: false, log: false })
  const { sagas } = await orchestrator.list()
  expect(sagas.map(({ status }) => status)).toEqual(Array(5).fill('committed'))
})

test('two runs share a store, one after the other', async () => {
  const store = `sqlite:${join(temporaryFolder(), 'shared.db')}`
  for (const seed of [1, 1]) expect(await run({ sagas: 10, seed, store })).toMatchObject(clean)
})

test('a store with unfinished sagas is refused, and left as it is', async () => {
  const store = `sqlite:${join(temporaryFolder(), 'busy.db')}`
  const other = saga('other').step('wait', { commit: () => null, rollback: () => {} })
  const orchestrator = await Orchestrator.open(store, { work: false, log: false })
  await orchestrator.submit(other, undefined, { id: 'mine' })
  await orchestrator.close()
  await expect(simulate({ sagas: 5, store })).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringContaining('mine'),
  })
})

test('stopped in the middle: it ends soon, says so, and what had ended is whole or undone', async () => {
  const stop = new AbortController()
  const began: Watch['began'] = ({ tally }) => {
    const look = setInterval(() => tally.answered >= 5 && stop.abort(), 5)
    stop.signal.addEventListener('abort', () => clearInterval(look))
  }
  const report = await run({ sagas: 100_000, seed: 2, failureRate: 0 }, { began, stop: stop.signal })
  expect(report).toMatchObject({ interrupted: true, violations: 0 })
  expect(report.committed).toBeGreaterThanOrEqual(5)
  expect(report.unfinished).toBe(100_000 - report.committed)
})
