/**
 * The histories of the smallest sagas of test/core/histories.test.ts, for mutation testing: about a second in all. What only
 * the others can find counts as survived there, though `npm test` finds it.
 */
import { expect, test } from 'vitest'
import { explore } from '../core/explorer.js'
import { scenarios } from '../core/scenarios.js'

/** The largest of these takes a third of it. A broken core may have histories without end. */
const mostMoves = 20_000

const small: readonly string[] = [
  'one step that can be asked about',
  'two steps, the second conditional',
  'a conditional step behind the pivot',
  'a parallel pair whose calls settle together',
]

test.each(small)('%s', (name) => {
  const scenario = scenarios.find((one) => one.name === name)
  expect(scenario && explore({ ...scenario, mostMoves }).histories).toBeGreaterThan(500)
})
