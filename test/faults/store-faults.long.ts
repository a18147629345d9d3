/**
 * Scenario 25, one storey up: every call of every method of the store fails in turn, before it has done anything or after it has done
 * all of it.
 */
import { describe, expect, test } from 'vitest'
import { stores } from '../support/stores.js'
import { describeStoreReport, runStoreCases } from './store-faults.js'

describe.each(stores)('calls of the store that fail, all of them: $name', (store) => {
  test.each(['before', 'after'] as const)('scenario 25: %s they do anything', async (when) => {
    const report = await runStoreCases(store, when)
    console.log(describeStoreReport(store.name, when, report))
    expect(report.wrong).toEqual([])
    // How many calls there are depends a little on the machine: whoever waits looks again.
    expect(report.hits).toBeGreaterThan(report.cases * 0.8)
    for (const method of ['open', 'apply', 'find', 'rows', 'list', 'obstacles', 'health'])
      expect(report.methods).toContain(method)
  })
})
