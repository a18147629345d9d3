/**
 * Scenario 25, a sample: an operation on the store's files fails. Every one of them: disk-faults.long.ts.
 */
import { expect, test } from 'vitest'
import { describeShim } from '../support/shim.js'
import { describeWay, everyCall, runWay, type Way } from './disk-faults.js'

const ways: readonly Way[] = [
  { name: 'EIO on fsync', kinds: ['sync'] },
  { name: 'EIO on write', kinds: ['write'] },
  { name: 'EIO on read', kinds: ['read'] },
]

describeShim('faults of the disk', () => {
  test.each(ways)(
    'scenario 25: $name',
    async (way) => {
      // Syncs are few, and most is at stake at them: all of those.
      const step = (calls: number): number => (way.kinds.includes('sync') ? 1 : Math.ceil(calls / 8))
      const report = await runWay(way, (calls) => everyCall(calls).filter((n) => n % step(calls) === 0))
      console.log(describeWay(way, report))
      expect(report.wrong).toEqual([])
      expect(report.hits).toBeGreaterThan(5)
    },
    60_000,
  )
})
