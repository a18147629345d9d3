/**
 * Shapes as text, and plans from them. Written without the plans of the other tests: where these are broken, no other file
 * may even load.
 */
import { describe, expect, test } from 'vitest'
import {
  defaultBackoff,
  defaultRetry,
  defaultStuck,
  defaultTimeout,
  indexPositions,
  maxSteps,
  parseShape,
  planOfShape,
  type StepPlan,
  shapeOf,
} from '#dist/core/plan.js'
import { untouched } from '#dist/core/state.js'

const step = (name: string, pivot = false) => ({ name, pivot })

describe('a shape', () => {
  test.each([
    ['', []],
    ['a', [[step('a')]]],
    ['a!', [[step('a', true)]]],
    [
      'flight > hotel | car > payment! > ticket',
      [[step('flight')], [step('hotel'), step('car')], [step('payment', true)], [step('ticket')]],
    ],
  ])('%s is written and read', (text, positions) => {
    expect(parseShape(text)).toEqual(positions)
    expect(shapeOf(positions)).toBe(text)
  })
})

describe('a plan from a shape', () => {
  test('has its names, order, groups and pivot, and policies by default', () => {
    const plan = planOfShape('trip', '7', 'a > b | c > d!')
    expect(plan).toMatchObject({ name: 'trip', version: '7', shape: 'a > b | c > d!', stuck: defaultStuck })
    expect(plan.positions).toEqual([[0], [1, 2], [3]])
    expect(plan.steps.map(({ name, position, pivot }) => [name, position, pivot])).toEqual([
      ['a', 0, false],
      ['b', 1, false],
      ['c', 1, false],
      ['d', 2, true],
    ])
    for (const one of plan.steps) {
      expect(one).toMatchObject({
        timeout: 30_000,
        hasRollback: true,
        hasVerify: false,
        conditional: false,
        throws: 'rejected',
        retry: { attempts: 1, min: 100, max: 60_000, factor: 2 },
        rollbackRetry: { min: 100, max: 60_000, factor: 2 },
      })
    }
  })

  test('of nothing has no steps', () => {
    expect(planOfShape('trip', '1', '')).toMatchObject({ steps: [], positions: [] })
  })

  test('the indexes of steps are grouped by position', () => {
    const at = (position: number) => ({ position }) as StepPlan
    expect(indexPositions([at(0), at(0), at(1), at(2), at(2), at(2)])).toEqual([[0, 1], [2], [3, 4, 5]])
    expect(indexPositions([])).toEqual([])
  })
})

test('the defaults are those that the README promises', () => {
  expect({ defaultTimeout, maxSteps }).toEqual({ defaultTimeout: 30_000, maxSteps: 10_000 })
  expect(defaultBackoff).toEqual({ min: 100, max: 60_000, factor: 2 })
  expect(defaultRetry).toEqual({ attempts: 1, ...defaultBackoff })
  expect(defaultStuck).toEqual({ attempts: 10, after: 300_000 })
})

test('a step that nobody has touched: nothing begun, nothing counted, nothing asked', () => {
  const none = { failures: 0, used: 0, crashes: 0, since: 0, stuck: false }
  expect(untouched).toEqual({
    ...{ commit: { is: 'idle' }, undo: { is: 'idle' }, attempts: 0, undoAttempts: 0, round: 1, polls: 0 },
    ...{ doubt: false, spared: false, asked: false, output: undefined },
    ...{ commitFailures: none, undoFailures: none },
  })
})
