/** Values that throw when they are looked at: then it is as if nothing were there. */
import { expect, test } from 'vitest'
import { read, readItems } from '#dist/core/hostile.js'

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

const throwing = {
  get it(): never {
    throw new Error('do not look')
  },
}

test('a property is read, and is undefined where there is none or reading it throws', () => {
  expect(read({ it: 7 }, 'it')).toBe(7)
  expect(read({}, 'it')).toBeUndefined()
  for (const nothing of [undefined, null, 7]) expect(read(nothing, 'it')).toBeUndefined()
  expect(read(throwing, 'it')).toBeUndefined()
  expect(read(revoked({}), 'it')).toBeUndefined()
})

test('the first items of an array are read, with how many it has', () => {
  expect(readItems([1, 2, 3], 2)).toEqual({ items: [1, 2], length: 3 })
  expect(readItems([1], 2)).toEqual({ items: [1], length: 1 })
  const hostile = Object.defineProperty([1, 2], 1, {
    get: () => {
      throw new Error('do not look')
    },
  })
  expect(readItems(hostile, 5)).toEqual({ items: [1, undefined], length: 2 })
})

test('of what is no array, or cannot be looked at, there are none', () => {
  for (const value of [undefined, null, 7, 'text', {}, { length: 3 }, revoked([1]), revoked({})])
    expect(readItems(value, 3)).toEqual({ items: [], length: 0 })
})
