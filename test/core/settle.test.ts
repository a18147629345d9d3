/**
 * settle, seen from close by: what the entries of a failure carry, so that the last one says as much as all of them.
 */
import { describe, expect, test } from 'vitest'
import type { Entry } from '#dist/core/entry.js'
import { evolveAll } from '#dist/core/evolve.js'
import {
  type CallResult,
  openAttempts,
  release,
  settle,
  settleCondition,
  settleVerify,
} from '#dist/core/settle.js'
import type { State } from '#dist/core/state.js'
import { planOf } from './plans.js'
import { tell } from './story.js'

const failure = (name: string): CallResult => ({
  is: 'failed',
  outcome: 'in_doubt',
  cause: 'thrown',
  error: { name, message: 'm' },
  final: false,
})

const returned: CallResult = { is: 'returned', output: undefined, overdue: false }

/** Lets the one open rollback of the state fail, and starts the next. */
function failed(state: State, name: string, at: number): readonly [State, Entry | undefined] {
  const [attempt] = openAttempts(state)
  if (!attempt) throw new Error('nothing is open')
  const entries = settle(state, attempt, failure(name), at, 0)
  const next: Entry = { type: 'started', step: 'a', direction: 'rollback', attempt: attempt.attempt + 1 }
  return [evolveAll(state, [...entries, next], at), entries[0]]
}

const rollingBack = () => tell(planOf('a > b'), ['a commits', 'b is rejected']).state

describe('the failures of a step', () => {
  const failedThrice = () => {
    const [once, first] = failed(rollingBack(), 'First', 100)
    const [twice, second] = failed(once, 'Second', 200)
    const [thrice, third] = failed(twice, 'Third', 300)
    return { first, second, third, twice, thrice }
  }

  test('count from the first one, with the first and the last error', () => {
    const { first, second, third, twice } = failedThrice()
    expect(first).toMatchObject({
      failures: 1,
      used: 1,
      crashes: 0,
      since: 100,
      error: { name: 'First' },
      nextAt: 110,
    })
    expect(first).not.toHaveProperty('first')
    expect(second).toMatchObject({
      failures: 2,
      used: 2,
      since: 100,
      first: { name: 'First' },
      error: { name: 'Second' },
    })
    expect(third).toMatchObject({
      failures: 3,
      first: { name: 'First' },
      error: { name: 'Third' },
      stuck: true,
    })
    expect(twice.steps[0]?.undoFailures).toMatchObject({ first: { name: 'First' }, last: { name: 'Second' } })
  })

  test('are kept as they are by a process that closes down, its alarm included', () => {
    expect(release(failedThrice().thrice, 400)).toEqual([
      expect.objectContaining({
        ...{ type: 'failed', direction: 'rollback', attempt: 4, cause: 'aborted', nextAt: 400 },
        ...{ failures: 3, used: 3, since: 100, first: { name: 'First', message: 'm' }, stuck: true },
        error: { name: 'Third', message: 'm' },
      }),
    ])
    expect(release(rollingBack(), 400)).toEqual([
      expect.objectContaining({
        failures: 0,
        used: 0,
        since: 400,
        nextAt: 400,
        error: expect.objectContaining({ code: 'CLOSED' }),
      }),
    ])
    expect(release(rollingBack(), 400)[0]).not.toHaveProperty('stuck')
  })

  test('name their round only from the second on', () => {
    expect(failedThrice().first).not.toHaveProperty('round')
    const { state } = tell(planOf('a'), ['a times out', 'a rolls back', 'a 1 lands late', 'it looks'])
    expect(failed(state, 'Again', 9)[1]).toMatchObject({ round: 2, failures: 1 })
    const [attempt] = openAttempts(state)
    expect(attempt && settle(state, attempt, returned, 9, 0)).toEqual([
      { type: 'rolled_back', step: 'a', attempt: 2, round: 2 },
    ])
  })
})

describe('an attempt that says when to try again', () => {
  const waitAfter = (retryAfter: number | undefined, direction: 'commit' | 'rollback'): number => {
    const { state } = tell(
      planOf('a > b', { b: { attempts: 3 } }),
      direction === 'commit' ? ['a commits'] : ['a commits', 'b is rejected for good'],
    )
    const [attempt] = openAttempts(state)
    const busy = { ...failure('Busy'), ...(retryAfter === undefined ? {} : { retryAfter }) } as CallResult
    const [entry] = attempt ? settle(state, attempt, busy, 1_000, 0) : []
    return entry?.type === 'failed' ? (entry.nextAt ?? Number.NaN) - 1_000 : Number.NaN
  }

  test.each(['commit', 'rollback'] as const)('a %s: waits so long, and never less than its backoff', (of) => {
    expect(waitAfter(undefined, of)).toBe(10)
    expect(waitAfter(5, of)).toBe(10)
    expect(waitAfter(5_000, of)).toBe(5_000)
  })

  test.each([
    ['in doubt: goes on, beyond its retry', ['b is in doubt, with effect', 'time passes'], true],
    ['pending: goes on, beyond its retry', ['b is pending, with effect', 'time passes'], true],
    ['not in doubt: the way back', [], false],
  ])('a pivot %s', (_, before, goesOn) => {
    const { state } = tell(planOf('a > b!'), ['a commits', ...before])
    const [attempt] = openAttempts(state)
    const away = { ...failure('Away'), outcome: 'rejected', retryAfter: 0 } as CallResult
    const [entry] = attempt ? settle(state, attempt, away, 1_000, 0) : []
    expect(entry).toMatchObject({ type: 'failed', outcome: 'rejected' })
    expect(Object.hasOwn(entry ?? {}, 'nextAt')).toBe(goesOn)
  })
})

describe('what the state does not wait for yields no entry', () => {
  const committing = () => tell(planOf('a > b'), ['a commits']).state

  test.each([
    ['a commit that has committed', committing, { step: 0, direction: 'commit', attempt: 1 }],
    [
      'an older attempt',
      () => tell(planOf('a'), ['killed', 'time passes']).state,
      { step: 0, direction: 'commit', attempt: 1 },
    ],
    ['a rollback that was never called', committing, { step: 0, direction: 'rollback', attempt: 1 }],
    [
      'an older rollback',
      () => failed(rollingBack(), 'x', 1)[0],
      { step: 0, direction: 'rollback', attempt: 1 },
    ],
    ['a step that is not there', committing, { step: 7, direction: 'commit', attempt: 1 }],
  ] as const)('%s', (_, make, attempt) => {
    const state = make()
    for (const result of [
      returned,
      failure('x'),
      { is: 'released' },
      { is: 'pending', checkAfter: 1 },
    ] as const)
      expect(settle(state, attempt, result, 1, 0)).toEqual([])
  })

  test('the answer to a question that nobody has', () => {
    const { state } = tell(planOf('a > b', { a: { hasVerify: true } }), [])
    for (const answer of [{ is: 'never' }, { is: 'unknown' }, { is: 'committed', output: 1 }] as const) {
      expect(settleVerify(state, 0, answer)).toEqual([])
      expect(settleVerify(state, 7, answer)).toEqual([])
      // Not in doubt, though it waits.
      const waiting = tell(planOf('a', { a: { attempts: 2, hasVerify: true } }), ['a is rejected']).state
      expect(settleVerify(waiting, 0, answer)).toEqual([])
    }
  })
})

test('a condition that throws is final, however often its commit may be tried', () => {
  const { state } = tell(planOf('a', { a: { conditional: true, attempts: 5 } }), [], { queued: true })
  const [entry] = settleCondition(state, 0, { name: 'Error', message: 'm' }, 1, 0)
  expect(entry).toMatchObject({
    type: 'failed',
    attempt: 0,
    cause: 'condition',
    outcome: 'rejected',
    doubt: false,
  })
  expect(entry).not.toHaveProperty('nextAt')
  expect(settleCondition(state, 7, { name: 'Error', message: 'm' }, 1, 0)).toEqual([])
})
