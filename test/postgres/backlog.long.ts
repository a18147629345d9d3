/**
 * Scenario 41 on PostgreSQL: a hundred thousand queued sagas cost a submit and a claim at most twice what they cost on an empty store.
 * Measured in processor time of this process and of its own backends, where the server is on this machine.
 */
import { readFileSync } from 'node:fs'
import { postgresStore } from 'backstep/postgres'
import { expect, test } from 'vitest'
import { Desk, submission } from '#dist/testing/store-suite/desk.js'
import { describePostgres, freshSchema, query } from '../support/postgres.js'

const many = 100_000
const group = 256
const rounds = 20

/** ms of processor time that our backends have had so far; undefined where they are on another machine. */
async function backendTime(address: string): Promise<number | undefined> {
  const rows = await query<{ pid: number }>(
    address,
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'backstep'`,
  )
  try {
    const ticks = rows.map(({ pid }) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return Number(fields[11]) + Number(fields[12])
    })
    return ticks.reduce((sum, count) => sum + count, 0) * 10
  } catch {
    return undefined
  }
}

/** ms that `action` costs, all rounds of it. */
async function costOf(address: string, action: () => Promise<unknown>): Promise<number> {
  const server = await backendTime(address)
  const before = process.cpuUsage()
  const begun = performance.now()
  await action()
  if (server === undefined) return performance.now() - begun
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 + ((await backendTime(address)) ?? 0) - server
}

type Keys = () => readonly string[] | null

async function submitGroups(desk: Desk, keysOf: Keys, count = rounds): Promise<void> {
  for (let i = 0; i < count; i++)
    await desk.applyAll(Array.from({ length: group }, () => submission({ keys: keysOf() })))
}

/** Claims and ends, in groups; how many. */
async function claimGroups(desk: Desk): Promise<number> {
  let claimed = 0
  for (let i = 0; i < rounds; i++) {
    claimed += await desk.claimAndEnd('w', group)
  }
  return claimed
}

let key = 0
const kinds: Record<string, Keys> = {
  serial: () => null,
  'distinct keys': () => [`k${++key}`],
  'one hot key': () => ['hot'],
}

describePostgres('scenario 41: a hundred thousand queued sagas', () => {
  for (const [name, keysOf] of Object.entries(kinds)) {
    test(`scenario 41: ${name}`, async () => {
      const address = await freshSchema()
      const store = postgresStore(address)
      await store.open()
      const desk = new Desk(store)
      await desk.join('w')
      const measure = async () => {
        const submit = await costOf(address, () => submitGroups(desk, keysOf))
        let claimed = 0
        const claim = await costOf(address, async () => {
          claimed = await claimGroups(desk)
        })
        return { submit, claim, claimed }
      }
      await measure()
      const empty = await measure()
      for (let i = 0; i < many / group / rounds; i++) await submitGroups(desk, keysOf)
      const full = await measure()
      const told = ({ submit, claim }: typeof full) =>
        `submit ${submit.toFixed(0)} ms, claim ${claim.toFixed(0)} ms`
      console.log(`${name}: empty ${told(empty)}; full ${told(full)} (${rounds} groups of ${group})`)
      expect(full.claimed).toBe(empty.claimed)
      expect(full.claimed).toBeGreaterThan(0)
      expect(full.submit).toBeLessThan(2 * empty.submit)
      // A tick of the kernel's clock is 10 ms, for each backend.
      expect(full.claim).toBeLessThan(2 * empty.claim + 30)
      expect((await desk.store.health()).counts.queued).toBeGreaterThan(many * 0.9)

      const again = postgresStore(address)
      const before = process.cpuUsage()
      await again.open()
      await new Desk(again).join('v')
      expect(process.cpuUsage(before).user / 1_000).toBeLessThan(500)
      await again.close()
      await store.close()
    })
  }
})
