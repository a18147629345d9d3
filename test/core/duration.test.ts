/** Durations: what users may write, what is refused, and that nothing long ever turns into "at once". */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { duration, formatDuration } from '#dist/core/duration.js'
import { BadInputError } from '#dist/core/errors.js'

describe('duration', () => {
  test.each([
    [0, 0],
    [1, 1],
    [250, 250],
    ['250ms', 250],
    ['2s', 2_000],
    ['1.5s', 1_500],
    ['0.1s', 100],
    ['1.1s', 1_100],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    [' 30 s ', 30_000],
  ])('%j is %d ms', (written, ms) => {
    expect(duration(written, 'it')).toBe(ms)
  })

  test.each([
    Number.NaN,
    -1,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    2 ** 53,
    '',
    ' ',
    '5',
    's',
    '-1s',
    '+1s',
    '1e3s',
    '1,5s',
    '1w',
    '1 hour',
    '1h30m',
    'Infinitys',
    '1.s',
    '.5s',
    '104249992d',
    '99999999999999999ms',
    null,
    undefined,
    {},
    [],
    true,
    5n,
    Symbol('5s'),
  ])('%p is refused by name', (written) => {
    const reading = () => duration(written, "timeout of step 'flight'")
    expect(reading).toThrow(BadInputError)
    expect(reading).toThrow(/^timeout of step 'flight' .*\n {2}hint: ./)
  })

  test('scenario 4: waits around 2^31 and 2^53 ms are kept exactly', () => {
    for (const ms of [2 ** 31 - 2, 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1]) {
      expect(duration(ms, 'it')).toBe(ms)
      expect(duration(`${ms}ms`, 'it')).toBe(ms)
    }
  })

  test('a duration above zero never becomes zero', () => {
    expect(duration(0.2, 'it')).toBe(1)
    expect(duration('0.0001s', 'it')).toBe(1)
    expect(duration(Number.MIN_VALUE, 'it')).toBe(1)
  })

  test('the caller can throw what suits him', () => {
    const refuse = (message: string): never => {
      throw new RangeError(message)
    }
    expect(() => duration('soon', 'deadline', refuse)).toThrow(
      new RangeError('deadline is no duration: "soon"'),
    )
  })

  test.each([
    [null, 'null'],
    [undefined, 'undefined'],
    [Number.NaN, 'NaN'],
    [true, 'a boolean'],
    [10n, 'a bigint'],
    [() => 1, 'a function'],
    ['x'.repeat(40), `"${'x'.repeat(40)}"`],
    ['x'.repeat(41), `"${'x'.repeat(40)}…"`],
    ['a "b"', '"a \\"b\\""'],
  ])('what is none is shown, if it is short: %#', (value, shown) => {
    expect(() => duration(value, 'it')).toThrow(`it is no duration: ${shown}\n`)
  })

  test('every number of whole milliseconds is kept', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (ms) => {
        expect(duration(ms, 'it')).toBe(ms)
        expect(duration(`${ms}ms`, 'it')).toBe(ms)
      }),
    )
  })

  test('whatever is given, a safe whole number comes out or BadInputError is thrown', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double(),
          fc.string(),
          fc.stringMatching(/^\d{0,17}\.?\d{0,5}(ms|s|m|h|d)$/),
          fc.anything(),
        ),
        (value) => {
          try {
            const ms = duration(value, 'it')
            expect(Number.isSafeInteger(ms) && ms >= 0).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(BadInputError)
          }
        },
      ),
    )
  })
})

describe('formatDuration', () => {
  test.each([
    [0, '0ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_234, '1.23s'],
    [9_999, '10s'],
    [12_345, '12.3s'],
    [59_949, '59.9s'],
    [59_950, '1m'],
    [125_000, '2m 5s'],
    [3_599_999, '1h'],
    [3_600_000, '1h'],
    [5_400_000, '1h 30m'],
    [86_399_999, '1d'],
    [273_600_000, '3d 4h'],
    [Number.NaN, 'NaNms'],
    [-5, '-5ms'],
  ])('%d ms reads %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  test('what it says reads back to within a twentieth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e15 }), (ms) => {
        const back = formatDuration(ms)
          .split(' ')
          .reduce((sum, part) => sum + duration(part, 'it'), 0)
        expect(Math.abs(back - ms) / ms).toBeLessThan(0.05)
      }),
    )
  })
})
