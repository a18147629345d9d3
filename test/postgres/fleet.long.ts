/** Fleets whose processes are killed, or restarted in order, one after the other. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { describePostgres, freshSchema } from '../support/postgres.js'
import { desk, Fleet, jobs, judgeJobs, unfinished, until } from './fleet.js'
import { killAndJudge } from './kills.js'

describePostgres('fleet, for longer', () => {
  test('scenario 30: four processes, 10,000 sagas, one killed every second: every saga ends once; failover within two leases', async () => {
    const lease = 2_000
    const all = jobs(10_000, (i) => ({ keys: [`k${i % 900}`], ms: 40, fails: i % 5 === 0 }))
    const { failovers, wrong, left } = await killAndJudge({
      all,
      processes: 4,
      concurrency: 16,
      lease,
      every: 1_000,
      kills: 100,
    })
    expect(wrong).toEqual([])
    expect(left).toBeGreaterThan(0)
    // Fifteen on an idle machine; on a busy one there are fewer kills a saga's life, and more that hit nobody in a call.
    expect(failovers.length).toBeGreaterThan(5)
    console.log(`failovers, in leases: ${failovers.map((ms) => (ms / lease).toFixed(2)).join(' ')}`)
    // One who takes a saga over may be killed in turn before he has called anything for it: that is a second failover.
    expect(failovers.filter((ms) => ms >= 2 * lease).length).toBeLessThanOrEqual(failovers.length / 10)
    expect(Math.max(...failovers)).toBeLessThan(3 * lease)
  })

  test('scenario 37: a rolling restart of a quarter of the workers every few seconds: work goes on in every 2-second window', async () => {
    const address = await freshSchema()
    await using fleet = new Fleet({ address, concurrency: 8 })
    await fleet.start(4)
    const { orchestrator, job } = await desk(address)
    const all = new Map()
    const commits: number[] = []
    let read = 0
    const watch = () => {
      const lines = fleet.ledger.read()
      const now = performance.now()
      for (; read < lines.length; read++) if (lines[read]?.outcome === 'committed') commits.push(now)
    }
    const begun = performance.now()
    const restarted: number[] = []
    let restart: Promise<void> | undefined
    while (performance.now() - begun < 26_000) {
      const id = `job-${all.size}`
      const input = { keys: [`k${all.size % 20}`], ms: 80, fails: all.size % 7 === 0 }
      all.set(id, input)
      await orchestrator.submit(job, input, { id })
      await sleep(25)
      watch()
      const due = Math.floor((performance.now() - begun) / 3_000)
      if (due > restarted.length) {
        restarted.push(performance.now())
        await restart
        restart = rollOne(fleet)
      }
    }
    const ended = performance.now()
    await restart
    await until(async () => (await unfinished(orchestrator)) === 0, 60_000)
    expect(restarted.length).toBeGreaterThanOrEqual(8)
    expect(new Set(fleet.ledger.read().map(({ pid }) => pid)).size).toBeGreaterThanOrEqual(4 + 7)
    const gaps = commits.map((at, i) => at - (commits[i - 1] ?? begun))
    expect(commits.at(-1) ?? 0).toBeGreaterThan(ended - 2_000)
    expect(Math.max(...gaps)).toBeLessThan(2_000)
    expect(await judgeJobs(orchestrator, all, fleet.ledger.read())).toEqual([])
    await orchestrator.close()
    await fleet.end()
  })
})

/** SIGTERM to the oldest, and another in its place once it is gone. */
async function rollOne(fleet: Fleet): Promise<void> {
  const [oldest] = fleet.members.splice(0, 1)
  oldest?.signal('SIGTERM')
  expect(await oldest?.gone).toEqual([0, null])
  await fleet.start()
}
