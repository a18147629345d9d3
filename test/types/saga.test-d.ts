/** Pins what the compiler infers from a definition, and what it refuses. */
import pino from 'pino'
import { describe, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  anonymous,
  type CommitContext,
  type Definition,
  type InputOf,
  type ListOutputs,
  type Logger,
  none,
  type OutputsOf,
  pending,
  saga,
  step,
  type Verdict,
} from '#dist/definition/index.js'

interface Trip {
  readonly from: string
  readonly to: string
}

interface Tree {
  readonly name: string
  readonly children: readonly Tree[]
}

const nothing = none('a test')
const flown = saga<Trip>('trip').step('flight', {
  commit: async ({ input }) => ({ id: 1, price: input.from.length }),
  rollback: ({ output }) => output?.id,
})

describe('what functions receive', () => {
  test('commit: the input, and the outputs of earlier steps', () => {
    flown.step('hotel', {
      commit: (context) => {
        expectTypeOf(context.input).toEqualTypeOf<Trip>()
        expectTypeOf(context.outputs.flight).toEqualTypeOf<{ id: number; price: number }>()
        expectTypeOf(context.idempotencyKey).toEqualTypeOf<string>()
        expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>()
        expectTypeOf(context.deadline).toEqualTypeOf<number>()
        expectTypeOf(context.log).toEqualTypeOf<Logger>()
        expectTypeOf(context).toHaveProperty('token')
        expectTypeOf(context).not.toHaveProperty('output')
        expectTypeOf(context).not.toHaveProperty('commitKey')
        // @ts-expect-error: its own output is not there yet
        void context.outputs.hotel
        return 'Ritz'
      },
      rollback: nothing,
    })
  })

  test('rollback: its own output, which may be absent', () => {
    flown.step('hotel', {
      commit: async () => 'Ritz',
      rollback: (context) => {
        expectTypeOf(context.output).toEqualTypeOf<string | undefined>()
        expectTypeOf(context.commitKey).toEqualTypeOf<string>()
        expectTypeOf(context.outputs.flight.price).toEqualTypeOf<number>()
      },
    })
  })

  test('rollback written before commit: its output is not inferred, and that shows', () => {
    flown.step('hotel', {
      rollback: ({ output }) => {
        expectTypeOf(output).toEqualTypeOf<unknown>()
      },
      commit: async ({ input }) => input.to,
    })
  })

  test('when: input and outputs', () => {
    flown.step('hotel', {
      when: ({ input, outputs }) => {
        expectTypeOf(input).toEqualTypeOf<Trip>()
        return outputs.flight.price > 5
      },
      commit: () => 1,
      rollback: nothing,
    })
    // @ts-expect-error: a when is synchronous
    flown.step('hotel', { when: async () => true, commit: () => 1, rollback: nothing })
  })

  test('verify: the key of the commit; it answers with its output', () => {
    flown.step('hotel', {
      commit: async () => ({ room: 5 }),
      rollback: nothing,
      verify: async (context) => {
        expectTypeOf(context.commitKey).toEqualTypeOf<string>()
        expectTypeOf(context.outputs.flight.id).toEqualTypeOf<number>()
        return context.attempt > 1 ? { committed: { room: 5 } } : 'unknown'
      },
    })
    flown.step('hotel', {
      commit: async () => ({ room: 5 }),
      rollback: nothing,
      // @ts-expect-error: the commit's output has a room
      verify: () => ({ committed: { floor: 5 } }),
    })
    // @ts-expect-error: a verdict is 'never', 'unknown' or { committed }
    flown.step('hotel', { commit: () => 1, rollback: nothing, verify: () => 'committed' })
    expectTypeOf<'never'>().toExtend<Verdict<number>>()
  })

  test('steps can be written apart', () => {
    const commit = async ({ input, outputs }: CommitContext<Trip, { flight: { id: number } }>) =>
      `${input.to}${outputs.flight.id}`
    expectTypeOf<OutputsOf<ReturnType<typeof add>>>().toHaveProperty('hotel').toEqualTypeOf<string>()
    function add() {
      return flown.step('hotel', { commit, rollback: ({ output }) => output?.length })
    }
  })
})

describe('outputs', () => {
  test('of steps, of groups, of those with a when, of those that return nothing', () => {
    const trip = flown
      .parallel({
        hotel: step({ commit: async () => ['Ritz', 5], rollback: nothing }),
        car: step({ when: () => true, commit: ({ outputs }) => outputs.flight.id, rollback: nothing }),
      })
      .step('visa', {
        when: ({ input }) => input.to === 'x',
        commit: () => ({ ok: true }),
        rollback: nothing,
      })
      .step('mail', { commit: async () => {}, rollback: nothing })
    expectTypeOf<OutputsOf<typeof trip>>().toEqualTypeOf<{
      readonly flight: { id: number; price: number }
      readonly hotel: (string | number)[]
      readonly car?: number
      readonly visa?: { ok: boolean }
      readonly mail: undefined
    }>()
    expectTypeOf<InputOf<typeof trip>>().toEqualTypeOf<Trip>()
    trip.step('last', {
      commit: ({ outputs }) => {
        expectTypeOf(outputs.car).toEqualTypeOf<number | undefined>()
        expectTypeOf(outputs.visa).toEqualTypeOf<{ ok: boolean } | undefined>()
        expectTypeOf(outputs.hotel).toEqualTypeOf<(string | number)[]>()
      },
      rollback: nothing,
    })
  })

  test('pending is none', () => {
    const paid = flown.step('payment', {
      commit: async ({ attempt }) => (attempt === 1 ? pending({ checkAfter: '30s' }) : { receipt: 'r' }),
      rollback: ({ output }) => {
        expectTypeOf(output).toEqualTypeOf<{ receipt: string } | undefined>()
      },
    })
    expectTypeOf<OutputsOf<typeof paid>['payment']>().toEqualTypeOf<{ receipt: string }>()
  })

  test('any and unknown pass: nothing is known against them', () => {
    const loose = flown
      .step('a', { commit: async () => JSON.parse('1'), rollback: nothing })
      .step('b', { commit: async (): Promise<unknown> => 1, rollback: nothing })
    expectTypeOf<OutputsOf<typeof loose>['a']>().toBeAny()
    expectTypeOf<OutputsOf<typeof loose>['b']>().toBeUnknown()
  })
})

describe('outputs that cannot be stored are refused', () => {
  test('in the return type, so that inference stands', () => {
    const dated = flown.step('hotel', {
      commit: () => ({ at: new Date() }),
      rollback: ({ output }) => {
        expectTypeOf(output).toEqualTypeOf<{ at: Date } | undefined>()
      },
    })
    expectTypeOf(dated).not.toExtend<Definition>()
    // @ts-expect-error: there is no .step on what is no definition
    void dated.step
    expectTypeOf(dated)
      .toHaveProperty('the output of this step cannot be stored as JSON')
      .toEqualTypeOf<'hotel'>()
  })

  test('in a group, naming the members', () => {
    const group = flown.parallel({
      hotel: step({ commit: () => 1, rollback: nothing }),
      car: step({ commit: () => new Map([[1, 2]]), rollback: nothing }),
    })
    expectTypeOf(group).not.toExtend<Definition>()
    expectTypeOf(group)
      .toHaveProperty('the output of this step cannot be stored as JSON')
      .toEqualTypeOf<'car'>()
  })

  test('each kind', () => {
    expectTypeOf(flown.step('x', { commit: () => 5n, rollback: nothing })).not.toExtend<Definition>()
    expectTypeOf(flown.step('x', { commit: () => Symbol(), rollback: nothing })).not.toExtend<Definition>()
    expectTypeOf(flown.step('x', { commit: () => () => 1, rollback: nothing })).not.toExtend<Definition>()
    expectTypeOf(
      flown.step('x', { commit: () => ({ f() {} }), rollback: nothing }),
    ).not.toExtend<Definition>()
    expectTypeOf(
      flown.step('x', { commit: () => [new Set([1])], rollback: nothing }),
    ).not.toExtend<Definition>()
    expectTypeOf(
      flown.step('x', { commit: () => new Error('x'), rollback: nothing }),
    ).not.toExtend<Definition>()
    expectTypeOf(
      flown.step('x', { commit: () => Buffer.from(''), rollback: nothing }),
    ).not.toExtend<Definition>()
    expectTypeOf(
      flown.step('x', { commit: () => new URL('a:b'), rollback: nothing }),
    ).not.toExtend<Definition>()
  })

  test('and what can be is not', () => {
    const options = { rollback: nothing }
    expectTypeOf(
      flown.step('x', { commit: (): Tree => ({ name: '', children: [] }), ...options }),
    ).toExtend<Definition>()
    expectTypeOf(flown.step('x', { commit: (): Trip | null => null, ...options })).toExtend<Definition>()
    expectTypeOf(
      flown.step('x', { commit: (): { a?: string; b: 1 | 'c' } => ({ b: 1 }), ...options }),
    ).toExtend<Definition>()
    expectTypeOf(
      flown.step('x', { commit: () => [1, 'a', true] as const, ...options }),
    ).toExtend<Definition>()
  })
})

describe('names', () => {
  test('two of a name are refused', () => {
    // @ts-expect-error: there is a step named flight already
    const twice = () => flown.step('flight', { commit: () => 1, rollback: nothing })
    // @ts-expect-error: in a group too
    const group = () => flown.parallel({ flight: step({ commit: () => 1, rollback: nothing }) })
    const conditional = flown.step('car', { when: () => true, commit: () => 1, rollback: nothing })
    // @ts-expect-error: with a when too
    const again = () => conditional.step('car', { commit: () => 1, rollback: nothing })
    void [twice, group, again]
  })
})

describe('rollback and pivot', () => {
  test('a rollback is required before the pivot, and optional behind it', () => {
    // @ts-expect-error: rollback is missing
    const missing = () => flown.step('hotel', { commit: () => 1 })
    // @ts-expect-error: in a group too
    const missingInGroup = () => flown.parallel({ hotel: step({ commit: () => 1 }) })
    const paid = flown.step('payment', { commit: () => ({ receipt: 'r' }), rollback: nothing, pivot: true })
    const mailed = paid
      .step('mail', { commit: ({ outputs }) => outputs.payment.receipt })
      .step('log', { commit: () => 1 })
    expectTypeOf<OutputsOf<typeof mailed>['mail']>().toEqualTypeOf<string>()
    void [missing, missingInGroup]
  })

  test('pivot: false is none', () => {
    const plain = flown.step('payment', { commit: () => 1, rollback: nothing, pivot: false })
    // @ts-expect-error: rollback is missing
    const missing = () => plain.step('mail', { commit: () => 1 })
    void missing
  })

  test('behind the pivot there is no second one and no count of attempts', () => {
    const paid = flown.step('payment', { commit: () => 1, rollback: nothing, pivot: true })
    // @ts-expect-error: a second pivot
    const second = () => paid.step('mail', { commit: () => 1, pivot: true })
    // @ts-expect-error: it is tried until it succeeds
    const counted = () => paid.step('mail', { commit: () => 1, retry: { attempts: 3 } })
    paid.step('mail', { commit: () => 1, retry: { min: '1s' } })
    void [second, counted]
  })

  test('none needs a reason', () => {
    // @ts-expect-error: no reason
    const unreasoned = () => none()
    void unreasoned
  })
})

describe('the saga', () => {
  test('with a schema, callers see what goes in and steps see what comes out', () => {
    const schema = z.object({ seats: z.string().transform(Number), note: z.string().default('') })
    const booking = saga('booking', {
      input: schema,
      keys: (input) => {
        expectTypeOf(input).toEqualTypeOf<{ seats: number; note: string }>()
        return [`seats:${input.seats}`]
      },
      deadline: '1h',
    }).step('seat', {
      commit: ({ input }) => {
        expectTypeOf(input).toEqualTypeOf<{ seats: number; note: string }>()
      },
      rollback: nothing,
    })
    expectTypeOf<InputOf<typeof booking>>().toEqualTypeOf<{ seats: string; note?: string | undefined }>()
  })

  test('keys see the input', () => {
    saga<Trip>('trip', {
      keys: (input) => {
        expectTypeOf(input).toEqualTypeOf<Trip>()
        return [input.to]
      },
    })
    // @ts-expect-error: a list of text
    saga<Trip>('trip', { keys: (input) => input.to })
    // @ts-expect-error: an unknown option
    saga<Trip>('trip', { timeout: 5 })
  })

  test('without input', () => {
    const plain = saga('plain').step('a', {
      commit: ({ input }) => expectTypeOf(input).toEqualTypeOf<undefined>() && 1,
      rollback: nothing,
    })
    expectTypeOf<InputOf<typeof plain>>().toEqualTypeOf<undefined>()
  })

  test('without a step it is no definition', () => {
    expectTypeOf(saga('empty')).not.toExtend<Definition>()
  })

  test('any definition is a Definition', () => {
    expectTypeOf(flown).toExtend<Definition>()
    const definitions: Definition[] = [flown, saga('list', [{ commit: () => 1, rollback: nothing }])]
    void definitions
  })

  test('lists', () => {
    const list = saga<Trip>('trip', [
      {
        commit: ({ input, outputs }) => {
          expectTypeOf(input).toEqualTypeOf<Trip>()
          expectTypeOf(outputs).toEqualTypeOf<Readonly<ListOutputs>>()
          return input.to
        },
        rollback: ({ output }) => {
          expectTypeOf(output).toEqualTypeOf<unknown>()
        },
      },
      { name: 'hotel', commit: async () => {}, rollback: nothing, timeout: '2s' },
    ])
    expectTypeOf<InputOf<typeof list>>().toEqualTypeOf<Trip>()
    expectTypeOf<OutputsOf<typeof list>>().toEqualTypeOf<ListOutputs>()
    // @ts-expect-error: rollback is missing
    const missing = () => anonymous([{ commit: () => 1 }])
    void missing
  })
})

test('pino and console are loggers', () => {
  expectTypeOf(pino()).toExtend<Logger>()
  expectTypeOf(console).toExtend<Logger>()
})
