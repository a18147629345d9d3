/**
 * fold, seen from close by: what overwrites what, and what is left alone.
 */
import { describe, expect, test } from 'vitest'
import type { Chunk, Entry } from '#dist/core/entry.js'
import { fold } from '#dist/core/fold.js'

const begun = (step: string, direction: 'commit' | 'rollback' = 'commit'): Entry => ({
  type: 'started',
  step,
  direction,
  attempt: 2,
})
const failed = (step: string, failures: number, direction: 'commit' | 'rollback' = 'commit'): Entry => ({
  ...{ type: 'failed', step, direction, attempt: failures, outcome: 'in_doubt', cause: 'thrown' },
  ...{ failures, used: failures, crashes: 0, doubt: true, since: 1, error: { name: 'Error', message: 'm' } },
})
const pending = (step: string, polls: number): Entry => ({
  type: 'pending',
  step,
  attempt: polls,
  polls,
  nextAt: 9,
})
const unknown = (step: string): Entry => ({ type: 'verified', step, answer: 'unknown' })

const tail = (...entries: Entry[]): Chunk => ({ seq: 4, at: 70, entries })

describe('an answer overwrites', () => {
  test('the failure before it and the intents of both, and nothing of another step or direction', () => {
    const others = [failed('b', 1), failed('a', 1, 'rollback')]
    expect(fold(tail(failed('a', 1), begun('a'), ...others), [failed('a', 2)])).toEqual([
      ...others,
      failed('a', 2),
    ])
  })

  test('pending the pending before it, but not the failures, which count on their own; nor these the pending', () => {
    expect(fold(tail(failed('a', 1), pending('a', 1), begun('a')), [pending('a', 2)])).toEqual([
      failed('a', 1),
      pending('a', 2),
    ])
    expect(fold(tail(pending('a', 1)), [failed('a', 1)])).toEqual([pending('a', 1), failed('a', 1)])
  })

  test('what nobody knew: a later failure opens the doubt anew', () => {
    expect(fold(tail(failed('a', 1), unknown('a')), [begun('a'), failed('a', 2)])).toEqual([failed('a', 2)])
    expect(fold(tail(unknown('a')), [pending('a', 1)])).toEqual([pending('a', 1)])
    expect(fold(tail(unknown('a')), [failed('a', 1, 'rollback')])).toEqual([
      unknown('a'),
      failed('a', 1, 'rollback'),
    ])
  })
})

describe('what overwrites nothing', () => {
  test('an intent, and the answer that nobody knows', () => {
    expect(fold(tail(failed('a', 1)), [begun('a')])).toEqual([failed('a', 1), begun('a')])
    expect(fold(tail(failed('a', 1), pending('a', 1)), [unknown('a')])).toEqual([
      failed('a', 1),
      pending('a', 1),
      unknown('a'),
    ])
    const open = { ...begun('a'), since: 70 }
    expect(fold(tail(begun('a')), [unknown('a')])).toEqual([open, unknown('a')])
  })
})

test('an intent keeps the time of its chunk, the first one, and nothing else gets a time', () => {
  const first = { ...begun('a'), since: 3 }
  expect(fold(tail(begun('b'), first, pending('c', 1), unknown('d')), [begun('e')])).toStrictEqual([
    { ...begun('b'), since: 70 },
    first,
    pending('c', 1),
    unknown('d'),
    begun('e'),
  ])
})

describe('a chunk is left alone', () => {
  const sure: readonly Entry[] = [
    { type: 'verified', step: 'a', answer: 'never' },
    { type: 'verified', step: 'a', answer: 'committed' },
    { type: 'committed', step: 'a', attempt: 1 },
    { type: 'skipped', step: 'a' },
    { type: 'late', step: 'a', attempt: 1 },
    { type: 'rolling_back', reason: 'rejected' },
    { type: 'rolled_back', step: 'a', attempt: 1 },
    { type: 'retry_requested' },
    { type: 'deadline_passed' },
    { type: 'ended', status: 'committed' },
  ]

  test.each(sure.map((entry) => [entry.type, entry] as const))(
    'with or for a fact that stands: %s',
    (_, entry) => {
      expect(fold(tail(failed('a', 1), entry), [failed('a', 2)])).toBeUndefined()
      expect(fold(tail(failed('a', 1)), [failed('a', 2), entry])).toBeUndefined()
    },
  )

  test('where there is none', () => {
    expect(fold(undefined, [failed('a', 1)])).toBeUndefined()
  })

  test('with more than a hundred entries, both counted', () => {
    const many = (count: number, name = 's') =>
      Array.from({ length: count }, (_, i) => failed(`${name}${i}`, 1))
    expect(fold(tail(...many(99)), many(1, 't'))).toHaveLength(100)
    expect(fold(tail(...many(50)), many(50, 't'))).toHaveLength(100)
    expect(fold(tail(...many(100)), many(1, 't'))).toBeUndefined()
    expect(fold(tail(...many(51)), many(50, 't'))).toBeUndefined()
  })
})
