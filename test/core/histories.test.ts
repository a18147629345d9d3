/**
 * All histories of small sagas through the pure core: every outcome of every attempt, a crash before and after each effect and
 * each write, a cancel at any moment, deadlines, operators, owners that freeze, processes that close down.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { type Explored, explore } from './explorer.js'
import { expectGolden } from './golden.js'
import { rowOf } from './rows.js'
import { scenarios } from './scenarios.js'

/** Wide: the machines that run this are shared. Each of them takes a few seconds at most. */
const patience = 60_000

describe('all histories end, replay to the same state, keep their order, and leave every effect standing or none:', () => {
  const found: Explored[] = []
  const rows = new Set<string>()

  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    (_, scenario) => {
      const explored = explore(scenario, undefined, (entry, before, after) =>
        rows.add(rowOf(entry, before, after)),
      )
      expect(explored.histories).toBeGreaterThan(500)
      found.push(explored)
    },
    patience,
  )

  const total = (what: keyof Explored) => found.reduce((sum, explored) => sum + explored[what], 0)

  test('together: at least 100,000 that are distinct', () => {
    expect(found).toHaveLength(scenarios.length)
    expect(total('histories')).toBeGreaterThanOrEqual(100_000)
    // Each of these is walked and judged one by one; the histories are the paths through them.
    expect(total('moments')).toBeGreaterThanOrEqual(100_000)
  })

  test('together: they pass every row of the transition table, and no other', () => {
    expect(found).toHaveLength(scenarios.length)
    expectGolden('transitions', `${[...rows].sort().join('\n')}\n`)
  })

  afterAll(() => {
    const count = (what: keyof Explored) => total(what).toLocaleString('en')
    console.log(
      `${count('histories')} distinct histories of ${found.length} sagas: ${count('moments')} distinct moments, ` +
        `${count('moves')} moves judged, ${rows.size} rows of the transition table`,
    )
  })
})
