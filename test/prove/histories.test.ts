/**
 * Some hundred histories of the whole fleet, on both stores: every promise holds, the faults did happen, and each history is the same
 * whenever it is run.
 */
import { describe, expect, test } from 'vitest'
import { type Report, simulate } from '../../prove/history.js'
import { shrink } from '../../prove/shrink.js'
import { addReport, emptyTally, summaryOf } from '../../prove/tally.js'
import { plants } from './plants.js'

test('seeded histories under faults: every promise holds, and the faults did happen', async () => {
  const tally = emptyTally()
  for (let seed = 1; seed <= 160; seed++) addReport(tally, await simulate(seed))
  for (let seed = 1; seed <= 12; seed++) addReport(tally, await simulate(seed, { store: 'sqlite' }))
  expect(tally.failures).toEqual([])
  const happened = [
    'crashes',
    'stop',
    'suspend',
    'close',
    'deploy',
    'answer-lost',
    'write-not-made',
    'partly-written',
    'read-failed',
    'outage',
    'cancel: done',
    'resolve: done',
    'rebind: done',
    'retry: done',
    'late',
    'committed',
    'rolled_back',
    'ended',
    'crash-in-call',
    'crash-at-start',
    'gone',
    'stuck',
    'poison',
    'failed by crash',
    'failed by timeout',
    'failed by aborted',
    'verified',
    'skipped',
    'sagas committed',
    'sagas rolled back',
    'sagas reopened',
    'sagas pruned',
  ]
  expect(happened.filter((what) => !tally.counts[what])).toEqual([])
  expect(summaryOf(tally, 1, 1)).toContain('172')
}, 60_000)

describe('a history is the same each time', () => {
  test.each(['memory', 'sqlite'] as const)('on %s', async (store) => {
    for (const seed of [3, 7, 11]) {
      const [first, again] = [
        await simulate(seed, { store, hash: true }),
        await simulate(seed, { store, hash: true }),
      ]
      expect([again.hash, again.turns, again.ms]).toEqual([first.hash, first.turns, first.ms])
      // Named one by one, its faults make the same history.
      const named = await simulate(seed, { store, hash: true, faults: first.faults })
      expect(named.hash).toBe(first.hash)
    }
  })

  test('and another seed is another history', async () => {
    const hashes = new Set<number>()
    for (let seed = 1; seed <= 20; seed++) hashes.add((await simulate(seed, { hash: true })).hash)
    expect(hashes.size).toBe(20)
  })
})

describe('the checker is a checker: each bug planted in the store is found', () => {
  test.each(plants)('$name', async ({ plant }) => {
    let found: Report | undefined
    for (let seed = 1; seed <= 300 && !found; seed++) {
      const report = await simulate(seed, { plant })
      if (report.wrong.length > 0) found = report
    }
    expect(found?.wrong[0]).toMatch(/^(P\d|journal|store): /)
  })

  test('a failing history is made small, and fails again as it is', async () => {
    const [{ plant } = { plant: undefined }] = plants
    if (!plant) throw new Error('there is no plant')
    let found: Report | undefined
    for (let seed = 1; seed <= 300 && !found; seed++) {
      const report = await simulate(seed, { plant })
      if (report.wrong.length > 0) found = report
    }
    if (!found) throw new Error('the planted bug was not found')
    const shrunk = await shrink(found, { plant })
    expect(shrunk?.smaller.sagas?.length).toBeLessThan(found.sagas.length)
    expect(shrunk?.smaller.faults?.length).toBeLessThan(found.faults.length)
    const again = await simulate(found.seed, { plant, trace: true, ...shrunk?.smaller })
    expect(again.wrong).toEqual(shrunk?.report.wrong)
    expect(again.lines.some((line) => line.includes('WRONG'))).toBe(true)
  })
})
