/**
 * The same as histories.test.ts with thousands of seeds. For more: `npm run prove -- --seeds 100000`.
 */
import { expect, test } from 'vitest'
import { simulate } from '../../prove/history.js'
import { addReport, emptyTally } from '../../prove/tally.js'

test('thousands of seeded histories under faults', async () => {
  const tally = emptyTally()
  for (let seed = 1_001; seed <= 3_000; seed++)
    addReport(tally, await simulate(seed, { store: seed % 25 === 0 ? 'sqlite' : 'memory' }))
  expect(tally.failures).toEqual([])
  expect(tally.counts['sagas']).toBeGreaterThan(14_000)
})
