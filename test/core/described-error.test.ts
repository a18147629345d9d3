/** Scenario 9: whatever is thrown is recorded as well as can be, storable and bounded, and can be rebuilt. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  describe as describeThrown,
  maxCauses,
  maxMessage,
  maxStack,
  rebuild,
} from '#dist/core/described-error.js'
import { Rejected } from '#dist/core/errors.js'
import { storable } from '#dist/core/json.js'
import { runs } from './runs.js'

class SoldOut extends Error {}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const throwingEverywhere = new Proxy(
  {},
  {
    get() {
      throw new Error('no')
    },
    ownKeys() {
      throw new Error('no')
    },
    getPrototypeOf() {
      throw new Error('no')
    },
    has() {
      throw new Error('no')
    },
  },
)

const withThrowingMessage = Object.defineProperty(new Error('x'), 'message', {
  get() {
    throw new Error('no message')
  },
})

describe('describe', () => {
  test.each<[string, unknown, { name: string; message: string }]>([
    ['undefined', undefined, { name: 'NonError', message: 'undefined was thrown' }],
    ['null', null, { name: 'NonError', message: 'null was thrown' }],
    ['a Symbol', Symbol('odd'), { name: 'NonError', message: 'Symbol(odd) was thrown' }],
    ['a BigInt', 5n, { name: 'NonError', message: '5 was thrown' }],
    ['text', 'no seats', { name: 'NonError', message: 'no seats' }],
    ['a function', () => 1, { name: 'NonError', message: 'a function was thrown' }],
    ['an object without prototype', Object.create(null), { name: 'NonError', message: '{}' }],
    ['a plain object', { status: 409 }, { name: 'NonError', message: '{"status":409}' }],
    [
      'an object that cannot be stored',
      { at: 5n },
      { name: 'NonError', message: 'an object was thrown that cannot be described' },
    ],
    [
      'a revoked Proxy',
      revoked(),
      { name: 'NonError', message: 'an object was thrown that cannot be described' },
    ],
    [
      'an object that throws at every look',
      throwingEverywhere,
      { name: 'NonError', message: 'an object was thrown that cannot be described' },
    ],
  ])('%s', (_name, thrown, expected) => {
    expect(describeThrown(thrown)).toStrictEqual(expected)
  })

  test('an Error: name, message, code, stack and cause', () => {
    const thrown = Object.assign(
      new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) }),
      {
        code: 5,
      },
    )
    const { stack, cause, ...rest } = describeThrown(thrown)
    expect(rest).toEqual({ name: 'TypeError', message: 'fetch failed', code: '5' })
    expect(stack).toMatch(/^TypeError: fetch failed\n {4}at .*described-error\.test\.ts/)
    expect(cause).toMatchObject({ name: 'Error', message: 'reset', code: 'ECONNRESET' })
  })

  test('a class that did not name itself', () => {
    expect(describeThrown(new SoldOut('none left'))).toMatchObject({ name: 'SoldOut', message: 'none left' })
  })

  test('who says nothing of what he is, or something else than a text, is called what is known', () => {
    const nameOf = (thrown: object) => describeThrown(thrown).name
    expect(nameOf(Object.assign(new SoldOut('x'), { name: '' }))).toBe('SoldOut')
    expect(nameOf(new (class extends Error {})('x'))).toBe('Error')
    expect(nameOf(new (class {})())).toBe('NonError')
    expect(nameOf({ name: 'Error', constructor: { name: 'Fake' } })).toBe('Error')
    const odd = { message: 'm', name: 5, code: '', stack: 'no frames' }
    expect(describeThrown(odd)).toStrictEqual({ name: 'NonError', message: 'm' })
  })

  test('a message that throws when it is read', () => {
    expect(describeThrown(withThrowingMessage)).toMatchObject({ name: 'Error' })
  })

  test('a message of 50 MB is cut, and so is its stack', () => {
    const described = describeThrown(new Error('é'.repeat(50_000_000)))
    expect(described.message).toHaveLength(maxMessage)
    expect(described.message.endsWith('é…')).toBe(true)
    expect(described.stack?.length).toBeLessThanOrEqual(maxStack)
    expect(described.stack).toContain('\n    at ')
  })

  test('a message of just the right length is whole; of a longer one, what is left can be stored', () => {
    expect(describeThrown('x'.repeat(maxMessage)).message).toBe('x'.repeat(maxMessage))
    expect(describeThrown(`\0${'x'.repeat(maxMessage)}`).message).toBe(`\ufffd${'x'.repeat(maxMessage - 2)}…`)
  })

  test('a cut never leaves half of a character', () => {
    for (const lead of ['', 'x']) {
      const described = describeThrown(new Error(lead + '\u{1f600}'.repeat(5_000)))
      expect(storable(described)).toMatchObject({ ok: true })
      expect(described.message.length).toBeLessThanOrEqual(maxMessage)
    }
  })

  test('a cyclic cause ends where it began', () => {
    const first = new Error('first')
    const second = new Error('second', { cause: first })
    first.cause = second
    expect(messages(describeThrown(first))).toEqual(['first', 'second'])
  })

  test.each([maxCauses + 1, 10_000])(`of %i causes ${maxCauses} are followed`, (depths) => {
    let error = new Error('0')
    for (let depth = 1; depth <= depths; depth++) error = new Error(`${depth}`, { cause: error })
    expect(messages(describeThrown(error))).toHaveLength(1 + maxCauses)
  })

  test('causes that are no errors', () => {
    expect(describeThrown(new Error('x', { cause: 'why' })).cause).toEqual({
      name: 'NonError',
      message: 'why',
    })
    expect(describeThrown(new Error('x', { cause: null })).cause).toEqual({
      name: 'NonError',
      message: 'null was thrown',
    })
  })

  test('an AggregateError names the first of its errors', () => {
    const errors = [new Error('a'), 'b', { message: 'c' }, new Error('d'), new Error('e')]
    expect(describeThrown(new AggregateError(errors, 'all failed')).message).toBe(
      'all failed [a; b; c; and 2 more]',
    )
    expect(describeThrown(new AggregateError(errors.slice(0, 3), 'all failed')).message).toBe(
      'all failed [a; b; c]',
    )
    expect(describeThrown(new AggregateError(['x'.repeat(1_000), 'y'], 'both')).message).toBe(
      `both [${'x'.repeat(maxMessage / 5)}; y]`,
    )
    expect(describeThrown(new AggregateError([5, null], '')).message).toBe(
      ' [an error without a message; an error without a message]',
    )
  })

  test('NUL and lone surrogates are replaced', () => {
    const thrown = Object.assign(new Error('a\0b\ud83d'), { name: 'N\0', code: 'C\ude00' })
    expect(describeThrown(thrown)).toMatchObject({
      name: 'N\ufffd',
      message: 'a\ufffdb\ufffd',
      code: 'C\ufffd',
    })
    expect(describeThrown(new Error('fine \u{1f600}')).message).toBe('fine \u{1f600}')
  })

  test('a Rejected is an answer, not a fault: no stack', () => {
    const described = describeThrown(new Rejected('no seats', { cause: new Error('409') }))
    expect(described).toMatchObject({ name: 'Rejected', message: 'no seats', cause: { message: '409' } })
    expect(described.stack).toBeUndefined()
    expect(described.cause?.stack).toBeDefined()
  })

  test('whatever is thrown, what is kept can be stored, is small, and can be rebuilt', () => {
    const anything = fc.oneof(
      fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true }),
      fc.record({
        name: fc.anything(),
        message: fc.anything(),
        code: fc.anything(),
        stack: fc.anything(),
        cause: fc.anything(),
        errors: fc.anything(),
      }),
      fc.string({ unit: 'binary', maxLength: 5_000 }).map((message) => new Error(message)),
    )
    fc.assert(
      fc.property(anything, (thrown) => {
        const described = describeThrown(thrown)
        const result = storable(described)
        expect(result).toMatchObject({ ok: true })
        expect(result.ok && result.bytes).toBeLessThan(150_000)
        expect(describeThrown(rebuild(described)).message).toBe(described.message)
      }),
      { numRuns: runs(500) },
    )
  })
})

describe('rebuild', () => {
  test('gives back an Error as it was', () => {
    const original = Object.assign(new RangeError('too far', { cause: new SoldOut('none left') }), {
      code: 'FAR',
    })
    const rebuilt = rebuild(JSON.parse(JSON.stringify(describeThrown(original))))
    expect(rebuilt).toBeInstanceOf(Error)
    expect(rebuilt).toMatchObject({ name: 'RangeError', message: 'too far', code: 'FAR' })
    expect(rebuilt.stack).toBe(original.stack)
    expect(rebuilt.cause).toMatchObject({ name: 'SoldOut', message: 'none left' })
    expect(Object.keys(rebuilt)).toEqual(['code'])
  })

  test('gives an Error to which may be added what any other lets one add', () => {
    const rebuilt = rebuild({ name: 'Rejected', message: 'no seats' })
    rebuilt.stack = `in step flight: ${rebuilt.stack}`
    expect(rebuilt.stack).toBe('in step flight: Rejected: no seats')
    expect(Reflect.deleteProperty(rebuilt, 'name')).toBe(true)
    expect(rebuilt.name).toBe('Error')
  })

  test('without a stack it does not point at whoever rebuilt it', () => {
    const rebuilt = rebuild({ name: 'Rejected', message: 'no seats' })
    expect(rebuilt.stack).toBe('Rejected: no seats')
    expect('cause' in rebuilt).toBe(false)
    expect('code' in rebuilt).toBe(false)
  })
})

function messages(error: { message: string; cause?: unknown } | undefined): string[] {
  return error ? [error.message, ...messages(error.cause as typeof error)] : []
}
