/**
 * A small saga killed at every write boundary and around every effect, in a real process. The larger ones, pairs of kills, and
 * SIGTERM throughout are in crash.long.ts.
 */
import { describe, expect, test } from 'vitest'
import { runCase, runCases, upTo } from './matrix.js'

describe('killed at every boundary', () => {
  test('scenario 17: SIGKILL at every boundary of a saga that rolls back', async () => {
    const dry = await runCase({ saga: 'small', dieAt: [] })
    expect(dry.wrong).toEqual([])
    expect(dry.boundaries).toBeGreaterThan(30)
    const verdicts = await runCases(upTo(dry.boundaries).map((at) => ({ saga: 'small', dieAt: [at] })))
    expect(verdicts.flatMap(({ wrong }) => wrong)).toEqual([])
    expect(verdicts).toHaveLength(dry.boundaries)
  }, 120_000)
})
