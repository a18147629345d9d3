/**
 * Scenario 25, one storey up, a sample: a call of the store fails. Every one of them: store-faults.long.ts.
 */
import { describe, expect, test } from 'vitest'
import { stores } from '../support/stores.js'
import { describeStoreReport, runStoreCases } from './store-faults.js'

describe.each(stores)('calls of the store that fail: $name', (store) => {
  test.each(['before', 'after'] as const)(
    'scenario 25: %s they do anything',
    async (when) => {
      // Over memory all of them: that takes a second.
      const report = await runStoreCases(store, when, store.name === 'memory' ? 1 : 6)
      console.log(describeStoreReport(store.name, when, report))
      expect(report.wrong).toEqual([])
      expect(report.hits).toBeGreaterThan(report.cases * 0.7)
    },
    60_000,
  )
})
