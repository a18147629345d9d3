/**
 * When kills come due, and that none of them waits for what waits for it.
 */
import { expect, test } from 'vitest'
import { KillPlan } from '#dist/simulation/killing.js'
import { readOptions } from '#dist/simulation/options.js'

test('kills are spread over the trips that have ended; where nothing ends any more the next one is due', () => {
  const plan = new KillPlan(readOptions({ sagas: 100, kill: 4, workers: 2, seed: 7 }))
  const due: number[] = []
  for (let ended = 0; ended < 95; ended++) {
    if (!plan.isDue(ended, false)) continue
    due.push(ended)
    plan.tried(true, false)
    if (due.length === 3) break
  }
  expect(due.map((ended) => Math.floor(ended / 24))).toEqual([0, 1, 2])
  expect(plan.isDue(due.at(-1) ?? 0, false)).toBe(false)
  expect(plan.isDue(due.at(-1) ?? 0, true)).toBe(true)
  plan.tried(true, false)
  expect(plan.isDue(99, true)).toBe(false)
})
