/** The builder: what a definition is reduced to, and that building one changes nothing and costs little. */
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DefinitionError } from '#dist/core/errors.js'
import { maxSteps } from '#dist/core/plan.js'
import { anonymous, type Definition, none, saga, step } from '#dist/definition/index.js'

const noop = { commit: () => {}, rollback: () => {} }

const trip = saga<{ to: string }>('trip')
  .step('flight', { ...noop, timeout: '2s', retry: { attempts: 3, min: '1s' }, verify: () => 'never' })
  .parallel({ hotel: step({ ...noop, when: () => true }), car: step({ ...noop, throws: 'in_doubt' }) })
  .step('payment', { ...noop, pivot: true, rollbackRetry: { max: 50, factor: 3 } })
  .step('mail', { commit: () => {} })

const backoff = { min: 100, max: 60_000, factor: 2 }

describe('the plan', () => {
  test('names, order and policies, as data', () => {
    expect(trip.plan).toEqual({
      name: 'trip',
      version: '1',
      shape: 'flight > hotel | car > payment! > mail',
      positions: [[0], [1, 2], [3], [4]],
      stuck: { attempts: 10, after: 300_000 },
      steps: [
        {
          name: 'flight',
          position: 0,
          timeout: 2_000,
          pivot: false,
          hasRollback: true,
          hasVerify: true,
          conditional: false,
          throws: 'rejected',
          retry: { attempts: 3, min: 1_000, max: 60_000, factor: 2 },
          rollbackRetry: backoff,
        },
        expect.objectContaining({
          name: 'hotel',
          position: 1,
          timeout: 30_000,
          conditional: true,
          throws: 'rejected',
        }),
        expect.objectContaining({
          name: 'car',
          position: 1,
          conditional: false,
          throws: 'in_doubt',
          retry: { attempts: 1, ...backoff },
        }),
        expect.objectContaining({
          name: 'payment',
          position: 2,
          pivot: true,
          rollbackRetry: { min: 50, max: 50, factor: 3 },
        }),
        expect.objectContaining({
          name: 'mail',
          position: 3,
          hasRollback: false,
          retry: { attempts: Number.POSITIVE_INFINITY, ...backoff },
        }),
      ],
    })
    expect(trip.plan).toBe(trip.plan)
  })

  test('the functions stand beside their steps', () => {
    expect(trip.functions.map((functions) => Object.keys(functions))).toEqual([
      ['commit', 'rollback', 'verify'],
      ['commit', 'rollback', 'when'],
      ['commit', 'rollback'],
      ['commit', 'rollback'],
      ['commit'],
    ])
    expect(trip.anonymous).toBe(false)
  })

  test('none is no rollback', () => {
    const { plan, functions } = saga('read').step('look', { commit: () => 1, rollback: none('read only') })
    expect(plan.steps[0]).toMatchObject({ hasRollback: false })
    expect(functions[0]).not.toHaveProperty('rollback')
  })

  test('a bound that is not given makes room for the one that is', () => {
    const retryOf = (rollbackRetry: object) =>
      saga('s').step('a', { ...noop, rollbackRetry }).plan.steps[0]?.rollbackRetry
    expect(retryOf({ min: '5m' })).toEqual({ min: 300_000, max: 300_000, factor: 2 })
    expect(retryOf({ max: 20 })).toEqual({ min: 20, max: 20, factor: 2 })
  })

  test('the options of the saga', () => {
    const keys = (input: { to: string }) => [input.to]
    const schema = z.object({ to: z.string() })
    const definition = saga('trip', {
      input: schema,
      version: '2.1',
      keys,
      deadline: '1h',
      throws: 'in_doubt',
      stuck: { attempts: 3 },
    })
      .step('a', noop)
      .step('b', { ...noop, throws: 'rejected' })
    expect(definition.plan).toMatchObject({ version: '2.1', stuck: { attempts: 3, after: 300_000 } })
    expect(definition.plan.steps.map((each) => each.throws)).toEqual(['in_doubt', 'rejected'])
    expect(definition).toMatchObject({ deadline: 3_600_000, schema })
    expect(definition.keys?.({ to: 'LIS' } as never)).toEqual(['LIS'])
    expect('keys' in trip || 'schema' in trip || 'deadline' in trip).toBe(false)
  })

  test('functions keep their object: steps may be instances of a class', () => {
    class Booking {
      readonly price = 7
      commit() {
        return this.price
      }
      rollback() {}
    }
    const { functions } = saga('trip').step('flight', new Booking())
    const { commit } = functions[0]!
    expect(commit({} as never)).toBe(7)
  })
})

describe('building', () => {
  test('a builder stays what it was, and branches do not see each other', () => {
    const start = saga('trip').step('a', noop)
    const left = start.step('b', noop).step('c', noop)
    const right = start.step('c', noop).step('b', noop)
    const again = start.step('c', noop)
    expect([start, left, right, again].map((each) => each.plan.shape)).toEqual([
      'a',
      'a > b > c',
      'a > c > b',
      'a > c',
    ])
    expect(start.functions).toHaveLength(1)
  })

  test('two branches from a builder without steps', () => {
    const start = saga('trip')
    expect(start.step('a', noop).plan.shape).toBe('a')
    expect(start.step('b', noop).plan.shape).toBe('b')
  })

  test('a pivot in one branch is none in the other', () => {
    const start = saga('trip').step('a', noop)
    expect(start.step('b', { ...noop, pivot: true }).plan.steps[1]?.pivot).toBe(true)
    expect(start.step('c', { ...noop, pivot: true }).plan.steps[1]?.pivot).toBe(true)
    expect(start.step('d', noop).plan.steps[1]?.retry.attempts).toBe(1)
  })

  interface Loose extends Definition {
    step(name: string, options: object): Loose
  }

  function chain(length: number): Loose {
    let built = saga('long') as unknown as Loose
    for (let index = 0; index < length; index++) built = built.step(`s${index}`, noop)
    return built
  }

  test('scenario 11: 10,000 steps are built at once, one more is refused by name', () => {
    chain(100)
    const start = performance.now()
    const long = chain(maxSteps)
    expect(long.plan.steps).toHaveLength(10_000)
    // Quadratic, it would take a minute; this leaves room for a busy machine.
    expect(performance.now() - start).toBeLessThan(3_000)
    expect(() => long.step('more', noop)).toThrow(
      /^saga 'long': it has more than 10000 steps\n {2}hint: split it/,
    )
  })

  test('a list of 10,001 is refused too', () => {
    expect(() =>
      saga(
        'long',
        Array.from({ length: 10_001 }, () => noop),
      ),
    ).toThrow(DefinitionError)
  })
})

describe('lists', () => {
  test('saga(name, list): steps without a name are called by their place', () => {
    const list = saga(
      'trip',
      [noop, { ...noop, name: 'hotel', timeout: 5 }, { ...noop, pivot: true }, noop],
      { version: '3' },
    )
    expect(list.plan).toMatchObject({
      name: 'trip',
      version: '3',
      shape: 'step-1 > hotel > step-3! > step-4',
    })
    expect(list.plan.steps[1]).toMatchObject({ timeout: 5 })
    expect(list.anonymous).toBe(false)
  })

  test('an item may be an instance of a class, with its name', () => {
    class Hotel {
      name = 'hotel'
      commit() {
        return this.name
      }
      rollback() {}
    }
    const { plan, functions } = saga('trip', [new Hotel()])
    const { commit } = functions[0]!
    expect(plan.shape).toBe('hotel')
    expect(commit({} as never)).toBe('hotel')
  })

  test('a bare list is anonymous, and no two are the same definition', () => {
    const [first, second] = [anonymous([noop]), anonymous([noop])]
    expect(first.anonymous && second.anonymous).toBe(true)
    expect(first.plan.shape).toBe('step-1')
    expect(first.plan.name).not.toBe(second.plan.name)
    expect(() => saga(first.plan.name)).toThrow(DefinitionError)
  })
})
