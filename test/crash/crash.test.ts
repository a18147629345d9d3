/**
 * A small saga killed at write boundaries and around effects, in a real process: a sample of them. All of them, larger sagas, pairs
 * of kills, and SIGTERM throughout are in crash.long.ts.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { describeShared } from '../support/shared-places.js'
import { type Case, runCase, runCases, upTo, type Verdict } from './matrix.js'

describeShared('crashes', (place) => {
  /** A run in which nobody dies: what the boundaries are. */
  const dry: Record<string, Verdict> = {}
  beforeAll(async () => {
    for (const saga of ['small', 'committing'] as const) dry[saga] = await runCase(place, { saga, dieAt: [] })
  }, 60_000)
  const run = (given: Case): Promise<Verdict> => runCase(place, given)

  // All boundaries are in crash.long.ts. Where the dead are not seen at once, each costs the wait for a lease.
  const stride = place.lease === undefined ? 3 : 10

  test('scenario 17: SIGKILL at the boundaries of a small saga that rolls back', async () => {
    expect(dry['small']?.wrong).toEqual([])
    const count = dry['small']?.trail.length ?? 0
    expect(count).toBeGreaterThan(30)
    const places = upTo(count).filter((at) => at % stride === 0)
    const verdicts = await runCases(
      place,
      places.map((at) => ({ saga: 'small', dieAt: [at] })),
    )
    expect(verdicts.flatMap(({ wrong }) => wrong)).toEqual([])
    expect(verdicts).toHaveLength(places.length)
  }, 120_000)

  // On PostgreSQL these two are in crash.long.ts alone: each process waits for the lease of the last.
  if (place.name === 'sqlite')
    test('scenario 18: SIGKILL, and again during the recovery', async () => {
      const pairs = [
        [3, 2],
        [8, 4],
        [12, 9],
        [20, 6],
        [30, 3],
      ]
      const cases = pairs.map((dieAt): Case => ({ saga: 'small', dieAt }))
      const verdicts = await runCases(place, cases)
      expect(verdicts.flatMap(({ wrong }) => wrong)).toEqual([])
    }, 60_000)

  describe('scenario 19: between an effect and its record', () => {
    /** The place of this boundary in the dry run, from 1. */
    function boundary(saga: 'small' | 'committing', where: string, after = 0): number {
      const at = dry[saga]?.trail.indexOf(where, after) ?? -1
      expect(at).toBeGreaterThanOrEqual(0)
      return at + 1
    }

    test('scenario 19: it is called again, with the same key', async () => {
      const at = boundary('small', 'after committed of seat')
      const { wrong, lines } = await run({ saga: 'small', dieAt: [at] })
      expect(wrong).toEqual([])
      const calls = lines.filter(
        ({ step, direction, outcome }) => `${step} ${direction} ${outcome}` === 'seat commit begun',
      )
      expect(calls.map(({ attempt }) => attempt)).toEqual([1, 2])
      expect(new Set(calls.map(({ key }) => key)).size).toBe(1)
      expect(new Set(calls.map(({ pid }) => pid)).size).toBe(2)
    })

    test('scenario 19: between the last commit and the end of the saga: it ends committed', async () => {
      const first = boundary('committing', 'after committed of payment')
      for (const at of [first, first + 1, first + 2]) {
        expect((await run({ saga: 'committing', dieAt: [at] })).wrong).toEqual([])
      }
    })

    test('scenario 19: between the decision to go back and the first rollback: never forward again', async () => {
      const rejected = boundary('small', 'after rejected of charge')
      const decided = boundary('small', 'after a write', rejected)
      const { wrong, lines, journal } = await run({ saga: 'small', dieAt: [decided] })
      expect(wrong).toEqual([])
      const turned = journal.findIndex(({ type }) => type === 'rolling_back')
      expect(journal.slice(turned).filter(({ type }) => type === 'committed')).toEqual([])
      const last = lines.findLastIndex(({ direction }) => direction === 'commit')
      expect(lines.findIndex(({ direction }) => direction === 'rollback')).toBeGreaterThan(last)
    })
  })

  if (place.name === 'sqlite')
    test('scenario 20: SIGTERM in place of SIGKILL: the same ends, and a shutdown marks nothing as failed', async () => {
      const count = dry['small']?.trail.length ?? 0
      const every = upTo(count).filter((at) => at % 5 === 1)
      const cases = every.map((at): Case => ({ saga: 'small', dieAt: [at], signal: 'SIGTERM' }))
      const verdicts = await runCases(place, cases)
      expect(verdicts.flatMap(({ wrong }) => wrong)).toEqual([])
      for (const { journal } of verdicts) {
        expect(journal.filter((entry) => entry.type === 'failed' && entry.cause === 'crash')).toEqual([])
        expect(journal.find(({ type }) => type === 'rolling_back')).toMatchObject({
          reason: 'rejected',
          step: 'charge',
        })
      }
    }, 120_000)
})
