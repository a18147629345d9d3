/**
 * Several processes on one store: one id, one order, one owner; and an event loop that never waits for a lock.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Orchestrator, saga } from 'backstep'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, test } from 'vitest'
import { judgeSaga, overlaps, readLedger, startedOrder } from '../support/ledger.js'
import { describeShared } from '../support/shared-places.js'
import { temporaryFile, temporaryFolder } from '../support/stores.js'

type Child = ChildProcessByStdio<Writable, Readable, null>

const script = fileURLToPath(new URL('child.mjs', import.meta.url))
const children = new Set<Child>()
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** Starts them, lets them go at the same moment, and returns what each answered. */
async function together(configs: readonly object[]): Promise<unknown[]> {
  const started = configs.map((config): Child => {
    const child = spawn(process.execPath, [script, JSON.stringify(config)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    children.add(child)
    return child
  })
  await Promise.all(started.map((child) => once(child.stdout, 'data')))
  for (const child of started) child.stdin.write('go\n')
  return Promise.all(
    started.map(async (child) => {
      let output = ''
      child.stdout.on('data', (data) => (output += data))
      const [code] = (await once(child, 'exit')) as [number | null]
      children.delete(child)
      if (code !== 0) throw new Error(`a child ended with code ${code}`)
      return JSON.parse(output) as unknown
    }),
  )
}

describeShared('processes', (place) => {
  async function makePlace() {
    return { address: await place.address(), ledger: join(temporaryFolder(), 'ledger') }
  }

  test('scenario 15: 100 submits of one id from each of two processes: one saga, 200 equal answers; other input: conflict', async () => {
    const { address, ledger } = await makePlace()
    const results = (await together(
      [1, 2].map(() => ({ mode: 'same-id', address, ledger, count: 100 })),
    )) as {
      answers: { one: unknown }[]
      conflicts: { code: string }[]
    }[]
    const answers = results.flatMap((result) => result.answers)
    expect(answers).toHaveLength(200)
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(answers[0]).toMatchObject({ one: { ticket: expect.any(String) } })
    const codes = results.flatMap(({ conflicts }) => conflicts.map(({ code }) => code))
    expect(codes).toEqual(Array.from({ length: 22 }, () => 'CONFLICT'))
    const lines = readLedger(ledger)
    expect(lines.filter(({ outcome }) => outcome === 'begun')).toHaveLength(1)
    await using reader = await Orchestrator.open(address, { work: false, log: false })
    expect((await reader.list()).sagas).toHaveLength(1)
  })

  test('scenario 38: 1,000 serial sagas from three processes: no two overlap, awaited submits run in their order', async () => {
    const { address, ledger } = await makePlace()
    const names = ['a', 'b', 'c']
    const counts = [334, 333, 333]
    const results = (await together(
      names.map((name, i) => ({ mode: 'serial', address, ledger, name, count: counts[i] })),
    )) as { ends: string[] }[]
    expect(results.flatMap(({ ends }) => ends).filter((end) => end === 'committed')).toHaveLength(1_000)
    const lines = readLedger(ledger)
    expect(overlaps(lines, () => null).wrong).toEqual([])
    const order = startedOrder(lines)
    expect(order).toHaveLength(1_000)
    names.forEach((name, i) => {
      const own = order.filter((id) => id.startsWith(`${name}-`))
      expect(own).toEqual(Array.from({ length: counts[i] ?? 0 }, (_, n) => `${name}-${n}`))
    })
    // They did submit side by side.
    const switches = order.filter((id, i) => i > 0 && id[0] !== order[i - 1]?.[0])
    expect(switches.length).toBeGreaterThan(50)
    expect(new Set(lines.map(({ token }) => token)).size).toBe(1_000)
  }, 120_000)

  describe('scenario 27: two orchestrators and a command line on one file', () => {
    test('scenario 27: no double record, no SQLITE_BUSY reaches anybody, every saga ends whole or undone', async () => {
      const { address, ledger } = await makePlace()
      const [a, b, reader] = (await together([
        { mode: 'keyed', address, ledger, name: 'a', count: 150 },
        { mode: 'keyed', address, ledger, name: 'b', count: 150 },
        { mode: 'read', address, ledger },
      ])) as [{ ends: string[] }, { ends: string[] }, { looks: number; errors: unknown[] }]
      expect(reader.errors).toEqual([])
      expect(reader.looks).toBeGreaterThan(5)
      const lines = readLedger(ledger)
      const keysOf = (id: string) => [`k${Number(id.slice(2)) % 7}`, `k${Number(id.slice(2)) % 3}`]
      expect(overlaps(lines, keysOf).wrong).toEqual([])
      await using orchestrator = await Orchestrator.open(address, { work: false, log: false })
      const wrong: string[] = []
      for (const [name, { ends }] of [
        ['a', a],
        ['b', b],
      ] as const) {
        for (const [n, end] of ends.entries())
          wrong.push(...(await judgeSaga(orchestrator, `${name}-${n}`, lines, { answers: [end] })))
      }
      expect(wrong).toEqual([])
    }, 120_000)
  })
})

test('scenario 27: while another connection holds the lock, submits wait, and the event loop does not', async () => {
  const file = temporaryFile()
  const definition = saga('fine').step('one', { commit: () => 1, rollback: () => {} })
  await using orchestrator = await Orchestrator.open(`sqlite:${file}`, { sagas: [definition], log: false })
  await orchestrator.run(definition)
  const rival = new Database(file)
  rival.exec('BEGIN IMMEDIATE')
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  let isDone = false
  const run = orchestrator.run(definition).then((outputs) => {
    isDone = true
    return outputs
  })
  const looked = orchestrator.list()
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  expect(isDone).toBe(false)
  delay.disable()
  rival.exec('COMMIT')
  rival.close()
  expect(await run).toEqual({ one: 1 })
  expect((await looked).sagas.length).toBeGreaterThan(0)
  // A loop that had waited for the lock would have stood still for all of it. (The machine may be busy.)
  expect(delay.max / 1e6).toBeLessThan(500)
  expect(delay.percentile(50) / 1e6).toBeLessThan(50)
})
