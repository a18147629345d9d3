/** Connections that die without a word, and a process that loses its lease. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, saga } from 'backstep'
import { expect, test } from 'vitest'
import { judgeSaga, MemoryLedger } from '../support/ledger.js'
import { describePostgres, freshSchema } from '../support/postgres.js'
import { PostgresProxy } from '../support/postgres-proxy.js'
import { desk, until } from './fleet.js'
import { jobSaga } from './jobs.mjs'

describePostgres('silence', () => {
  test('scenario 33: the listening connection dies without a word: sagas are picked up within two polls, and nothing is aborted', async () => {
    const address = await freshSchema()
    const proxy = await PostgresProxy.start(address)
    let listening: number | undefined
    proxy.fate = ({ sql, connection }) => {
      if (/^LISTEN/.test(sql)) listening = connection
      return 'pass'
    }
    const ledger = new MemoryLedger()
    const aborted: string[] = []
    const job = jobSaga(ledger, (id, _step, reason) => aborted.push(`${id}: ${reason}`))
    await using worker = await Orchestrator.open(proxy.address, { sagas: [job], log: false })
    const { orchestrator: submitter } = await desk(address)
    await using _closed = submitter
    await worker.submit(job, { keys: ['long'], ms: 2_600, fails: false }, { id: 'long' })
    expect(listening).toBeDefined()
    proxy.fate = ({ connection }) => (connection === listening ? 'silence' : 'pass')

    const waits: number[] = []
    const end = performance.now() + 5_500
    for (let i = 0; performance.now() < end; i++) {
      const id = `saga-${i}`
      await submitter.submit(job, { keys: [id], ms: 0, fails: false }, { id })
      const stored = performance.now()
      await until(() => ledger.lines.some((line) => line.saga === id))
      waits.push(performance.now() - stored)
      await sleep(100)
    }
    expect(proxy.counts.silences).toBe(1)
    expect(waits.length).toBeGreaterThan(12)
    // A poll is 200 ms; the rest is for a machine that others use, too.
    expect(waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.9)]).toBeLessThan(400)
    expect(Math.max(...waits)).toBeLessThan(1_000)
    expect(aborted).toEqual([])
    await until(async () => (await submitter.get('long'))?.status === 'committed')
    expect(await judgeSaga(submitter, 'long', ledger.lines)).toEqual([])
  }, 30_000)

  test('scenario 28: a process that loses its lease aborts the signals of its running steps, and stops; then it begins anew', async () => {
    const address = await freshSchema()
    const proxy = await PostgresProxy.start(address)
    const ledger = new MemoryLedger()
    const lease = 900
    /** Of two processes; `waits`: until its signal aborts. */
    const definition = (pid: number, waits: boolean) =>
      saga('contended', { keys: () => ['k'] })
        .step('one', {
          commit: async (context) => {
            ledger.write(context, 'begun', pid)
            if (waits && context.attempt === 1) {
              await sleep(10_000, undefined, { signal: context.signal }).catch(() => {})
              abortedAt = performance.now()
              throw context.signal.reason
            }
            ledger.write(context, 'committed', pid)
          },
          rollback: () => {},
          retry: { attempts: 1, min: 10, max: 20 },
        })
        .step('two', {
          commit: (context) => {
            ledger.write(context, 'begun', pid)
            ledger.write(context, 'committed', pid)
          },
          rollback: () => {},
        })
    let abortedAt = 0
    const mine = definition(1, true)
    await using first = await Orchestrator.open(proxy.address, { sagas: [mine], log: false, lease })
    await first.submit(mine, undefined, { id: 'a' })
    await until(() => ledger.lines.length === 1)
    proxy.refuses = true
    const lostAt = performance.now()
    proxy.breakAll()
    await using second = await Orchestrator.open(address, {
      sagas: [definition(2, false)],
      log: false,
      lease,
    })
    await until(async () => (await second.get('a'))?.status === 'committed')
    const takenAfter = performance.now() - lostAt
    expect(proxy.counts.cuts).toBeGreaterThan(1)
    expect(proxy.counts.refusals).toBeGreaterThan(0)
    // It let go before anybody else may have begun: at two thirds of its lease.
    expect(abortedAt - lostAt).toBeGreaterThan(0)
    expect(abortedAt - lostAt).toBeLessThan(lease)
    expect(takenAfter).toBeLessThan(2 * lease)
    const taken = ledger.lines.findIndex(({ pid }) => pid === 2)
    expect(ledger.lines.slice(taken).filter(({ pid }) => pid === 1)).toEqual([])

    proxy.refuses = false
    await second.close()
    await first.submit(mine, undefined, { id: 'b' })
    await until(() => ledger.lines.some(({ saga, pid }) => saga === 'b' && pid === 1))
    const { orchestrator: reader } = await desk(address)
    await using _closed = reader
    expect(await judgeSaga(reader, 'a', ledger.lines)).toEqual([])
    expect((await reader.journal('a'))?.some(({ type }) => type === 'late')).toBe(false)
    await first.close({ drain: 0 })
  }, 30_000)
})
