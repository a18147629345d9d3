/**
 * The same as chaos.test.ts, with as many seeds as fit into some minutes. BACKSTEP_SEED=n runs one, to look at it.
 */
import { expect, test } from 'vitest'
import { chaos } from './chaos.js'

const seed = Number(process.env['BACKSTEP_SEED'] ?? 0)
const seeds = seed > 0 ? [seed] : Array.from({ length: 1_000 }, (_, i) => 1_000 + i)

test('a thousand seeded histories under faults', async () => {
  for (const seed of seeds) {
    const report = await chaos(seed)
    expect(report.wrong, report.history).toEqual([])
  }
})
