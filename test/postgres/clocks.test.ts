/** Processes whose clocks are an hour off: only the database's clock counts. */
import type { JournalEntry } from 'backstep'
import { expect, test } from 'vitest'
import { describePostgres, freshSchema } from '../support/postgres.js'
import { describeShim, shiftedClock } from '../support/shim.js'
import { desk, Fleet, jobs, judgeJobs, type Member, repeated, submitAll, until } from './fleet.js'
import { orphansOf, takenOver } from './kills.js'

const hour = 3_600_000
const lease = 1_000

/** One that is an hour ahead and one that is an hour behind, by their own words. */
async function anHourApart(fleet: Fleet): Promise<readonly [ahead: Member, behind: Member]> {
  const [ahead] = await fleet.start(1, shiftedClock(hour).env)
  const [behind] = await fleet.start(1, shiftedClock(-hour).env)
  if (!ahead || !behind) throw new Error('nobody was started')
  expect((await ahead.ready) - Date.now()).toBeGreaterThan(hour - 60_000)
  expect((await behind.ready) - Date.now()).toBeLessThan(-hour + 60_000)
  return [ahead, behind]
}

/** ms, by the journal, from the submit to the decision to go back. */
function turnedAfter(journal: readonly JournalEntry[]): number {
  const submitted = journal[0]?.at ?? 0
  // Times are told by the database's clock, which is this machine's.
  expect(Math.abs(submitted - Date.now())).toBeLessThan(30_000)
  const turned = journal.find(({ type }) => type === 'rolling_back') ?? journal.at(-1)
  return (turned?.at ?? 0) - submitted
}

describeShim('clocks', () => {
  describePostgres('clocks', () => {
    test('scenario 32: one clock an hour ahead, another an hour behind: no saga is taken from a live owner, and those of a dead one are', async () => {
      const address = await freshSchema()
      await using fleet = new Fleet({ address, lease, concurrency: 12 })
      const [ahead, behind] = await anHourApart(fleet)
      const { orchestrator, job } = await desk(address)
      // Each call outlasts a lease.
      const all = jobs(16, (i) => ({ keys: [`k${i}`], ms: 1_300, fails: i % 4 === 0 }))
      await submitAll(orchestrator, job, all)
      await until(async () => (await orchestrator.health()).counts.rolled_back === 4)
      await until(async () => (await orchestrator.health()).counts.committed === 12)
      const lines = [...fleet.ledger.read()]
      expect(await judgeJobs(orchestrator, all, lines)).toEqual([])
      expect(repeated(lines)).toEqual([])
      expect(new Set(lines.map(({ pid }) => pid))).toEqual(new Set([ahead.pid, behind.pid]))
      for (const id of all.keys()) {
        const own = lines.filter(({ saga }) => saga === id)
        expect(new Set(own.map(({ token }) => token)).size).toBe(1)
      }

      // Short enough that the places of the one who is left are soon free.
      const last = new Map(
        Array.from({ length: 30 }, (_, i) => [`last-${i}`, { keys: [], ms: 150, fails: false }]),
      )
      await submitAll(orchestrator, job, last)
      await until(() => orphansOf(fleet, ahead.pid).size > 0)
      await fleet.kill(ahead)
      const orphans = orphansOf(fleet, ahead.pid)
      expect(orphans.size).toBeGreaterThan(0)
      expect(await takenOver(fleet, ahead.pid, orphans)).toBeLessThan(2 * lease)
      await until(async () => (await orchestrator.health()).counts.committed === 12 + last.size)
      const ours = fleet.ledger.read().filter(({ saga }) => last.has(saga))
      expect(await judgeJobs(orchestrator, last, ours)).toEqual([])
      await orchestrator.close()
      await fleet.end()
    })

    test('scenario 32: one clock an hour ahead, another an hour behind: deadlines come at the right time', async () => {
      const address = await freshSchema()
      await using fleet = new Fleet({ address, lease, concurrency: 12 })
      const [ahead, behind] = await anHourApart(fleet)
      const { orchestrator } = await desk(address)
      const early: string[] = []
      const far: string[] = []
      for (const [name, member] of [
        ['ahead', ahead],
        ['behind', behind],
      ] as const) {
        const [running, queued, later] = [`running, by ${name}`, `queued, by ${name}`, `far, by ${name}`]
        early.push(running, queued)
        far.push(later)
        member.submit(running, { keys: [name], ms: 2_500, fails: false }, 1_000)
        await until(() => fleet.ledger.read().some(({ saga }) => saga === running))
        // Behind that one, which runs for longer.
        member.submit(queued, { keys: [name], ms: 0, fails: false }, 800)
        member.submit(later, { keys: [later], ms: 20, fails: false }, hour / 2)
      }
      await until(async () => (await orchestrator.health()).counts.committed === far.length)
      await until(async () => (await orchestrator.health()).counts.rolled_back === early.length)
      for (const id of early) {
        const after = turnedAfter((await orchestrator.journal(id)) ?? [])
        expect(after).toBeGreaterThan(id.startsWith('queued') ? 750 : 950)
        expect(after).toBeLessThan(2_200)
      }
      for (const id of far) expect(await orchestrator.get(id)).toMatchObject({ status: 'committed' })
      await orchestrator.close()
      await fleet.end()
    })
  })
})
