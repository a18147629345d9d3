/** What can be stored: what is accepted reads back as it is, what is not is named with its path, and nothing escapes. */
import vm from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonical, isRounded, maxJsonBytes, maxJsonDepth, type Storable, storable } from '#dist/core/json.js'
import { runs } from './runs.js'

const stored = (value: unknown) => {
  const result = storable(value, 'input')
  if (!result.ok) throw new Error(`${result.path} ${result.reason}`)
  return result.value
}

const refusal = (value: unknown): string => {
  const result: Storable = storable(value, 'input')
  return result.ok ? 'accepted' : `${result.path} ${result.reason}`
}

const nested = (depth: number, inmost: unknown = 1): unknown => {
  let value = inmost
  for (let level = 0; level < depth; level++) value = level % 2 ? [value] : { in: value }
  return value
}

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

describe('what can be stored', () => {
  test('nothing is stored as absent, -0 as 0, undefined properties are left out', () => {
    expect(storable(undefined)).toEqual({ ok: true, value: undefined, bytes: 0 })
    expect(Object.is(stored(-0), 0)).toBe(true)
    expect(Object.is((stored([-0]) as number[])[0], 0)).toBe(true)
    expect(stored({ a: undefined, b: null })).toStrictEqual({ b: null })
  })

  test('the copy is its own, and deeply frozen', () => {
    const input = { passengers: [{ name: 'Ada' }] }
    const copy = stored(input) as typeof input
    input.passengers[0]!.name = 'Eve'
    expect(copy).toEqual({ passengers: [{ name: 'Ada' }] })
    expect(
      Object.isFrozen(copy) && Object.isFrozen(copy.passengers) && Object.isFrozen(copy.passengers[0]),
    ).toBe(true)
    expect(Object.isFrozen(input)).toBe(false)
  })

  test('objects without a prototype, and of another realm', () => {
    expect(stored(Object.assign(Object.create(null), { a: 1 }))).toStrictEqual({ a: 1 })
    expect(stored(vm.runInNewContext('({ list: [{ a: 1 }] })'))).toStrictEqual({ list: [{ a: 1 }] })
    expect(refusal(vm.runInNewContext('({ at: new Date() })'))).toMatch(/^input\.at is a Date/)
  })

  test('symbol keys and non-enumerable properties are ignored, as JSON does', () => {
    const value = { a: 1, [Symbol('s')]: 2 }
    Object.defineProperty(value, 'hidden', { value: 3, enumerable: false })
    expect(stored(value)).toStrictEqual({ a: 1 })
  })

  test('a key named __proto__ is a property like any other', () => {
    const copy = stored(JSON.parse('{"__proto__":{"admin":true},"constructor":1}')) as object
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect((copy as { admin?: boolean }).admin).toBeUndefined()
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"admin":true},"constructor":1}')
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  test('exactly 1 MB, and not a byte more', () => {
    expect(storable('x'.repeat(maxJsonBytes - 2))).toMatchObject({ ok: true, bytes: maxJsonBytes })
    expect(refusal('x'.repeat(maxJsonBytes - 1))).toMatch(/^input takes more than 1048576 bytes/)
    // An é is one character and two bytes; a NUL-free control character is six.
    expect(storable('é'.repeat((maxJsonBytes - 2) / 2))).toMatchObject({ ok: true, bytes: maxJsonBytes })
    expect(refusal('é'.repeat(maxJsonBytes / 2))).toMatch(/takes more than/)
    expect(refusal({ a: { b: '\u0001'.repeat(200_000) } })).toMatch(/^input takes more than/)
    expect(refusal('\u{1f600}'.repeat(300_000))).toMatch(/takes more than/)
  })

  test('each character is counted as JSON writes it', () => {
    for (let code = 1; code < 0x180; code++) {
      const text = String.fromCharCode(code)
      expect(storable(text)).toMatchObject({ ok: true, bytes: Buffer.byteLength(JSON.stringify(text)) })
    }
  })

  test(`${maxJsonDepth} levels deep, and not one more`, () => {
    expect(stored(nested(maxJsonDepth))).toEqual(nested(maxJsonDepth))
    expect(refusal(nested(maxJsonDepth + 1))).toMatch(/^input.*… is nested deeper than 200 levels$/)
    expect(refusal(nested(1_000_000))).toMatch(/deeper/)
  })
})

class Money {
  amount = 5
}

describe('what cannot be stored is named, with its path', () => {
  const cycle: { self?: unknown; list: unknown[] } = { list: [1] }
  cycle.list.push({ back: cycle })
  const throwing = {
    get name(): string {
      throw new Error('no name')
    },
  }
  const longName = 'L'.repeat(500)
  const long: Record<string, new () => object> = { [longName]: class {} }
  const hole = [1, 2]
  hole.length = 3

  test.each<[string, unknown, RegExp]>([
    ['NaN', { a: Number.NaN }, /^input\.a is NaN$/],
    ['Infinity', [1, Number.POSITIVE_INFINITY], /^input\[1\] is Infinity$/],
    ['-Infinity', Number.NEGATIVE_INFINITY, /^input is -Infinity$/],
    ['a BigInt', { a: { b: 5n } }, /^input\.a\.b is a BigInt; store it as text$/],
    [
      'a Date',
      { passengers: [{}, {}, { born: new Date(0) }] },
      /^input\.passengers\[2\]\.born is a Date; store /,
    ],
    ['a Map', new Map(), /^input is a Map; store /],
    ['a Set', new Set(), /^input is a Set; store /],
    ['a RegExp', /x/, /^input is an instance of RegExp/],
    [
      'a class instance',
      { price: new Money() },
      /^input\.price is an instance of Money; store a plain object$/,
    ],
    ['an instance of a nameless class', new (class {})(), /^input is an instance of an unnamed class/],
    ['an object that inherits', Object.create({ a: 1 }), /^input is an instance of Object/],
    [
      'an object that inherits from one without a prototype',
      Object.create(Object.create(null)),
      /^input is an instance of an unnamed class; store a plain object$/,
    ],
    [
      'an object that inherits from one which looks like the root of all',
      Object.create({ isPrototypeOf: () => true }),
      /^input is an instance of Object/,
    ],
    ['a class of a long name', new long[longName]!(), /^input is an instance of L{100}; store/],
    ['an Error', new Error('x'), /^input is an instance of Error/],
    ['a typed array', new Uint8Array(3), /^input is an instance of Uint8Array/],
    ['a Buffer', Buffer.from('x'), /^input is an instance of Buffer/],
    ['a boxed number', Object(5), /^input is an instance of Number/],
    ['a promise', Promise.resolve(), /^input is an instance of Promise/],
    [
      'an array of a class',
      new (class List extends Array {})(),
      /^input is an instance of List; store a plain array$/,
    ],
    ['a function', { a: () => 1 }, /^input\.a is a function$/],
    ['a class', Money, /^input is a function$/],
    ['a symbol', [Symbol('s')], /^input\[0\] is a symbol$/],
    ['a toJSON method', { toJSON: () => 1 }, /^input has a toJSON method$/],
    ['a toJSON method on an array', Object.assign([], { toJSON: () => 1 }), /^input has a toJSON method$/],
    ['undefined in an array', [1, undefined], /^input\[1\] is undefined, in an array$/],
    ['a hole', hole, /^input\[2\] is a hole in an array$/],
    ['nothing but holes', new Array(4_294_967_295), /^input\[0\] is a hole in an array$/],
    ['a cycle', cycle, /^input\.list\[1\]\.back refers back to what holds it$/],
    ['NUL in text', { a: 'a\0b' }, /^input\.a holds a NUL character$/],
    ['NUL in a key', { 'a\0b': 1 }, /^input\["a\\u0000b"\] holds a NUL character$/],
    ['a lone high surrogate', 'a\ud83d', /^input holds a lone surrogate/],
    ['a lone low surrogate', ['\ude00a'], /^input\[0\] holds a lone surrogate/],
    ['a lone surrogate in a key', { '\ud83d': 1 }, /holds a lone surrogate/],
    ['a throwing getter', { a: throwing }, /^input\.a\.name cannot be read: no name$/],
    ['a revoked Proxy', { a: revoked({}) }, /^input\.a cannot be read: /],
    ['a revoked Proxy of an array', revoked([]), /^input cannot be read: /],
    ['an odd key', { 'first name': 5n }, /^input\["first name"\] is a BigInt/],
    ['a long key', { ['k'.repeat(500)]: 5n }, /^input\["k{100}…"\] is a BigInt/],
    ['a key that is just short enough', { ['k'.repeat(100)]: 5n }, /^input\.k{100} is a BigInt/],
    ['an odd key that is just short enough', { ['-'.repeat(100)]: 5n }, /^input\["-{100}"\] is a BigInt/],
    ['twenty levels below', nested(20, 5n), /^input(\[0\]\.in){10} is a BigInt/],
    ['further below', nested(21, 5n), /^input\.in(\[0\]\.in){9}\[0\]… is a BigInt/],
  ])('%s', (_name, value, expected) => {
    expect(refusal(value)).toMatch(expected)
  })

  test('one object in two places is no cycle', () => {
    const shared = { a: 1 }
    expect(stored([shared, shared, { shared }])).toEqual([{ a: 1 }, { a: 1 }, { shared: { a: 1 } }])
  })

  test('objects that share objects cannot blow up: their text is what counts', () => {
    let value: unknown = { text: 'x'.repeat(100) }
    for (let level = 0; level < 60; level++) value = [value, value]
    expect(refusal(value)).toMatch(/takes more than/)
  })

  test('a getter: with the beginning of what it says, if it throws an Error', () => {
    const whose = (thrown: unknown) => ({
      get a(): number {
        throw thrown
      },
    })
    for (const odd of [null, 'text', 5, { message: 'm' }])
      expect(refusal(whose(odd))).toBe('input.a cannot be read')
    expect(refusal(whose(new Error('x'.repeat(1_000))))).toBe(`input.a cannot be read: ${'x'.repeat(200)}`)
  })

  test('a value that nobody has named is called value', () => {
    expect(storable([5n])).toMatchObject({ ok: false, path: 'value[0]' })
  })
})

test('a whole number is rounded if JavaScript has another one in its place, whatever its sign', () => {
  for (const digits of ['9007199254740993', '-9007199254740993', '12345678901234567890'])
    expect(isRounded(digits), digits).toBe(true)
  for (const digits of ['9007199254740992', '-9007199254740992', '0', '-7', '123456789012345'])
    expect(isRounded(digits), digits).toBe(false)
  // What is no whole number of many digits is not judged, though it would be written differently.
  for (const text of ['', '1.50', '1e3', '007', '9007199254740993.5', 'id-9007199254740993', 'a'.repeat(20)])
    expect(isRounded(text), text).toBe(false)
})

describe('properties', () => {
  test('all JSON is accepted, counted to the byte, and reads back as it was returned', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const text = JSON.stringify(value)
        const result = storable(value)
        if (/(?<!\\)(\\\\)*\\u0000/.test(text)) return void expect(result.ok).toBe(false)
        expect(result).toMatchObject({ ok: true, bytes: Buffer.byteLength(text) })
        expect(JSON.parse(JSON.stringify(result.ok && result.value))).toStrictEqual(result.ok && result.value)
      }),
      { numRuns: runs(500) },
    )
  })

  test('anything at all is accepted or refused, never thrown; what is accepted survives its JSON text', () => {
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSparseArray: true,
          withNullPrototype: true,
        }),
        (value) => {
          const result = storable(value)
          if (!result.ok) return void expect(result.reason).not.toBe('')
          if (result.value === undefined) return void expect(value).toBeUndefined()
          const text = JSON.stringify(result.value)
          expect(JSON.parse(text)).toStrictEqual(result.value)
          expect(result.bytes).toBe(Buffer.byteLength(text))
        },
      ),
      { numRuns: runs(1_000) },
    )
  })

  test('canonical text is the same for equal values in any order of keys, and says the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const copy = stored(value)!
        expect(canonical(reversed(copy) as never)).toBe(canonical(copy))
        expect(JSON.parse(canonical(copy))).toEqual(JSON.parse(JSON.stringify(copy)))
      }),
    )
    expect(canonical({ b: [1, { d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[1,{"c":2,"d":1}]}')
    expect(canonical({ a: 1 })).not.toBe(canonical({ a: 2 }))
  })
})

/** The same value with its keys the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  )
}
