/**
 * Scenario 41: a million queued sagas cost a submit and a claim at most twice what they cost on an empty store, and opening
 * loads none of them. Measured in processor time, medians, so that a busy machine does not decide.
 */
import { describe, expect, it } from 'vitest'
import type { Store } from '#dist/store/store.js'
import { Desk, submission, trip } from '#dist/testing/store-suite/desk.js'
import { newPath, openStore } from './sqlite-place.js'

const million = 1_000_000
const group = 256

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0

async function costOf(action: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await action()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

/** Submits a group and claims one, again and again: the median cost of each, ms. */
async function measure(
  store: Store,
  keysOf: () => readonly string[] | null,
): Promise<{ submit: number; claim: number; claimed: number }> {
  const desk = new Desk(store)
  const submits: number[] = []
  const claims: number[] = []
  let claimed = 0
  for (let i = 0; i < 25; i++) {
    const writes = Array.from({ length: group }, () => submission({ keys: keysOf() }))
    submits.push(await costOf(() => desk.applyAll(writes)))
    claims.push(
      await costOf(async () => {
        claimed += await desk.claimAndEnd('w', group)
      }),
    )
  }
  return { submit: median(submits), claim: median(claims), claimed }
}

let key = 0
const kinds = { serial: () => null, 'distinct keys': () => [`k${++key}`], 'one hot key': () => ['hot'] }

describe('scenario 41: a million queued sagas', () => {
  for (const [name, keysOf] of Object.entries(kinds)) {
    it(name, async () => {
      const path = await newPath()
      const store = await openStore(path)
      const desk = new Desk(store)
      await desk.join('w')
      await measure(store, keysOf)
      const empty = await measure(store, keysOf)
      for (let i = 0; i < million; i += 5_000) {
        await desk.applyAll(Array.from({ length: 5_000 }, () => submission({ keys: keysOf() })))
      }
      const full = await measure(store, keysOf)
      const cost = (value: { submit: number; claim: number }) =>
        `submit ${value.submit.toFixed(1)} ms, claim ${value.claim.toFixed(1)} ms`
      console.log(`${name}: empty ${cost(empty)}; a million ${cost(full)} (groups of ${group})`)
      expect(full.claimed).toBe(empty.claimed)
      expect(full.submit).toBeLessThan(2 * empty.submit)
      expect(full.claim).toBeLessThan(2 * empty.claim)

      await store.close()
      const opening = await costOf(async () => {
        const again = new Desk(await openStore(path))
        await again.join('v', [trip])
        expect((await again.claim('v', 1)).length).toBe(1)
      })
      expect(opening).toBeLessThan(500)
    }, 300_000)
  }
})
