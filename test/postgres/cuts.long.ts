/** The connection to PostgreSQL breaks: at every message there is, in every way there is. */
import { expect, test } from 'vitest'
import { describePostgres } from '../support/postgres.js'
import { type Cut, runCuts } from './cuts.js'

describePostgres('cuts, all of them', () => {
  for (const fate of ['before', 'after'] as const) {
    test(`scenario 29: cut at every message of a saga, ${fate} it is forwarded: nothing happens twice`, async () => {
      const { count, hits, wrong, twice } = await runCuts((messages, fails): Cut[] =>
        Array.from({ length: messages }, (_, i) => ({ at: i + 1, fate, fails })),
      )
      expect(wrong).toEqual([])
      expect(twice).toEqual([])
      expect(hits).toBeGreaterThan(count * 0.8)
    })
  }

  test('scenario 29: at every third message the connection falls silent, and nobody is told', async () => {
    const { count, hits, wrong, twice } = await runCuts(
      (messages, fails): Cut[] =>
        Array.from({ length: Math.floor(messages / 3) }, (_, i) => ({
          at: i * 3 + 1,
          fate: 'silence',
          fails,
        })),
      // Each waits for as long as a flush may take.
      24,
    )
    expect(wrong).toEqual([])
    expect(twice).toEqual([])
    expect(hits).toBeGreaterThan(count * 0.8)
  })
})
