/**
 * What steps return and throw, and what sagas are called: every odd value is stored as it is, refused, or recorded; none does harm.
 */
import { Orchestrator, type SagaRolledBackError, type Store, saga } from 'backstep'
import { postgresStore } from 'backstep/postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describePostgres, freshSchema } from '../support/postgres.js'
import { stores } from '../support/stores.js'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))
process.on('uncaughtException', (error) => unhandled.push(error))

class Money {
  amount = 1
}

function cycle(): object {
  const ring: { self?: object } = {}
  ring.self = ring
  return ring
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** Made anew for each store, with the words that say where it cannot be stored. */
const unstorable: Record<string, [make: () => unknown, where: RegExp]> = {
  'a BigInt': [() => ({ price: 1n }), /output\.price/],
  'a cycle': [() => cycle(), /output\.self/],
  'a Map': [() => new Map([['a', 1]]), /output.*Map/],
  'a Date': [() => ({ on: new Date(0) }), /output\.on.*Date/],
  'a function': [() => ({ call: () => {} }), /output\.call/],
  'a class instance': [() => [new Money()], /output\[0\]/],
  'a throwing getter': [
    () => ({
      get price(): never {
        throw new Error('no')
      },
    }),
    /output\.price/,
  ],
  'a toJSON': [() => ({ toJSON: () => 1 }), /output/],
  'a NaN': [() => ({ a: [1, Number.NaN] }), /output\.a\[1\]/],
  'an Infinity': [() => Number.NEGATIVE_INFINITY, /output/],
  '2 MB': [() => ({ text: 'x'.repeat(2_000_000) }), /output/],
  'a NUL': [() => ({ name: 'a\0b' }), /output\.name/],
  'a lone surrogate': [() => ({ name: '\ud800' }), /output\.name/],
  'a lone surrogate in a name': [() => ({ '\udc00': 1 }), /output/],
  'a revoked Proxy': [() => revoked(), /output/],
  'a then that throws': [
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      get then(): never {
        throw new Error('no')
      },
    }),
    /output\.then/,
  ],
  'a Symbol': [() => Symbol('s'), /output/],
  // biome-ignore lint/suspicious/noSparseArray: it is what is tested
  'a hole': [() => [1, , 3], /output\[1\]/],
}

const storable: Record<string, [given: unknown, stored: unknown]> = {
  'undefined is absent': [undefined, undefined],
  'undefined members are left out': [{ a: undefined, b: 1 }, { b: 1 }],
  '-0 is 0': [{ a: -0 }, { a: 0 }],
  'null, texts, numbers, nesting': [
    { a: null, b: ['𝛑', '\u2028', 1e300, 5e-324], c: { d: true } },
    { a: null, b: ['𝛑', '\u2028', 1e300, 5e-324], c: { d: true } },
  ],
  'members in another order stay in it': [
    { b: 1, a: 2, 10: 3, 9: 4 },
    { b: 1, a: 2, 10: 3, 9: 4 },
  ],
}

type Describe = (name: string, tests: () => void) => unknown
const places: readonly (readonly [string, Describe, () => Promise<Store>])[] = [
  ...stores.map(({ name, make }) => [name, describe, async () => make().store] as const),
  ['postgres', describePostgres, async () => postgresStore(await freshSchema())],
]

for (const [name, describePlace, open] of places) {
  describePlace(`over ${name}`, () => {
    let orchestrator: Orchestrator
    beforeAll(async () => {
      orchestrator = await Orchestrator.open(await open(), { log: false })
    })
    afterAll(async () => {
      await orchestrator.close()
      expect(unhandled).toEqual([])
    })

    for (const [what, [value, where]] of Object.entries(unstorable)) {
      test(`scenario 8: the result is ${what}: in doubt and rolled back, with the reason`, async () => {
        const rollbacks: unknown[] = []
        const definition = saga(`unstorable-${what.replaceAll(/\W/g, '-').toLowerCase()}`).step('odd', {
          commit: () => value() as never,
          rollback: ({ output }) => void rollbacks.push(output),
          retry: { attempts: 3, min: 1 },
        })
        const error = (await orchestrator
          .run(definition as never)
          .catch((error: unknown) => error)) as SagaRolledBackError
        expect(error).toMatchObject({ code: 'ROLLED_BACK', reason: 'in_doubt', rolledBack: ['odd'] })
        expect(error.cause).toMatchObject({ code: 'UNSTORABLE', message: expect.stringMatching(where) })
        expect(rollbacks).toEqual([undefined])
        const [view] = (await orchestrator.list({ name: definition.plan.name })).sagas
        const journal = (await orchestrator.journal(view?.id ?? '')) ?? []
        expect(journal.filter(({ type }) => type === 'started')).toHaveLength(2)
        expect(journal.find(({ type }) => type === 'failed')).toMatchObject({
          outcome: 'in_doubt',
          cause: 'unstorable',
        })
      })
    }

    for (const [what, [given, stored]] of Object.entries(storable)) {
      test(`scenario 8: ${what}; later steps and the caller see what was stored`, async () => {
        const seen: unknown[] = []
        const definition = saga(`stored-${what.replaceAll(/\W/g, '-').toLowerCase()}`)
          .step('first', { commit: () => given as never, rollback: () => {} })
          .step('then', {
            commit: ({ outputs }) => void seen.push(outputs),
            rollback: () => {},
          })
        const outputs = await orchestrator.run(definition as never, undefined, { id: definition.plan.name })
        const wanted = stored === undefined ? {} : { first: stored }
        expect(seen).toStrictEqual([wanted])
        expect(outputs).toStrictEqual(wanted)
        expect(JSON.stringify(seen[0])).toBe(JSON.stringify(wanted))
        expect((await orchestrator.get(definition.plan.name))?.outputs).toStrictEqual(wanted)
      })
    }

    test('scenario 8: what the step changes afterwards changes nothing', async () => {
      const mine = { list: [1] }
      const seen: unknown[] = []
      const definition = saga('changes-it')
        .step('first', { commit: () => mine, rollback: () => {} })
        .step('then', {
          commit: ({ outputs }) => {
            mine.list.push(2)
            seen.push(outputs.first)
            expect(() => (outputs.first.list as number[]).push(3)).toThrow(TypeError)
          },
          rollback: () => {},
        })
      await orchestrator.run(definition)
      expect(seen).toEqual([{ list: [1] }])
    })

    const big = 'x'.repeat(50_000_000)
    const thrown: Record<string, () => unknown> = {
      undefined: () => undefined,
      null: () => null,
      'a Symbol': () => Symbol('odd'),
      'an object without a prototype': () => Object.create(null),
      'an Error whose message throws': () =>
        Object.defineProperty(new Error('x'), 'message', {
          get() {
            throw new Error('never look')
          },
        }),
      'a revoked Proxy': () => revoked(),
      'a 50 MB message': () => new Error(big),
      'a cyclic cause': () => {
        const error = new Error('round')
        error.cause = error
        return error
      },
      'a function': () => () => {},
      'an Error with odd code and stack': () => Object.assign(new Error('x'), { code: {}, stack: 7 }),
      'a lone surrogate and NUL': () => new Error('a\0\ud800b'),
    }
    for (const [what, make] of Object.entries(thrown)) {
      test(`scenario 9: a commit, and then a rollback, throw ${what}: recorded, truncated, alive`, async () => {
        let rollbacks = 0
        const definition = saga(`throws-${what.replaceAll(/\W/g, '-').toLowerCase()}`)
          .step('before', {
            commit: () => 1,
            rollback: () => {
              if (rollbacks++ === 0) throw make()
            },
            rollbackRetry: { min: 1, max: 1 },
          })
          .step('odd', {
            commit: () => {
              throw make()
            },
            rollback: () => {},
          })
        const { name } = definition.plan
        const error = (await orchestrator
          .run(definition, undefined, { id: name })
          .catch((error: unknown) => error)) as SagaRolledBackError
        expect(error).toMatchObject({ code: 'ROLLED_BACK', step: 'odd', rolledBack: ['before'] })
        expect(error.message.length).toBeLessThan(60_000_000)
        expect(rollbacks).toBe(2)
        const journal = JSON.stringify(await orchestrator.journal(name))
        expect(journal.length).toBeLessThan(30_000)
        expect(await orchestrator.get(name)).toMatchObject({ status: 'rolled_back' })
        // Rebuilt from the journal, as after a restart.
        const outcome = await (await orchestrator.submit(definition, undefined, { id: name })).outcome()
        expect(outcome).toMatchObject({ status: 'rolled_back', error: { step: 'odd' } })
      })
    }

    test('scenario 10: a synchronous throw, a rejection, and a thenable that calls both callbacks are the step’s failure', async () => {
      const both = (first: 'resolve' | 'reject') => ({
        // biome-ignore lint/suspicious/noThenProperty: it is what is tested
        then(resolve: (value: unknown) => void, reject: (reason: unknown) => void) {
          if (first === 'reject') reject(new Error('rejected first'))
          resolve('resolved')
          reject(new Error('and rejected'))
          resolve('again')
          throw new Error('and thrown')
        },
      })
      const ways: Record<string, () => unknown> = {
        sync: () => {
          throw new Error('synchronous')
        },
        async: () => Promise.reject(new Error('asynchronous')),
        thenable: () => both('reject'),
      }
      for (const [way, commit] of Object.entries(ways)) {
        const definition = saga(`way-${way}`).step('one', {
          commit: commit as () => number,
          rollback: () => {},
        })
        await expect(orchestrator.run(definition)).rejects.toMatchObject({ reason: 'rejected', step: 'one' })
      }
      const definition = saga('way-resolves').step('one', {
        commit: (() => both('resolve')) as unknown as () => string,
        rollback: () => {},
      })
      expect(await orchestrator.run(definition)).toEqual({ one: 'resolved' })
    })

    test('scenario 16: ids are found again byte for byte, or refused', async () => {
      const definition = saga('named').step('one', { commit: () => 1, rollback: () => {} })
      const fit = [
        '../x',
        '😀',
        'a b',
        'é',
        'e\u0301',
        'x'.repeat(256),
        '%00',
        '__proto__',
        'constructor',
        '1e3',
        "';--",
      ]
      for (const id of fit) {
        const handle = await orchestrator.submit(definition, undefined, { id })
        expect(handle.id).toBe(id)
        expect(await handle.outcome()).toMatchObject({ status: 'committed' })
        expect((await orchestrator.get(id))?.id).toBe(id)
      }
      const ids = (await orchestrator.list({ name: 'named', limit: 1000 })).sagas.map(({ id }) => id)
      expect(ids.toSorted()).toEqual(fit.toSorted())
      const unfit = ['', ' ', ' a', 'a\n', 'a\0b', 'x'.repeat(10_000), '\ud800', 7, null, {}]
      for (const id of unfit) {
        const odd = id as string
        await expect(orchestrator.submit(definition, undefined, { id: odd })).rejects.toMatchObject({
          code: 'BAD_INPUT',
        })
        await expect(orchestrator.get(odd)).rejects.toMatchObject({ code: 'BAD_INPUT' })
        await expect(orchestrator.cancel(odd, 'why')).rejects.toMatchObject({ code: 'BAD_INPUT' })
      }
      expect((await orchestrator.list({ name: 'named', limit: 1000 })).sagas).toHaveLength(fit.length)
    })
  })
}

test('scenario 10: a value that is no function is refused when the saga is defined', () => {
  for (const commit of [undefined, null, 'x', 7, {}, Promise.resolve()]) {
    const odd = commit as unknown as () => number
    expect(() => saga('odd').step('one', { commit: odd, rollback: () => {} })).toThrow(/one/)
    expect(() => saga('odd').step('one', { commit: () => 1, rollback: odd })).toThrow(/one/)
  }
})

test('scenario 12: duplicate and odd step names are refused when the saga is defined', () => {
  const fine = { commit: () => 1, rollback: () => {} }
  const start = saga('names').step('flight', fine)
  expect(() => start.step('flight' as never, fine)).toThrow(
    expect.objectContaining({ code: 'BAD_DEFINITION', step: 'flight' }),
  )
  const odd = [
    '__proto__',
    'constructor',
    'prototype',
    '',
    ' ',
    'x'.repeat(1_000_000),
    'a|b',
    'a > b',
    'a!',
    'a\0',
    '\ud800',
  ]
  for (const name of odd) {
    expect(() => start.step(name as never, fine)).toThrow(expect.objectContaining({ code: 'BAD_DEFINITION' }))
    expect(() => saga('list', [{ ...fine, name }])).toThrow(
      expect.objectContaining({ code: 'BAD_DEFINITION' }),
    )
    expect(() => saga(name as never)).toThrow(expect.objectContaining({ code: 'BAD_DEFINITION' }))
  }
})
