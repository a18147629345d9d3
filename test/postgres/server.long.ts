/** The server, restarted every few seconds for as long as there is work; and connections that fall silent while it works. */
import { Orchestrator } from 'backstep'
import { expect, test } from 'vitest'
import { MemoryLedger } from '../support/ledger.js'
import { describeOwnPostgres, describePostgres, freshSchema, startPostgres } from '../support/postgres.js'
import { PostgresProxy } from '../support/postgres-proxy.js'
import { jobs, judgeJobs, repeated, runToEnd, submitAll, unfinished, until } from './fleet.js'
import { jobSaga } from './jobs.mjs'
import { restartAndJudge } from './restarts.js'

describeOwnPostgres('server, for longer', () => {
  test('scenario 31: PostgreSQL is crashed or restarted every two seconds: all sagas finish, and the log stays short', async () => {
    const all = jobs(2_500, (i) => ({ keys: [`k${i % 200}`], ms: 100, fails: i % 6 === 0 }))
    const report = await restartAndJudge({
      all,
      processes: 4,
      concurrency: 6,
      lease: 2_000,
      every: 2_000,
      restarts: 12,
    })
    console.log('the log, by event:', report.counts)
    expect(report.wrong).toEqual([])
    expect(report.left).toBeGreaterThan(0)
    expect(report.done).toBeGreaterThanOrEqual(6)
    const { failed, rolling_back, ...others } = report.counts
    expect(failed).toBeGreaterThan(0)
    expect(rolling_back).toBeGreaterThan(0)
    // Of four processes, for each restart.
    expect(Object.values(others).reduce((sum, count) => sum + count, 0)).toBeLessThan(50 * report.done)
  })
})

describeOwnPostgres('half a flush', () => {
  test('scenario 29: the connection falls silent between a flush and the message that commits it: its locks are let go, and the fleet goes on', async () => {
    // One of our own: older ones than PostgreSQL 17 wait for as long as TCP does.
    const { address } = await startPostgres()
    const proxy = await PostgresProxy.start(address)
    const ledger = new MemoryLedger()
    const job = jobSaga(ledger)
    const one = { keys: ['k'], ms: 0, fails: false }
    const first = await Orchestrator.open(proxy.address, { sagas: [job], log: false, lease: '60s' })
    const second = await Orchestrator.open(address, { sagas: [job], log: false })
    await first.run(job, one, { id: 'before' })
    const executed = new Set<number>()
    proxy.fate = ({ to, type, connection }) => {
      if (to === 'server' && type === 'E') executed.add(connection)
      return to === 'server' && type === 'S' && executed.has(connection) && proxy.counts.silences === 0
        ? 'silence'
        : 'pass'
    }
    const begun = performance.now()
    const a = runToEnd(first, job, 'a', one)
    await until(() => proxy.counts.silences === 1)
    await runToEnd(second, job, 'b', one)
    console.log(`the fleet went on after ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
    expect(performance.now() - begun).toBeLessThan(40_000)
    await a
    expect(
      await judgeJobs(
        second,
        new Map([
          ['a', one],
          ['b', one],
          ['before', one],
        ]),
        ledger.lines,
      ),
    ).toEqual([])
    expect(repeated(ledger.lines)).toEqual([])
    await first.close()
    await second.close()
  })
})

describePostgres('silence, for longer', () => {
  test('scenario 29: while sagas run, all connections fall silent at once: a flush is given up in time, all end, no step runs twice for it', async () => {
    const address = await freshSchema()
    const proxy = await PostgresProxy.start(address)
    const ledger = new MemoryLedger()
    const job = jobSaga(ledger)
    const all = jobs(60, (i) => ({ keys: [`k${i % 20}`], ms: 100, fails: i % 3 === 0 }))
    // With a lease that outlasts the silence: whoever loses it has its calls made again by others, which is another scenario.
    const orchestrator = await Orchestrator.open(proxy.address, { sagas: [job], log: false, lease: '60s' })
    await submitAll(orchestrator, job, all)
    await until(() => ledger.lines.length > 10)
    proxy.breakAll('silence')
    const { counts } = proxy
    expect(counts.silences).toBeGreaterThanOrEqual(2)
    const begun = performance.now()
    await until(async () => (await unfinished(orchestrator).catch(() => 1)) === 0, 90_000)
    console.log(`went on after ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
    expect(performance.now() - begun).toBeLessThan(40_000)
    expect(await judgeJobs(orchestrator, all, ledger.lines)).toEqual([])
    expect(repeated(ledger.lines)).toEqual([])
    await orchestrator.close()
  })
})
