/** The server itself: restarted, crashed, read-only, recovering. Again and again: server.long.ts. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator } from 'backstep'
import { expect, test } from 'vitest'
import { MemoryLedger } from '../support/ledger.js'
import { describeOwnPostgres, query, startPostgres } from '../support/postgres.js'
import { PostgresProxy } from '../support/postgres-proxy.js'
import { jobs, judgeJobs, repeated, runToEnd, submitAll, until } from './fleet.js'
import { jobSaga } from './jobs.mjs'
import { restartAndJudge } from './restarts.js'

describeOwnPostgres('server', () => {
  test('scenario 31: PostgreSQL is crashed and restarted while sagas run: all finish, and the log stays short', async () => {
    const all = jobs(300, (i) => ({ keys: [`k${i % 60}`], ms: 60, fails: i % 6 === 0 }))
    const report = await restartAndJudge({
      all,
      processes: 2,
      concurrency: 4,
      lease: 2_000,
      every: 500,
      restarts: 2,
    })
    expect(report.wrong).toEqual([])
    expect(report.left).toBeGreaterThan(0)
    // What the journals say anyway, and of each restart a handful: pauses double from a tenth of a second to two.
    // (On a busy machine a restart may outlast a lease: then calls under way are interrupted, which fails them.)
    const { failed = 0, rolling_back = 0, ...others } = report.counts
    expect(failed).toBeGreaterThanOrEqual(rolling_back)
    expect(others['store_unavailable']).toBeGreaterThan(0)
    expect(Object.values(others).reduce((sum, count) => sum + count)).toBeLessThan(80)
  }, 60_000)

  test('scenario 36: the server turns read-only, then recovers as a standby: work waits without haste, and goes on', async () => {
    const server = await startPostgres()
    const proxy = await PostgresProxy.start(server.address)
    const ledger = new MemoryLedger()
    const job = jobSaga(ledger)
    const orchestrator = await Orchestrator.open(proxy.address, { sagas: [job], log: false })
    const folder =
      (await query<{ data_directory: string }>(server.address, 'SHOW data_directory'))[0]?.data_directory ??
      ''
    const set = async (value: 'on' | 'off') => {
      await query(server.address, `ALTER SYSTEM SET default_transaction_read_only = ${value}`)
      await query(server.address, 'SELECT pg_reload_conf()')
      await until(async () => {
        const rows = await query<Record<string, string>>(server.address, 'SHOW default_transaction_read_only')
        return rows[0]?.['default_transaction_read_only'] === value
      })
    }
    const ways: Record<string, readonly [begin: () => Promise<unknown>, end: () => Promise<unknown>]> = {
      'read-only': [
        () => set('on'),
        async () => {
          await query(server.address, 'ALTER SYSTEM RESET default_transaction_read_only')
          await query(server.address, 'SELECT pg_reload_conf()')
        },
      ],
      recovering: [
        async () => {
          await server.stop('immediate')
          writeFileSync(join(folder, 'standby.signal'), '')
          await server.startAgain()
          expect(await query(server.address, 'SELECT pg_is_in_recovery()')).toEqual([
            { pg_is_in_recovery: true },
          ])
        },
        () => query(server.address, 'SELECT pg_promote()'),
      ],
    }
    for (const [way, [begin, end]] of Object.entries(ways)) {
      const all = new Map(
        [...jobs(12, (i) => ({ keys: [`k${i}`], ms: 400, fails: i % 4 === 0 }))].map(([id, input]) => [
          `${way}-${id}`,
          input,
        ]),
      )
      const some = ledger.lines.length
      await submitAll(orchestrator, job, all)
      await until(() => ledger.lines.length > some)
      await begin()
      await sleep(500)
      const attempts = { flushes: 0, connections: proxy.counts.connections }
      proxy.fate = ({ sql }) => {
        if (/flush_\d/.test(sql)) attempts.flushes++
        return 'pass'
      }
      const during = orchestrator
        .submit(job, { keys: [], ms: 0, fails: false }, { id: `${way}-during` })
        .then(
          () => 'stored',
          (error: { code?: string }) => error.code,
        )
      await sleep(2_000)
      expect(await during).toBe('STORE_UNAVAILABLE')
      // Pauses double from a tenth of a second to two.
      expect(attempts.flushes + proxy.counts.connections - attempts.connections).toBeLessThan(60)
      expect(
        await orchestrator.list({ status: ['running', 'rolling_back'] }).then(({ sagas }) => sagas.length),
      ).toBeGreaterThan(0)
      await end()
      await until(
        async () =>
          (await orchestrator.list({ status: ['queued', 'running', 'rolling_back'] })).sagas.length === 0,
        30_000,
      )
      const own = ledger.lines.filter(({ saga }) => all.has(saga))
      expect(await judgeJobs(orchestrator, all, own)).toEqual([])
      await runToEnd(orchestrator, job, `${way}-during`, { keys: [], ms: 0, fails: false })
      expect(repeated(ledger.lines.filter(({ saga }) => saga === `${way}-during`))).toEqual([])
    }
    await orchestrator.close()
  }, 60_000)
})
