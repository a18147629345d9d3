/**
 * explore finds what is planted, by the shortest history, and nothing in what is sound.
 */
import assert from 'node:assert/strict'
import { InDoubt, none, Rejected, saga, step } from 'backstep'
import { ExplorationError, type Explored, explore } from 'backstep/testing'
import { describe, expect, test } from 'vitest'
import { allOrNothing, type Mistakes, Services, trip } from './airline.js'

const input = { to: 'LIS' }
const world = (): Services => new Services()

const sound = (): Promise<Explored> =>
  explore((services: Services) => trip(services), { input, world, invariant: allOrNothing })

async function found(exploration: Promise<unknown>): Promise<ExplorationError> {
  const error = await exploration.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ExplorationError)) throw error ?? new Error('nothing was found')
  return error
}

const explored = (mistakes: Mistakes, more: { readonly faults?: number; readonly replay?: string } = {}) =>
  explore((services: Services) => trip(services, mistakes), {
    input,
    world,
    invariant: allOrNothing,
    ...more,
  })

describe('a sound saga', () => {
  test('holds in every history with up to two faults, of every kind that it can have', async () => {
    const { histories, possible, complete, kinds, simulated, text } = await sound()
    expect(complete).toBe(2)
    expect(histories).toBe(possible)
    expect(histories).toBeGreaterThan(2_000)
    expect(Object.keys(kinds).sort()).toEqual(
      [
        'answerLost',
        'cancelAfter',
        'cancelBefore',
        'cancelWait',
        'cancelWrite',
        'crashAfter',
        'crashBefore',
        'crashWait',
        'deadlineAfter',
        'deadlineBefore',
        'deadlineWait',
        'fails',
        'hangs',
        'hangsAfter',
        'late',
        'lost',
        'notWritten',
        'overdue',
        'rejected',
      ].sort(),
    )
    expect(simulated).toBeGreaterThan(3_600_000)
    expect(text).toContain('every one with up to 2 faults; the invariant holds in each')
  }, 60_000)

  test('with retries, verify, a pivot, when and pending holds, too', async () => {
    const shop = () => ({
      stock: new Set<string>(),
      charged: new Set<string>(),
      sent: new Set<string>(),
      polls: 0,
    })
    const result = await explore(
      (shop: { stock: Set<string>; charged: Set<string>; sent: Set<string>; polls: number }) =>
        saga<undefined>('order')
          .step('stock', {
            commit: ({ idempotencyKey }) => void shop.stock.add(idempotencyKey),
            rollback: ({ commitKey }) => void shop.stock.delete(commitKey),
            retry: { attempts: 2 },
          })
          .step('gift', { commit: () => 'ribbon', rollback: none('a note'), when: () => false })
          .step('charge', {
            commit: ({ idempotencyKey }) => void shop.charged.add(idempotencyKey),
            rollback: ({ commitKey }) => void shop.charged.delete(commitKey),
            verify: ({ commitKey }) => (shop.charged.has(commitKey) ? { committed: undefined } : 'unknown'),
            pivot: true,
          })
          .step('send', { commit: ({ idempotencyKey }) => void shop.sent.add(idempotencyKey) }),
      {
        world: shop,
        faults: 1,
        invariant: ({ world: { stock, charged, sent }, status }) => {
          const wanted = status === 'committed' ? 1 : 0
          assert.deepEqual([stock.size, charged.size, sent.size], [wanted, wanted, wanted])
        },
      },
    )
    expect(result.complete).toBe(1)
    expect(result.kinds.fails).toBeGreaterThan(2)
  }, 60_000)

  test('a bare list is explored as well', async () => {
    const effects = new Set<string>()
    const result = await explore(
      [
        {
          commit: ({ idempotencyKey }) => void effects.add(idempotencyKey),
          rollback: ({ commitKey }) => void effects.delete(commitKey),
        },
      ],
      {
        world: { reset: () => effects.clear() },
        invariant: ({ status }) => effects.size === (status === 'committed' ? 1 : 0),
      },
    )
    expect(result).toMatchObject({ complete: 2, histories: result.possible })
  }, 60_000)
})

describe('what is planted is found, by the shortest history', () => {
  const planted: readonly (readonly [string, Mistakes, string])[] = [
    [
      'a rollback that does nothing without the output',
      { needsOutput: true },
      'commit 1 of flight takes effect, and its answer is lost',
    ],
    [
      'a commit that adds once more when it is called again',
      { countsCalls: true },
      'the process dies before flight committed, hotel started, weather started is written',
    ],
    [
      'a rollback that never succeeds where nothing was booked',
      { strict: true },
      'commit 1 of flight hangs, without effect',
    ],
    [
      'a rollback that takes the second one for the first repeated',
      { deaf: true },
      'commit 1 of flight takes effect after it has been given up',
    ],
    [
      'a rollback that needs what its process remembers',
      { remembers: true },
      'a cancel comes during commit 1 of flight, after its effect; the process dies right after rolling_back is written',
    ],
  ]

  test.each(planted)(
    '%s',
    async (_what, mistakes, fault) => {
      const error = await found(explored(mistakes))
      if (mistakes.strict) expect(error).toMatchObject({ code: 'NEVER_ENDS' })
      else expect(error).toMatchObject({ code: 'INVARIANT_BROKEN', faults: fault.split('; ') })
    },
    60_000,
  )

  test('what takes two faults is found only with two', async () => {
    expect(await explored({ onceOnly: true }, { faults: 1 })).toMatchObject({ complete: 1 })
    const error = await found(explored({ onceOnly: true }))
    expect(error.faults).toHaveLength(2)
    expect(error.message).toContain('it takes 2 faults; with fewer it holds')
  }, 60_000)

  test('a commit that lands unseen is found only where it is asked for, and a participant that refuses it stands it', async () => {
    const unseen = (guarded: boolean) =>
      explore((services: Services) => trip(services, {}, guarded), {
        input,
        world,
        invariant: ({ world: { flights }, status }) => flights.size === (status === 'committed' ? 1 : 0),
        unseen: true,
        faults: 1,
      })
    expect((await found(unseen(false))).faults[0]).toMatch(/takes effect (after|afterwards)/)
    const { kinds } = await unseen(true)
    expect(kinds.stray).toBeGreaterThan(0)
    expect(kinds.strayDeath).toBeGreaterThan(0)
  }, 60_000)
})

describe('the report', () => {
  test('tells the history, marks the fault, names the line, and replays', async () => {
    const error = await found(explored({ needsOutput: true }))
    expect(error.message.replace(/airline.ts:\d+:\d+/, 'airline.ts:…')).toMatchInlineSnapshot(`
      "a history of trip breaks the invariant (it ended rolled_back):
          rolled_back, with [flights, hotels, paid] 1,0,0
        it takes 1 fault; with fewer it holds:
          - commit 1 of flight takes effect, and its answer is lost
        look at rollback 1 of flight, which was called without an output: test/testing/airline.ts:…
        what happened (2l):
            +0.000s  journal: submitted, without keys, input {"to":"LIS"}
                     journal: commit of flight, attempt 1 started
          ▶          commit 1 of flight takes effect, and its answer is lost
            +0.001s  world:   commit 1 of flight has run
            +0.002s  journal: commit of flight, attempt 1 in doubt, InDoubt: explore: the answer was lost
                     journal: rolling back: flight in doubt
                     journal: rollback of flight, attempt 1 started
            +0.003s  world:   rollback 1 of flight has run
            +0.004s  journal: flight rolled back
                     journal: ended: rolled_back
        hint: mend it, then run this history alone with explore(…, { …, replay: '2l' })"
    `)
    expect(error.blame).toMatch(
      /^rollback 1 of flight, which was called without an output: .*airline\.ts:\d+:\d+$/,
    )
    const again = await found(explored({ needsOutput: true }, { replay: error.replay }))
    expect(again.story).toBe(error.story)
    expect(await explored({}, { replay: error.replay })).toMatchObject({ histories: 1 })
  }, 60_000)

  test('the error of the invariant is the cause', async () => {
    const invariant = ({ world: { flights } }: { readonly world: Services }): void =>
      assert.equal(flights.size, 1)
    const error = await found(explore((services: Services) => trip(services), { input, world, invariant }))
    expect(error.cause).toBeInstanceOf(assert.AssertionError)
  })

  test('the same seed samples the same histories, another one others', async () => {
    const sampled = async (seed: number) => {
      const { kinds, histories, complete, text } = await explore((services: Services) => trip(services), {
        input,
        world,
        invariant: allOrNothing,
        histories: 150,
        seed,
      })
      expect({ histories, complete }).toEqual({ histories: 150, complete: 1 })
      expect(text).toContain('and a sample of')
      return kinds
    }
    const first = await sampled(1)
    expect(await sampled(1)).toEqual(first)
    expect(await sampled(2)).not.toEqual(first)
  }, 60_000)
})

describe('bad input is refused, and says what to do', () => {
  const ok = saga('ok', [{ name: 'one', commit: () => 1, rollback: () => {} }])
  const invariant = (): void => {}
  const refused: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
    ['an unknown saga', () => explore(42 as never, { world, invariant }), /this is no saga\n.*saga\(…\)/],
    ['no invariant', () => explore(ok, { world } as never), /there is no invariant\n.*pass what must hold/],
    [
      'a misspelt option',
      () => explore(ok, { world, invariant, fault: 1 } as never),
      /no option fault\n.*faults/,
    ],
    [
      'a world that cannot be reset',
      () => explore(ok, { world: {} as never, invariant }),
      /cannot be reset\n.*reset\(\)/,
    ],
    [
      'a world whose reset throws',
      () => explore(ok, { world: { reset: () => Promise.reject(new Error('no disk')) }, invariant }),
      /could not be made anew: Error: no disk\n.*reset\(\)/,
    ],
    [
      'faults out of range',
      () => explore(ok, { world, invariant, faults: 5 }),
      /faults is no whole number from 0 to 4/,
    ],
    [
      'histories of none',
      () => explore(ok, { world, invariant, histories: 0 }),
      /histories is no whole number/,
    ],
    [
      'a replay that is none',
      () => explore(ok, { world, invariant, replay: 'x' }),
      /replay names no history\n/,
    ],
    [
      'a replay of another saga',
      () => explore(ok, { world, invariant, replay: '99r' }),
      /there is no history 99r/,
    ],
    [
      'a saga function that throws',
      () =>
        explore(
          () => {
            throw new Error('no config')
          },
          { world, invariant },
        ),
      /the function that makes the saga threw: Error: no config/,
    ],
    [
      'an invariant with a mistake of its own',
      () => explore(ok, { world, invariant: ({ world }) => (world as never as { a: { b: string } }).a.b }),
      /the invariant itself threw TypeError: .*\n.*mend it/,
    ],
    [
      'an invariant that answers with a list of problems',
      () => explore(ok, { world, invariant: (() => ['a seat is left']) as never }),
      /the invariant answered an object, which says neither yes nor no\n.*true, false, a text/,
    ],
    [
      'a world that is not as it was',
      () => {
        let runs = 0
        return explore(ok, { world: { reset: () => {} }, invariant: () => ++runs < 2 })
      },
      /held where nothing went wrong, and the next time it did not.*\n.*reset\(\) must undo/,
    ],
    [
      'a saga that does not do the same thing twice',
      () => {
        let runs = 0
        const moody = saga('moody', [
          {
            name: 'one',
            commit: () => {
              if (++runs % 2) throw new Rejected('odd')
            },
            rollback: () => {},
          },
        ])
        return explore(moody, { world, invariant })
      },
      /does not do the same thing twice: .*\n.*chance and ids/,
    ],
  ]

  test.each(refused)('%s', async (_what, attempt, message) => {
    await expect(attempt()).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(message),
    })
  })

  test('a call that never settles', async () => {
    const hangs = saga('hangs', [
      { name: 'one', commit: () => new Promise<number>(() => {}), rollback: () => {} },
    ])
    await expect(explore(hangs, { world, invariant })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/has not settled for 5 s.*\n.*in memory/),
    })
  }, 20_000)
})

test('steps that take real time are waited for, and their own errors are theirs', async () => {
  const real = saga('real', [
    {
      name: 'one',
      commit: () => new Promise<number>((resolve) => setTimeout(resolve, 2, 1)),
      rollback: async () => {},
    },
    {
      name: 'two',
      commit: () => {
        throw new InDoubt('always')
      },
      rollback: async () => {},
    },
  ])
  const result = await explore(real, {
    world,
    faults: 1,
    invariant: ({ status }) => status === 'rolled_back',
  })
  expect(result.complete).toBe(1)
}, 60_000)

test('members of a group fail in every order', async () => {
  const both = { left: new Set<string>(), right: new Set<string>() }
  const member = (effects: Set<string>) =>
    step({
      commit: ({ idempotencyKey }) => void effects.add(idempotencyKey),
      rollback: ({ commitKey }) => void effects.delete(commitKey),
    })
  const group = saga('group').parallel({ left: member(both.left), right: member(both.right) })
  const result = await explore(group, {
    world: {
      reset: () => {
        both.left.clear()
        both.right.clear()
      },
    },
    invariant: ({ status }) => {
      const wanted = status === 'committed' ? 1 : 0
      assert.deepEqual([both.left.size, both.right.size], [wanted, wanted])
    },
  })
  expect(result).toMatchObject({ complete: 2 })
}, 60_000)

describe('a sound saga is never accused', () => {
  const plain = (services: Services, name: 'flights' | 'hotels') => ({
    commit: ({ idempotencyKey }: { readonly idempotencyKey: string }) =>
      void services[name].set(idempotencyKey, ''),
    rollback: ({ commitKey }: { readonly commitKey: string }) => void services[name].delete(commitKey),
  })
  const both = ({
    world: { flights, hotels },
    status,
  }: {
    readonly world: Services
    readonly status: string
  }) => flights.size + hotels.size === (status === 'committed' ? 2 : 0)

  test('whose deadline gives a call up long before its timeout', async () => {
    const hasty = (services: Services) =>
      saga('hasty', { deadline: '10s' })
        .step('one', plain(services, 'flights'))
        .step('two', plain(services, 'hotels'))
    expect(await explore(hasty, { world, invariant: both })).toMatchObject({ complete: 2 })
  }, 60_000)

  test('two of whose commits land late', async () => {
    const group = (services: Services) =>
      saga('group').parallel({ a: step(plain(services, 'flights')), b: step(plain(services, 'hotels')) })
    const late = await explore(group, { world, invariant: both, replay: '2t.3t' })
    expect(late.text).toContain('the history 2t.3t alone; the invariant holds in it')
    await expect(explore(group, { world, invariant: both, replay: '2t.3t.11a' })).rejects.toThrow(
      'there is no history',
    )
  })

  test('whose rollback waits for long, or fails many times before it works', async () => {
    let tries = 0
    const patient = (services: Services) =>
      saga('patient').step('one', {
        ...plain(services, 'flights'),
        rollback: ({ commitKey }) => {
          if (++tries % 13) throw new Error('not yet')
          services.flights.delete(commitKey)
        },
        rollbackRetry: { min: '10m', max: '1h' },
      })
    const invariant = ({
      world: { flights },
      status,
    }: {
      readonly world: Services
      readonly status: string
    }) => flights.size === (status === 'committed' ? 1 : 0)
    const reset = () => {
      tries = 0
      return new Services()
    }
    expect(await explore(patient, { world: reset, invariant, faults: 1 })).toMatchObject({ complete: 1 })
  }, 60_000)

  test('whose schema and steps answer by thenables that take real time, and do their work once for each call', async () => {
    let calls = 0
    const slow = <T>(value: T): PromiseLike<T> => ({
      // biome-ignore lint/suspicious/noThenProperty: as query builders have it
      then: (resolve) => {
        calls++
        return new Promise((done) => setTimeout(done, 1)).then(() => resolve?.(value)) as never
      },
    })
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: async (value: unknown) => ({ value: await slow(value) }),
      },
    }
    const thenable = saga('thenable', { input: schema }).step('one', {
      commit: () => slow(1),
      rollback: () => slow(undefined),
    })
    const invariant = ({ status }: { readonly status: string }) => status === 'committed' || calls > 0
    expect(await explore(thenable, { input: 1, world, invariant, faults: 1 })).toMatchObject({ complete: 1 })
    expect(calls).toBeGreaterThan(25)
  }, 60_000)

  test('a list made anew for each process', async () => {
    const list = (services: Services) => [plain(services, 'flights'), plain(services, 'hotels')]
    expect(await explore(list, { world, invariant: both, faults: 1 })).toMatchObject({ complete: 1 })
  }, 60_000)
})

test('it says whole only of what was whole', async () => {
  const options = { input, world, invariant: allOrNothing }
  const one = await explore((services: Services) => trip(services, { needsOutput: true }), {
    ...options,
    histories: 1,
  })
  expect(one).toMatchObject({ histories: 1, complete: 0 })
  const few = await explore((services: Services) => trip(services), { ...options, histories: 200, faults: 4 })
  expect(few).toMatchObject({ histories: 200, complete: 1 })
}, 60_000)

test('a world so broken that the invariant trips over it is a finding', async () => {
  const booking = (services: Services): string => [...services.flights.keys()][0] as string
  const invariant = ({ world: services, status }: { readonly world: Services; readonly status: string }) =>
    status === 'rolled_back' || booking(services).length > 0
  const forgetful = (services: Services) =>
    saga('forgetful')
      .step('one', {
        commit: ({ attempt }) => void (attempt === 1 && services.flights.set('seat', '')),
        rollback: () => {},
      })
      .step('two', {
        commit: ({ attempt }) => void (attempt > 1 && services.flights.clear()),
        rollback: () => {},
      })
  const error = await found(explore(forgetful, { world, invariant, faults: 1 }))
  expect(error.message).toContain('it threw TypeError')
})

test('a rollback that reads nothing is shown by its source, a step without one by its name', async () => {
  const careless = (services: Services) =>
    saga('careless').step('one', { commit: () => void services.flights.set('seat', ''), rollback: () => {} })
  const invariant = ({ world: { flights }, status }: { readonly world: Services; readonly status: string }) =>
    flights.size === (status === 'committed' ? 1 : 0)
  expect((await found(explore(careless, { world, invariant }))).blame).toBe('rollback 1 of one: () => {}')
  const bare = (services: Services) =>
    saga('bare').step('one', {
      commit: () => void services.flights.set('seat', ''),
      rollback: none('nothing'),
    })
  expect((await found(explore(bare, { world, invariant }))).blame).toBe('one: there is no rollback')
})

test('real timers get their turn while histories run', async () => {
  let turns = 0
  const timer = setInterval(() => turns++, 10)
  const one = (services: Services) =>
    saga('one').step('one', {
      commit: () => void services.flights.set('seat', ''),
      rollback: () => services.flights.clear(),
    })
  const invariant = ({ world: { flights }, status }: { readonly world: Services; readonly status: string }) =>
    flights.size === (status === 'committed' ? 1 : 0)
  const begun = performance.now()
  await explore(one, { world, invariant })
  clearInterval(timer)
  // Every 20 ms of histories, if not of somebody else's.
  expect(turns).toBeGreaterThan(Math.floor((performance.now() - begun) / 200))
}, 60_000)
