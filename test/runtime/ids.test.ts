/**
 * Ids are UUIDs of version 7: valid, never the same, and in order of time.
 */
import { randomFillSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { Ids } from '#dist/runtime/ids.js'

const ids = new Ids(randomFillSync)
const uuid = (now: number): string => ids.next(now)
const version7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('100,000 ids of one moment are valid and all different', () => {
  const ids = new Set<string>()
  for (let i = 0; i < 100_000; i++) {
    const id = uuid(1_700_000_000_000)
    if (!version7.test(id)) throw new Error(id)
    ids.add(id)
  }
  expect(ids.size).toBe(100_000)
})

test('every random digit takes every value, and the variant its four', () => {
  const seen = Array.from({ length: 36 }, () => new Set<string>())
  for (let i = 0; i < 2_000; i++) for (const [place, digit] of [...uuid(0)].entries()) seen[place]?.add(digit)
  const random = [15, 16, 17, 20, 21, 22, ...Array.from({ length: 12 }, (_, i) => 24 + i)]
  for (const place of random) expect(seen[place]?.size).toBe(16)
  expect([...(seen[19] ?? [])].sort()).toEqual(['8', '9', 'a', 'b'])
})

test.each([0, 1, 1_700_000_000_000, 2 ** 48 - 1])('the first 48 bits are the time: %i', (now) => {
  expect(Number.parseInt(uuid(now).replace('-', '').slice(0, 12), 16)).toBe(now)
})

test('a later id sorts behind an earlier one', () => {
  expect(uuid(1_700_000_000_001) > uuid(1_700_000_000_000)).toBe(true)
})
