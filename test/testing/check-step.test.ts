/**
 * checkStep names each property that a step lacks, and none that it has.
 */
import { readFileSync } from 'node:fs'
import { none, pending, Rejected, saga, step } from 'backstep'
import { checkStep, StepCheckError } from 'backstep/testing'
import { describe, expect, test } from 'vitest'

interface Airline {
  readonly seats: Map<string, string>
  readonly refused: Set<string>
  readonly log: string[]
  last: string | undefined
}

const world = (): Airline => ({ seats: new Map(), refused: new Set(), log: [], last: undefined })
const state = ({ seats }: Airline): unknown => seats
const input = { to: 'LIS' }

type Functions = Parameters<typeof flight>[1]

/** A sound step, with one thing done otherwise. */
function flight(
  airline: Airline,
  otherwise: {
    readonly commit?: (key: string) => unknown
    readonly rollback?: (key: string, output: unknown, own: string) => unknown
  } = {},
) {
  const book = (key: string): unknown => {
    airline.seats.set(key, 'LIS')
    return { seat: key }
  }
  return step({
    commit: ({ idempotencyKey }: { idempotencyKey: string }) =>
      (otherwise.commit ?? book)(idempotencyKey) as { seat: string },
    rollback: ({ commitKey, output, idempotencyKey }) =>
      otherwise.rollback
        ? otherwise.rollback(commitKey, output, idempotencyKey)
        : airline.seats.delete(commitKey),
  })
}

async function failsOf(
  otherwise: (airline: Airline) => Functions,
  unseen = false,
): Promise<readonly string[]> {
  const checked = checkStep((airline: Airline) => flight(airline, otherwise(airline)), {
    input,
    world,
    state,
    unseen,
  })
  const error = await checked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error === undefined) return []
  if (!(error instanceof StepCheckError)) throw error
  return error.fails
}

test('a sound step has every property, in words', async () => {
  const { text, holds } = await checkStep((airline: Airline) => flight(airline), { input, world, state })
  expect(holds).toHaveLength(10)
  expect(text).toContain('✓ a commit that is called twice with one key takes effect once')
})

describe('each property is missed where it is missing', () => {
  let serial = 0
  const mistakes: readonly (readonly [string, readonly string[], (airline: Airline) => Functions])[] = [
    ['no effect', ['effect'], () => ({ commit: () => 1 })],
    [
      'an output that cannot be stored',
      ['storable'],
      ({ seats }) => ({ commit: (key) => seats.set(key, 'LIS') && { seat: 1n } }),
    ],
    [
      'a booking for each call, found again by its key',
      ['commitTwice'],
      ({ seats }) => ({
        commit: (key) => seats.set(`${key} ${++serial}`, 'LIS') && 1,
        rollback: (key) => {
          for (const seat of seats.keys()) if (seat.startsWith(key)) seats.delete(seat)
        },
      }),
    ],
    [
      'another answer for each call',
      ['commitTwice'],
      ({ seats }) => ({ commit: (key) => seats.set(key, 'LIS') && ++serial }),
    ],
    [
      'no rollback without the output',
      ['rollbackInDoubt', 'crash'],
      ({ seats }) => ({ rollback: (key, output) => output && seats.delete(key) }),
    ],
    [
      'a rollback that must find something',
      ['rollbackTwice', 'rollbackOfNothing', 'late'],
      ({ seats }) => ({
        rollback: (key) => {
          if (!seats.delete(key)) throw new Error('no such seat')
        },
      }),
    ],
    ['a rollback that clears everything', ['others'], ({ seats }) => ({ rollback: () => seats.clear() })],
    [
      'a rollback that puts back what was there before',
      ['others'],
      ({ seats }) => {
        // Of each key, how many seats were taken before it.
        const before = new Map<string, number>()
        const take = (count: number): unknown => (count > 0 ? seats.set('taken', `${count}`) : seats.clear())
        return {
          commit: (key) => {
            if (before.has(key)) return 1
            const taken = Number(seats.get('taken') ?? 0)
            before.set(key, taken)
            take(taken + 1)
            return 1
          },
          rollback: (key) => {
            const taken = before.get(key)
            before.delete(key)
            if (taken !== undefined) take(taken)
          },
        }
      },
    ],
    [
      'a second rollback taken for the first',
      ['late'],
      (airline) => ({
        rollback: (key) => {
          if (airline.refused.has(key)) return
          airline.refused.add(key)
          airline.seats.delete(key)
        },
      }),
    ],
  ]

  test.each(mistakes)('%s', async (_what, fails, otherwise) => {
    expect(await failsOf(otherwise)).toEqual(fails)
  })

  test('a commit after its rollback, where that is asked for', async () => {
    expect(await failsOf(() => ({}), true)).toEqual(['refused'])
    const guarded = ({ seats, refused }: Airline): Functions => ({
      commit: (key) => {
        if (refused.has(key)) throw new Rejected('rolled back')
        seats.set(key, 'LIS')
        return 1
      },
      rollback: (key) => {
        refused.add(key)
        seats.delete(key)
      },
    })
    expect(await failsOf(guarded, true)).toEqual([])
  })
})

test('says what does not hold, what was seen, and what to do', async () => {
  const bad = (airline: Airline) =>
    flight(airline, { rollback: (key, output) => output && airline.seats.delete(key) })
  await expect(
    checkStep(bad, { input, world, state, except: ['crash', 'others'] }),
  ).rejects.toThrowErrorMatchingInlineSnapshot(`
    [StepCheckError: step step is not what a saga needs:
      ✗ rollbackInDoubt: it does not hold that the rollback undoes the commit also without its output, when nobody knows whether it took effect
          commit and rollback without output left {"one:step:commit":"LIS"}, where there was {}
          find what to undo by \`commitKey\`: \`output\` is absent where the answer of the commit was lost
      hint: a property that it need not have is left out with { except: ['…'] }]
  `)
})

test('the guide lists every property, in the words that a failure uses', async () => {
  const guide = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
  const none = () => ({ commit: () => 1n, rollback: () => {} })
  const error: unknown = await checkStep(none, { world, state: () => Math.random(), unseen: true }).catch(
    (thrown) => thrown,
  )
  const listed = [...guide.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(
    ([, name, says]) => `${name}: it does not hold that ${says}`,
  )
  expect(listed.length).toBeGreaterThan(10)
  for (const line of listed.slice(-11)) if (!line.startsWith('effect')) expect(String(error)).toContain(line)
})

test('a step of a saga, by its name', async () => {
  const trip = (airline: Airline) =>
    saga<{ to: string }>('trip')
      .step('flight', {
        commit: ({ idempotencyKey, input }) => void airline.seats.set(idempotencyKey, input.to),
        rollback: ({ commitKey }) => void airline.seats.delete(commitKey),
      })
      .step('mail', { commit: () => 1, rollback: none('a mail') })
  expect(await checkStep(trip, { step: 'flight', input, world, state })).toMatchObject({ step: 'flight' })
  await expect(checkStep(trip, { step: 'fligth', input, world, state })).rejects.toThrow(
    /saga trip has no step fligth\n.*flight, mail/,
  )
  await expect(checkStep(trip, { step: 'mail', input, world, state })).rejects.toThrow(
    /step mail has no rollback/,
  )
})

test('a commit that is still going on is called until it is done', async () => {
  const polled = (airline: Airline) =>
    step({
      commit: ({ idempotencyKey, attempt }) => {
        airline.seats.set(idempotencyKey, 'LIS')
        return attempt % 2 ? pending({ checkAfter: '1s' }) : 7
      },
      rollback: ({ commitKey }) => void airline.seats.delete(commitKey),
    })
  expect((await checkStep(polled, { world, state })).holds).toHaveLength(10)
})

test('bad input is refused, and says what to do', async () => {
  const plain = { commit: () => 1, rollback: () => {} }
  const good = (airline: Airline) => flight(airline)
  const refused: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => checkStep(good, { input, world: {} as never }), /the world cannot be reset\n.*reset\(\)/],
    [
      () => checkStep(good, { input, world, except: ['all' as never] }),
      /no property all\n.*effect, storable/,
    ],
    [() => checkStep(good, { input, wrold: world } as never), /no option wrold/],
    [() => checkStep((() => 7) as never, { input, world }), /this is no step\n.*commit, rollback/],
    [() => checkStep(good, { input, world, state: () => () => 1 }), /cannot be copied\n.*plain data/],
    [
      () =>
        checkStep(good, {
          input,
          world,
          state: () => {
            throw new Error('no table')
          },
        }),
      /the function state threw: Error: no table/,
    ],
    [
      () =>
        checkStep(
          () => {
            throw new Error('no config')
          },
          { input, world },
        ),
      /the function that makes the step threw: Error: no config/,
    ],
    [
      () => checkStep(saga('two').step('a', plain).step('b', plain), { world }),
      /has several steps\n.*there are: a, b/,
    ],
    [
      () => checkStep({ ...plain, commit: () => Promise.reject(new Error('no input')) }, { world }),
      /before anything can be tried: Error: no input/,
    ],
    [() => checkStep(good, { input, world, except: 'late' as never }), /except is no list/],
  ]
  for (const [attempt, message] of refused)
    await expect(attempt()).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(message),
    })
})
