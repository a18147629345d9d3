/**
 * histories.test.ts with more of everything: minutes instead of seconds.
 */
import { describe, expect, test } from 'vitest'
import { explore } from './explorer.js'
import { scenarios } from './scenarios.js'

describe('all histories, deeper, of', () => {
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
    const { histories, moments, moves } = explore({ ...scenario, budget: scenario.deep ?? scenario.budget })
    console.log(`${scenario.name}: ${histories} distinct histories, ${moments} moments, ${moves} moves`)
    expect(histories).toBeGreaterThan(500)
  })
})
