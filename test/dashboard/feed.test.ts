/** The list as data: what is heard changes it, and trouble comes first. */
import type { SagaSummary } from 'backstep'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arranged, type Filter, heard, inTrouble, matches, pageLength } from '../../dashboard/src/feed.js'
import { ageOf, brief, lasting } from '../../dashboard/src/words.js'

const saga = (n: number, more: Partial<SagaSummary> = {}): SagaSummary => ({
  id: `s${n}`,
  name: 'trip',
  version: '1',
  status: 'running',
  stuck: false,
  blocked: false,
  late: false,
  submittedAt: 0,
  endedAt: null,
  dueAt: null,
  owner: null,
  cursor: String(n),
  ...more,
})

const ids = (rows: readonly SagaSummary[]): string => rows.map(({ id }) => id).join(' ')

const anySaga = fc
  .record({
    n: fc.integer({ min: 1, max: 120 }),
    status: fc.constantFrom('queued', 'running', 'rolling_back', 'committed', 'rolled_back' as const),
    stuck: fc.boolean(),
    blocked: fc.boolean(),
  })
  .map(({ n, ...more }) => saga(n, more))
const anyFilter: fc.Arbitrary<Filter> = fc.constantFrom(
  {},
  { status: 'running' },
  { show: 'stuck' },
  { name: 'trip' },
  { after: '50' },
  { status: 'committed', after: '50' },
)

test('whatever is heard: no saga twice, only what matches, the latest of each, and a list that stays short', () => {
  fc.assert(
    fc.property(fc.array(anySaga), fc.array(anySaga), anyFilter, (given, news, filter) => {
      const before = [...new Map(given.map((one) => [one.id, one])).values()].filter((one) =>
        matches(one, filter),
      )
      const { rows, next } = heard({ rows: before, next: null }, news, filter)
      expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
      expect(rows.filter((row) => !matches(row, filter))).toEqual([])
      for (const row of rows) expect(row).toBe(news.findLast(({ id }) => id === row.id) ?? row)
      expect(rows.filter((row) => !inTrouble(row)).length).toBeLessThanOrEqual(
        Math.max(pageLength, before.length),
      )
      if (filter.after) expect(rows.length).toBeLessThanOrEqual(before.length)
      // Whatever else is known and matches is on the page behind.
      const shown = new Set(ids(rows).split(' '))
      const left = news.filter(
        ({ id }, index) => !shown.has(id) && news.findLastIndex((one) => one.id === id) === index,
      )
      for (const one of left)
        if (matches(one, filter) && !filter.after) expect(Number(one.cursor)).toBeLessThan(Number(next))
    }),
  )
})

test('the page behind begins where this one ends, though many came since it was fetched', () => {
  const rows = Array.from({ length: 50 }, (_, n) => saga(n + 1)).toReversed()
  const news = Array.from({ length: 200 }, (_, n) => saga(n + 51))
  const page = heard({ rows, next: '1' }, news, {})
  expect(ids(page.rows).split(' ').at(-1)).toBe('s201')
  expect(page.next).toBe('201')
  expect(heard({ rows: rows.slice(0, 9), next: null }, [saga(99)], {}).next).toBe(null)
})

test('stuck comes before blocked, blocked before the rest, and the newest first within each', () => {
  const rows = [
    saga(1, { blocked: true }),
    saga(2),
    saga(3, { stuck: true }),
    saga(9),
    saga(5, { stuck: true }),
  ]
  expect(ids(arranged(rows, {}))).toBe('s5 s3 s1 s9 s2')
  expect(ids(arranged(rows, { status: 'running' }))).toBe('s9 s5 s3 s2 s1')
})

test('an ended saga is in no trouble, though it was stuck', () => {
  expect(inTrouble(saga(1, { stuck: true, status: 'rolled_back' }))).toBe(false)
})

test.each([
  [0, '0ms'],
  [850, '850ms'],
  [1_000, '1s'],
  [4_249, '4.2s'],
  [9_999, '10s'],
  [59_999, '1m'],
  [200_000, '3m 20s'],
  [3_600_000, '1h'],
  [187_200_000, '2d 4h'],
  [-1_500, '-1.5s'],
])('%d ms is %s', (ms, text) => {
  expect(lasting(ms)).toBe(text)
})

test.each([
  [9_999, '9,999'],
  [12_345, '12.3 k'],
  [999_499, '999 k'],
  [1_000_000, '1.0 M'],
])('%d is %s where there is little room', (number, text) => {
  expect(brief(number)).toBe(text)
})

test('an age has one unit', () => {
  expect([0, 59_000, 61_000, 7_199_000, 90_000_000].map(ageOf)).toEqual(['now', '59s', '1m', '1h', '1d'])
})
