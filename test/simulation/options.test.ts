/**
 * Options are checked before any effect, and refused by name.
 */
import { expect, test } from 'vitest'
import { readOptions } from '#dist/simulation/options.js'

test('the defaults book a thousand trips one after the other', () => {
  const { seed, ...rest } = readOptions({})
  expect(rest).toEqual({
    sagas: 1_000,
    failureRate: 0.05,
    concurrency: 1,
    keys: 0,
    store: undefined,
    workers: 1,
    kill: 0,
    inProcess: false,
  })
  expect(Number.isSafeInteger(seed)).toBe(true)
})

test('text and numbers are both read', () => {
  const given = {
    sagas: '20',
    failureRate: '0.25',
    seed: '0',
    concurrency: 4,
    keys: '3',
    store: 'sqlite:a.db',
    workers: 1,
    kill: 2,
  }
  expect(readOptions(given)).toEqual({
    sagas: 20,
    failureRate: 0.25,
    seed: 0,
    concurrency: 4,
    keys: 3,
    store: 'sqlite:a.db',
    workers: 1,
    kill: 2,
    inProcess: false,
  })
})

test.each([
  [
    'sagas',
    '--sagas',
    ['0', '-1', '1.5', 'many', '', '1e3', Number.NaN, Number.POSITIVE_INFINITY, '10000000'],
  ],
  ['failureRate', '--failure-rate', ['-0.1', '1', '0.95', '5%', Number.NaN]],
  ['seed', '--seed', ['-1', '1.5', 'abc', '9007199254740993']],
  ['concurrency', '--concurrency', ['0', '2.5', '5000']],
  ['keys', '--keys', ['0', 'x']],
  ['kill', '--kill', ['-1', '0.5', '5000']],
  ['workers', '--workers', ['0', '1.5', '65']],
  ['store', '--store', ['', ' ', 7]],
] as const)('%s: refuses what it cannot be, naming %s', (option, flag, values) => {
  for (const value of values) {
    try {
      readOptions({ [option]: value })
      expect.unreachable(`${flag} ${value} was taken`)
    } catch (error) {
      expect(error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringContaining(flag) })
      expect((error as { hint?: string }).hint).toBeTruthy()
    }
  }
})

test('several processes need a store that they can share', () => {
  expect(() => readOptions({ workers: 2, store: 'memory:' })).toThrow(/memory is not shared/)
  expect(readOptions({ workers: 4 }).workers).toBe(4)
})

test('kills need a store that survives them', () => {
  expect(() => readOptions({ kill: 1, store: 'memory:' })).toThrow(/memory/)
})
