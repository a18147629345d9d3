/**
 * settle, word for word: the entries as they are written, and which answers yield none.
 */
import { describe, expect, test } from 'vitest'
import { evolveAll } from '#dist/core/evolve.js'
import {
  type CallResult,
  interrupt,
  openAttempts,
  release,
  settle,
  settleVerify,
  suspected,
} from '#dist/core/settle.js'
import type { State } from '#dist/core/state.js'
import { planOf } from './plans.js'
import { tell } from './story.js'

const error = { name: 'Error', message: 'm' }
const rejected: CallResult = { is: 'failed', outcome: 'rejected', cause: 'thrown', error, final: false }
const returned = (output?: string): CallResult => ({ is: 'returned', output, overdue: false })
const first = { step: 0, direction: 'commit', attempt: 1 } as const

const calling = () => tell(planOf('a > b'), []).state
const undoing = () => tell(planOf('a > b'), ['a commits', 'b is rejected']).state

describe('a commit', () => {
  test('that returns: with its output, or without', () => {
    const committed = { type: 'committed', step: 'a', attempt: 1 }
    expect(settle(calling(), first, returned(), 1, 0)).toStrictEqual([committed])
    expect(settle(calling(), first, returned('x'), 1, 0)).toStrictEqual([{ ...committed, output: 'x' }])
    expect(settle(calling(), first, { ...returned('x'), overdue: true } as CallResult, 1, 0)).toStrictEqual([
      { ...committed, output: 'x', overdue: true },
      { type: 'rolling_back', reason: 'timeout', step: 'a' },
    ])
  })

  test('that is rejected: nothing in it that says nothing', () => {
    expect(settle(calling(), first, rejected, 7, 0)).toStrictEqual([
      {
        ...{
          type: 'failed',
          step: 'a',
          direction: 'commit',
          attempt: 1,
          outcome: 'rejected',
          cause: 'thrown',
        },
        ...{ failures: 1, used: 1, crashes: 0, since: 7, error, doubt: false },
      },
    ])
  })

  test('that is called again after a failure: when, and no word of an end', () => {
    const [entry] = settle(tell(planOf('a', { a: { attempts: 2 } }), []).state, first, rejected, 7, 0)
    expect(entry).toStrictEqual({
      ...{ type: 'failed', step: 'a', direction: 'commit', attempt: 1, outcome: 'rejected', cause: 'thrown' },
      ...{ failures: 1, used: 1, crashes: 0, since: 7, error, doubt: false, nextAt: 17 },
    })
  })

  test('that killed its process: as a crash, which uses up no attempt', () => {
    expect(interrupt(calling(), 7, () => 0)).toStrictEqual([
      {
        ...{
          type: 'failed',
          step: 'a',
          direction: 'commit',
          attempt: 1,
          outcome: 'in_doubt',
          cause: 'crash',
        },
        ...{ failures: 1, used: 0, crashes: 1, since: 7, doubt: true, nextAt: 10 },
        error: { name: 'Crash', message: 'the process died during the call', code: 'CRASH' },
      },
    ])
  })

  test('that has failed for minutes is stuck, and not before, whatever the date is', () => {
    const date = 1_800_000_000_000
    const answers = (after: number) => {
      const plan = planOf('a', { a: { attempts: Number.POSITIVE_INFINITY } })
      const { state } = tell(plan, [])
      const once = evolveAll(state, settle(state, first, rejected, date, 0), date)
      return settle(once, { ...first, attempt: 2 }, rejected, date + after, 0)[0]
    }
    expect(answers(299_999)).not.toHaveProperty('stuck')
    expect(answers(300_000)).toMatchObject({ stuck: true, since: date })
  })

  test('whose intent is not in the state yet is judged all the same; one that is behind is not', () => {
    const waiting = tell(planOf('a', { a: { attempts: 3 } }), ['a is rejected']).state
    expect(settle(waiting, { ...first, attempt: 2 }, returned(), 1, 0)).toHaveLength(1)
    expect(settle(waiting, first, returned(), 1, 0)).toEqual([])
    expect(settle(calling(), { ...first, attempt: 2 }, returned(), 1, 0)).toEqual([])
  })

  test('that failed long enough raises no alarm any more on the way back', () => {
    const plan = planOf('a', { a: { attempts: Number.POSITIVE_INFINITY } })
    const failures = Array(4).fill(['a is rejected', 'time passes']).flat()
    const { state } = tell(plan, failures)
    const answer = (of: State) => settle(of, { ...first, attempt: 5 }, rejected, 90, 0)[0]
    expect(answer(state)).toMatchObject({ stuck: true, nextAt: 100 })
    const turned = evolveAll(state, [{ type: 'rolling_back', reason: 'cancelled' }], 90)
    expect(answer(turned)).not.toHaveProperty('stuck')
    expect(answer(turned)).not.toHaveProperty('nextAt')
    expect(answer(turned)).not.toHaveProperty('final')
  })
})

describe('a rollback', () => {
  const attempt = { step: 0, direction: 'rollback', attempt: 1 } as const
  const failed = {
    ...{ type: 'failed', step: 'a', direction: 'rollback', attempt: 1, outcome: 'in_doubt', cause: 'thrown' },
    ...{ failures: 1, used: 1, crashes: 0, since: 7, doubt: true },
  }

  test('is in doubt, whatever it throws', () => {
    expect(settle(undoing(), attempt, rejected, 7, 0)).toStrictEqual([{ ...failed, error, nextAt: 17 }])
  })

  test('that is still going on is called again when it says', () => {
    expect(settle(undoing(), attempt, { is: 'pending', checkAfter: 30 }, 7, 0)).toStrictEqual([
      {
        ...failed,
        error: { name: 'Pending', message: 'the rollback is still going on', code: 'PENDING' },
        nextAt: 37,
      },
    ])
  })

  test('that is given up by a process that closes down has not failed, and is due at once', () => {
    const released = { ...failed, cause: 'aborted', failures: 0, used: 0, nextAt: 7 }
    const closed = { name: 'Aborted', message: 'the process closed down during the call', code: 'CLOSED' }
    expect(release(undoing(), 7)).toStrictEqual([{ ...released, error: closed }])
    const again = tell(planOf('a'), ['a times out', 'a rolls back', 'a 1 lands late', 'it looks']).state
    expect(release(again, 7)).toStrictEqual([{ ...released, attempt: 2, round: 2, error: closed }])
  })
})

test('what is open, and nothing else', () => {
  expect(openAttempts(calling())).toEqual([first])
  expect(openAttempts(undoing())).toEqual([{ step: 0, direction: 'rollback', attempt: 1 }])
  expect(openAttempts(tell(planOf('a > b'), ['a commits', 'b is rejected', 'a rolls back']).state)).toEqual(
    [],
  )
})

describe('a rollback that kills its process', () => {
  const plan = planOf('a > b > c')
  const isSuspected = (...story: string[]) =>
    suspected(tell(plan, ['a commits', 'b commits', 'c is rejected', ...story]).state)

  test('is suspected from its second crash on; one that is open counts', () => {
    expect(isSuspected()).toBe(false)
    expect(isSuspected('killed')).toBe(false)
    expect(isSuspected('killed', 'time passes')).toBe(true)
    expect(isSuspected('killed', 'time passes', 'killed')).toBe(true)
  })

  test('is not once it has failed in another way, or is done', () => {
    const crashed = ['killed', 'time passes', 'killed', 'time passes']
    expect(isSuspected(...crashed)).toBe(true)
    expect(isSuspected(...crashed, 'b fails to roll back')).toBe(false)
    expect(isSuspected(...crashed, 'b fails to roll back', 'time passes')).toBe(false)
    expect(isSuspected(...crashed, 'b rolls back')).toBe(false)
    expect(isSuspected('b fails to roll back', 'time passes', 'b fails to roll back', 'time passes')).toBe(
      false,
    )
  })
})

describe('the answer to a question', () => {
  const plan = planOf('a > b', { a: { hasVerify: true, attempts: 2 } })
  const doubt = () => tell(plan, ['a is in doubt, without effect']).state

  test('is written as it was given', () => {
    const said = (answer: string) => ({ type: 'verified', step: 'a', answer })
    expect(settleVerify(doubt(), 0, { is: 'never' })).toStrictEqual([said('never')])
    expect(settleVerify(doubt(), 0, { is: 'unknown' })).toStrictEqual([said('unknown')])
    expect(settleVerify(doubt(), 0, { is: 'unknown', error })).toStrictEqual([{ ...said('unknown'), error }])
    expect(settleVerify(doubt(), 0, { is: 'committed', output: undefined })).toStrictEqual([
      said('committed'),
    ])
    expect(settleVerify(doubt(), 0, { is: 'committed', output: 'x' })).toStrictEqual([
      { ...said('committed'), output: 'x' },
    ])
  })

  test('never, of a step behind the pivot, spares nothing: it is unknown, with the reason', () => {
    const behind = tell(planOf('a! > b', { b: { hasVerify: true } }), [
      'a commits',
      'b is in doubt, without effect',
    ]).state
    expect(behind.pastPivot).toBe(true)
    expect(settleVerify(behind, 1, { is: 'never' })).toStrictEqual([
      {
        ...{ type: 'verified', step: 'b', answer: 'unknown' },
        error: {
          name: 'VerifyError',
          message: expect.stringMatching(
            /^the service says that it never will commit, and behind the pivot it must/,
          ),
          code: 'NEVER_BEHIND_PIVOT',
        },
      },
    ])
  })

  test('committed turns a saga back whose last attempt it was, for the reason that it failed', () => {
    const last = evolveAll(
      doubt(),
      [
        {
          ...{
            type: 'failed',
            step: 'a',
            direction: 'commit',
            attempt: 2,
            outcome: 'in_doubt',
            cause: 'timeout',
          },
          ...{ failures: 2, used: 2, crashes: 0, doubt: true, since: 1, error },
        },
      ],
      9,
    )
    expect(last.wayBack).toBeUndefined()
    expect(settleVerify(last, 0, { is: 'committed', output: undefined })).toStrictEqual([
      { type: 'verified', step: 'a', answer: 'committed' },
      { type: 'rolling_back', reason: 'timeout', step: 'a' },
    ])
  })

  test('is heard once, but for committed, which says more than all before', () => {
    const asked = tell(plan, ['a is in doubt, without effect', 'a is verified, unknown']).state
    expect(settleVerify(asked, 0, { is: 'unknown' })).toEqual([])
    expect(settleVerify(asked, 0, { is: 'never' })).toEqual([])
    expect(settleVerify(asked, 0, { is: 'committed', output: 'x' })).toHaveLength(1)
  })

  test('is not heard while the next attempt is being called, nor once it stands', () => {
    const unknown = ['a is in doubt, without effect', 'a is verified, unknown', 'time passes']
    for (const story of [unknown, [...unknown, 'a commits']]) {
      const { state } = tell(plan, story)
      expect(state.steps[0]?.doubt).toBe(true)
      expect(settleVerify(state, 0, { is: 'committed', output: 'x' })).toEqual([])
    }
  })

  test('never ends the commit, for the reason that it had failed for, if it had', () => {
    const commitOf = (state: State) => state.steps[0]?.commit
    expect(commitOf(evolveAll(doubt(), settleVerify(doubt(), 0, { is: 'never' }), 1))).toEqual({
      is: 'failed',
      reason: 'in_doubt',
    })
    const once = planOf('a', { a: { hasVerify: true } })
    expect(commitOf(tell(once, ['a times out', 'a is verified, never']).state)).toEqual({
      is: 'failed',
      reason: 'timeout',
    })
  })
})
