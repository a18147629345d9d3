/** A fleet whose processes are killed. Longer, and with more of them: fleet.long.ts. */
import { expect, test } from 'vitest'
import { describePostgres } from '../support/postgres.js'
import { jobs } from './fleet.js'
import { killAndJudge } from './kills.js'

describePostgres('fleet', () => {
  test('scenario 30: four processes, one killed again and again: every saga ends once, all of the dead one’s are taken over within two leases', async () => {
    const lease = 1_200
    const all = jobs(600, (i) => ({ keys: [`k${i % 150}`], ms: 40, fails: i % 5 === 0 }))
    const { failovers, wrong, left } = await killAndJudge({
      all,
      processes: 4,
      concurrency: 8,
      lease,
      every: 300,
      kills: 3,
    })
    expect(wrong).toEqual([])
    expect(left).toBeGreaterThan(0)
    expect(failovers.length).toBeGreaterThan(1)
    expect(Math.max(...failovers)).toBeLessThan(2 * lease)
  }, 60_000)
})
