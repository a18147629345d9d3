/**
 * The crash matrix in full: a saga that commits and one that rolls back, both with retries and a parallel group, killed at every
 * boundary; killed again during the recovery; and told to close in place of being killed.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { describeShared } from '../support/shared-places.js'
import { type Case, runCase, runCases, upTo, type Verdict } from './matrix.js'

const sagas = ['small', 'committing', 'rolling'] as const
const minutes = 60_000

describeShared('crashes', (place) => {
  /** A run in which nobody dies, and one for each boundary of it. */
  const dry: Record<string, Verdict> = {}
  const single: Record<string, Verdict[]> = {}
  beforeAll(async () => {
    for (const saga of sagas) {
      dry[saga] = await runCase(place, { saga, dieAt: [] })
      expect(dry[saga]?.wrong).toEqual([])
    }
  }, minutes)

  const count = (saga: string): number => dry[saga]?.trail.length ?? 0
  // Each death costs the wait for a lease where the system does not tell of it.
  const stride = place.lease === undefined ? 1 : 4
  const boundaries = (saga: string): number[] => upTo(count(saga)).filter((at) => at % stride === 0)

  async function holds(cases: readonly Case[]): Promise<Verdict[]> {
    const verdicts = await runCases(place, cases)
    expect(verdicts.flatMap(({ wrong }) => wrong)).toEqual([])
    expect(verdicts).toHaveLength(cases.length)
    return verdicts
  }

  describe.each(sagas)('%s', (saga) => {
    test(
      'scenario 17: SIGKILL at every boundary',
      async () => {
        expect(count(saga)).toBeGreaterThan({ small: 30, committing: 35, rolling: 75 }[saga])
        single[saga] = await holds(boundaries(saga).map((at) => ({ saga, dieAt: [at] })))
      },
      10 * minutes,
    )

    test(
      'scenario 18: SIGKILL again during the recovery',
      async () => {
        // The recovery from every boundary has boundaries of its own. Of every second one is sampled, so that over all every place is hit.
        const cases = (single[saga] ?? []).flatMap(({ trail }, i): Case[] => {
          const first = boundaries(saga)[i] ?? 0
          return i % 2 === 0 ? [{ saga, dieAt: [first, 1 + ((i * 7) % trail.length)] }] : []
        })
        expect(cases).toHaveLength(Math.ceil(boundaries(saga).length / 2))
        await holds(cases)
      },
      10 * minutes,
    )

    test(
      'scenario 20: SIGTERM at every second boundary, without a drain and with one',
      async () => {
        const every = boundaries(saga).filter((_, i) => i % 2 === 0)
        const cases = every.map(
          (at, i): Case => ({ saga, dieAt: [at], signal: 'SIGTERM', drain: i % 4 === 0 ? '2s' : 0 }),
        )
        for (const { journal } of await holds(cases)) {
          expect(journal.filter((entry) => entry.type === 'failed' && entry.cause === 'crash')).toEqual([])
          const turned = journal.find(({ type }) => type === 'rolling_back')
          if (saga === 'committing') expect(turned).toBeUndefined()
          else
            expect(turned).toMatchObject({
              reason: 'rejected',
              step: saga === 'small' ? 'charge' : 'payment',
            })
        }
      },
      10 * minutes,
    )

    if (place.name === 'sqlite')
      test(
        'scenario 17: SIGKILL with SQLite in its thread, where a write may be under way',
        async () => {
          const places = upTo(count(saga)).filter((at) => at % 3 === 0)
          await holds(places.map((at) => ({ saga, dieAt: [at], thread: true })))
        },
        10 * minutes,
      )
  })
})
