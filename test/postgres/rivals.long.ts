/** Somebody who holds a lock for longer than anybody waits for one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator } from 'backstep'
import pg from 'pg'
import { expect, test } from 'vitest'
import { MemoryLedger } from '../support/ledger.js'
import { describePostgres, freshSchema } from '../support/postgres.js'
import { desk, jobs, judgeJobs, repeated, submitAll, until } from './fleet.js'
import { jobSaga } from './jobs.mjs'

describePostgres('rivals, for longer', () => {
  test('scenario 35: reading while a flush waits for a lock does not wait, and a lease is renewed', async () => {
    const address = await freshSchema()
    const schema = new URL(address).searchParams.get('schema')
    const ledger = new MemoryLedger()
    const job = jobSaga(ledger)
    const orchestrator = await Orchestrator.open(address, { sagas: [job], log: false })
    const all = jobs(4, (i) => ({ keys: [`k${i}`], ms: 200, fails: false }))
    await submitAll(orchestrator, job, all)
    const rival = new pg.Client(address)
    rival.on('error', () => {})
    await rival.connect()
    await rival.query('BEGIN')
    await rival.query(`SELECT FROM ${schema}.line FOR UPDATE`)
    const begun = performance.now()
    // Longer than a lock is waited for, and as long as a lease lasts.
    while (performance.now() - begun < 5_500) {
      const asked = performance.now()
      expect(await orchestrator.get('job-0')).toMatchObject({ status: 'running' })
      expect(performance.now() - asked).toBeLessThan(1_000)
      await sleep(250)
    }
    await rival.query('COMMIT')
    await rival.end()
    const { orchestrator: reader } = await desk(address)
    await until(async () => (await reader.health()).counts.committed === 4)
    expect(await judgeJobs(reader, all, ledger.lines)).toEqual([])
    expect(repeated(ledger.lines)).toEqual([])
    expect(new Set(ledger.lines.filter(({ saga }) => saga === 'job-0').map(({ token }) => token)).size).toBe(
      1,
    )
    await reader.close()
    await orchestrator.close()
  })
})
