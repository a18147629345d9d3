/**
 * Seeded histories of three orchestrators on one store under faults of every kind (see world.ts), judged from outside.
 */
import { expect, test } from 'vitest'
import { chaos } from './chaos.js'

test('seeded histories under faults: every saga ends whole or undone, in order, without overlaps', async () => {
  const counts: Record<string, number> = {}
  for (let seed = 1; seed <= 60; seed++) {
    const report = await chaos(seed)
    expect(report.wrong, report.history).toEqual([])
    for (const [what, count] of Object.entries(report.counts)) counts[what] = (counts[what] ?? 0) + count
  }
  // The faults did happen, and work went on through them.
  const happened = [
    'reads failed',
    'writes not made',
    'freezes',
    'answers lost',
    'closes',
    'late',
    'failed by crash',
  ]
  for (const what of [
    ...happened,
    'failed by timeout',
    'failed by aborted',
    'committed',
    'rolled_back',
    'ended',
  ])
    expect([what, (counts[what] ?? 0) > 0]).toEqual([what, true])
}, 60_000)
