/**
 * What may be done to a saga by hand: what is accepted, what is refused with which code, and what it leads to.
 */
import { describe, expect, test } from 'vitest'
import { decide } from '#dist/core/decide.js'
import type { Entry } from '#dist/core/entry.js'
import { evolve, evolveAll, replay } from '#dist/core/evolve.js'
import { planOfShape } from '#dist/core/plan.js'
import type { State } from '#dist/core/state.js'
import { cancel, isStuck, outputsOf, rebind, resolve, retryNow, rolledBackSteps } from '#dist/core/summary.js'
import { planOf } from './plans.js'
import { tell } from './story.js'

const by = { reason: 'looked it up', actor: 'ann' }
const refusal = (answer: ReturnType<typeof cancel>) => ('refused' in answer ? answer.refused : answer.entries)

/** The state as the operator's entries leave it. */
const granted = (state: State, answer: ReturnType<typeof cancel>): State => {
  if ('refused' in answer) throw new Error(answer.why)
  return evolveAll(state, answer.entries, 1)
}

const chain = planOf('a > b', { b: { attempts: 2 } })
// Told anew in each test: mutation testing watches what a test does, not what its file does when it is loaded.
const committing = () => tell(chain, ['a commits']).state
const waiting = () => tell(chain, ['a commits', 'b is rejected']).state
const rollingBack = () =>
  tell(chain, ['a commits', 'b is in doubt, with effect', 'time passes', 'b is rejected']).state
const committed = () => tell(chain, ['a commits', 'b commits']).state
const rolledBack = () => tell(chain, ['a is rejected']).state
const pastPivot = () => tell(planOf('a! > b'), ['a commits']).state

describe('cancel', () => {
  test.each([
    ['committing', committing, [{ type: 'rolling_back', reason: 'cancelled', message: 'no', actor: 'ann' }]],
    ['rolling back', rollingBack, []],
    ['committed', committed, 'ENDED'],
    ['rolled back', rolledBack, 'ENDED'],
    ['past its pivot', pastPivot, 'PAST_PIVOT'],
  ])('of a saga that is %s', (_, make, answer) => {
    expect(refusal(cancel(make(), 'no', 'ann'))).toEqual(answer)
  })

  test('of a late saga that is rolling back again changes nothing', () => {
    const late = evolve(rolledBack(), { type: 'late', step: 'a', attempt: 1 }, 1)
    expect(late.status).toBe('rolling_back')
    expect(refusal(cancel(late, 'no', 'ann'))).toEqual([])
  })
})

describe('who asked', () => {
  test('is journaled where it is known, and nothing where it is not', () => {
    const answers = (actor: string | undefined) => [
      cancel(committing(), 'no', actor),
      retryNow(waiting(), actor),
      rebind(committing(), '2', 'a > b > c', actor),
    ]
    const turn = { type: 'rolling_back', reason: 'cancelled', message: 'no' }
    const moved = { type: 'rebound', version: '2', shape: 'a > b > c' }
    expect(answers(undefined)).toStrictEqual([
      { entries: [turn] },
      { entries: [{ type: 'retry_requested' }] },
      { entries: [moved] },
    ])
    expect(answers('ann')).toStrictEqual([
      { entries: [{ ...turn, actor: 'ann' }] },
      { entries: [{ type: 'retry_requested', actor: 'ann' }] },
      { entries: [{ ...moved, actor: 'ann' }] },
    ])
  })
})

describe('a refusal says why', () => {
  const back = { as: 'rolled_back', ...by } as const
  const stands = { as: 'committed', ...by } as const
  const why = (answer: ReturnType<typeof cancel>) => ('refused' in answer ? answer.why : answer.entries)

  test.each([
    ['cancel of an ended saga', () => cancel(committed(), 'no', 'ann'), 'it has ended: committed'],
    ['retry of an ended saga', () => retryNow(rolledBack(), 'ann'), 'it has ended: rolled_back'],
    ['resolve of an ended saga', () => resolve(committed(), 'b', stands), 'it has ended: committed'],
    ['rebind of an ended saga', () => rebind(committed(), '2', 'a', 'ann'), 'it has ended: committed'],
    [
      'cancel behind the pivot',
      () => cancel(pastPivot(), 'no', 'ann'),
      'its pivot has committed, so it can only go forward',
    ],
    ['no such step', () => resolve(rollingBack(), 'z', back), 'it has no step z'],
    [
      'going forward',
      () => resolve(committing(), 'a', back),
      'step a is not being rolled back: cancel the saga first',
    ],
    [
      'still being called',
      () => resolve(tell(chain, ['a commits', 'cancelled', 'it looks']).state, 'b', back),
      'step b is still being called: wait for its answer',
    ],
    [
      'rolled back already',
      () =>
        resolve(
          tell(chain, ['a commits', 'b times out', 'time passes', 'b times out', 'b rolls back']).state,
          'b',
          back,
        ),
      'step b is rolled back already',
    ],
    [
      'nothing to roll back',
      () => resolve(tell(chain, ['a commits', 'b is rejected for good']).state, 'b', back),
      'step b never took effect: there is nothing to roll back',
    ],
    [
      'on the way back',
      () => resolve(rollingBack(), 'b', stands),
      'step b belongs to a saga that is rolling back: resolve it as rolled_back',
    ],
    ['committed already', () => resolve(committing(), 'a', stands), 'step a is committed already'],
    ['not begun', () => resolve(tell(chain, []).state, 'b', stands), 'step b has not begun'],
    [
      'another shape',
      () => rebind(committing(), '2', 'a > c', 'ann'),
      'position 2 has begun and is another in version 2',
    ],
    [
      'a version without steps',
      () => rebind(tell(chain, [], { queued: true }).state, '2', '', 'ann'),
      'version 2 has no steps',
    ],
  ] as const)('%s', (_, refused, said) => {
    expect(why(refused())).toBe(said)
  })
})

describe('retryNow', () => {
  test('makes whatever waits due now, and counts it all the same', () => {
    const state = granted(waiting(), retryNow(waiting(), 'ann'))
    expect(decide(state, 0)).toMatchObject({ calls: [{ kind: 'commit', step: 1, attempt: 2 }] })
    expect(state.steps[1]?.commitFailures).toMatchObject({ failures: 1, used: 1 })
    const failing = tell(chain, ['a commits', 'b is rejected for good', 'a fails to roll back']).state
    expect(decide(failing, 0)).toMatchObject({ calls: [] })
    expect(decide(granted(failing, retryNow(failing, undefined)), 0)).toMatchObject({
      calls: [{ kind: 'rollback' }],
    })
  })

  test('is refused once it has ended', () => {
    expect(refusal(retryNow(committed(), 'ann'))).toBe('ENDED')
  })
})

describe('resolve as rolled_back', () => {
  test.each([
    ['a step that is being rolled back', rollingBack, 'b', 1],
    ['a step whose turn has not come', rollingBack, 'a', 1],
    ['a saga that goes forward', committing, 'a', 'NOT_RESOLVABLE'],
    ['a saga that has ended', rolledBack, 'a', 'ENDED'],
    ['a step that is not there', rollingBack, 'z', 'NOT_RESOLVABLE'],
    ['__proto__', rollingBack, '__proto__', 'NOT_RESOLVABLE'],
    [
      'a step that was rejected',
      () => tell(chain, ['a commits', 'b is rejected for good']).state,
      'b',
      'NOT_RESOLVABLE',
    ],
    [
      'a step that is still being called',
      () => tell(chain, ['a commits', 'cancelled', 'it looks']).state,
      'b',
      'NOT_RESOLVABLE',
    ],
  ])('%s', (_, make, step, expected) => {
    const answer = refusal(resolve(make(), step, { as: 'rolled_back', ...by }))
    expect(typeof answer === 'string' ? answer : answer.length).toBe(expected)
  })

  test('ends the wait for that step; the rollback that is still in flight no longer matters', () => {
    const state = granted(rollingBack(), resolve(rollingBack(), 'b', { as: 'rolled_back', ...by }))
    expect(decide(state, 0)).toMatchObject({ calls: [{ kind: 'rollback', step: 0 }] })
    expect(evolve(state, { type: 'rolled_back', step: 'b', attempt: 1 }, 1)).toEqual(state)
    expect(rolledBackSteps(state)).toEqual(['b'])
    const again = resolve(state, 'b', { as: 'rolled_back', ...by })
    expect(refusal(again)).toBe('NOT_RESOLVABLE')
  })

  test('does not outlive a commit that lands late after it', () => {
    const state = granted(rollingBack(), resolve(rollingBack(), 'b', { as: 'rolled_back', ...by }))
    const late = evolve(state, { type: 'late', step: 'b', attempt: 1 }, 1)
    expect(decide(late, 0)).toMatchObject({ calls: [{ kind: 'rollback', step: 1, round: 2 }] })
  })

  test('takes the alarm away', () => {
    const story = [
      'a commits',
      'b is rejected for good',
      ...Array(3).fill(['a fails to roll back', 'time passes']).flat(),
    ]
    const { state } = tell(chain, story)
    expect(isStuck(state)).toBe(true)
    expect(isStuck(granted(state, resolve(state, 'a', { as: 'rolled_back', ...by })))).toBe(false)
  })
})

describe('resolve as committed', () => {
  const as = 'committed'

  test.each([
    ['a step that waits', waiting, 'b', 1],
    ['a step that is being called', committing, 'b', 1],
    ['a step that has not begun', () => tell(chain, []).state, 'b', 'NOT_RESOLVABLE'],
    ['a step that has committed', committing, 'a', 'NOT_RESOLVABLE'],
    ['a saga that is rolling back', rollingBack, 'b', 'NOT_RESOLVABLE'],
    ['a saga that has ended', committed, 'b', 'ENDED'],
  ])('%s', (_, make, step, expected) => {
    const answer = refusal(resolve(make(), step, { as, ...by }))
    expect(typeof answer === 'string' ? answer : answer.length).toBe(expected)
  })

  test('goes on with the output that the operator gave', () => {
    const state = granted(waiting(), resolve(waiting(), 'b', { as, output: { seat: '4A' }, ...by }))
    expect(outputsOf(state)).toEqual({ a: 'a', b: { seat: '4A' } })
    expect(decide(state, 0)).toEqual({ do: 'record', entry: { type: 'ended', status: 'committed' } })
  })

  test('goes on without one, too', () => {
    const state = granted(waiting(), resolve(waiting(), 'b', { as, ...by }))
    expect(Object.keys(outputsOf(state))).toEqual(['a'])
    expect(Object.keys(outputsOf(tell(chain, ['a times out', 'a 1 lands late']).state))).toEqual([])
  })

  test('of the pivot passes it', () => {
    const plan = planOf('a > b! > c')
    const { state } = tell(plan, ['a commits', 'b is in doubt, without effect'])
    expect(granted(state, resolve(state, 'b', { as, ...by })).pastPivot).toBe(true)
  })

  test('waits for the call that is still being made: it could take effect behind its own rollback', () => {
    const state = granted(committing(), resolve(committing(), 'b', { as, output: 'by hand', ...by }))
    expect(decide(state, 0)).toMatchObject({ do: 'act', calls: [], wakeAt: Number.POSITIVE_INFINITY })
    const turned = granted(state, cancel(state, 'no', 'ann'))
    expect(decide(turned, 0)).toMatchObject({ do: 'act', calls: [], wakeAt: Number.POSITIVE_INFINITY })
  })

  test.each([
    ['commits', 'b'],
    ['is rejected for good', 'by hand'],
    ['is in doubt, without effect', 'by hand'],
    ['commits within the grace', 'b'],
    ['is pending, without effect', 'by hand'],
    ['returns what cannot be stored', 'by hand'],
  ])('whatever that call answers (%s), the step stands', (outcome, output) => {
    const told = ['a commits', 'b resolved as committed', 'it looks', `b ${outcome}`]
    const { state } = tell(chain, told)
    expect(state.status).toBe('committed')
    expect(state.steps[1]?.output).toBe(output === 'b' ? 'b' : undefined)
  })

  test('also where it answers within the grace and no attempt is left', () => {
    const once = planOf('a > b')
    const late = ['a commits', 'b resolved as committed', 'it looks', 'b commits within the grace']
    expect(tell(once, late).state.status).toBe('committed')
    expect(tell(once, ['a commits', 'b commits within the grace']).state.status).toBe('rolling_back')
  })

  test('also where its process dies or closes down', () => {
    for (const end of ['killed', 'closed'])
      expect(tell(chain, ['a commits', 'b resolved as committed', end]).state.status).toBe('committed')
  })

  test('that was judged by a tail since overwritten: the attempt that has begun meanwhile is waited for', () => {
    const resolved: Entry = { type: 'resolved', step: 'b', as, ...by }
    const begun = tell(chain, ['a commits', 'b is rejected', 'time passes']).state
    expect(begun.steps[1]?.commit.is).toBe('open')
    expect(decide(evolve(begun, resolved, 1), 0)).toMatchObject({ do: 'act', calls: [] })
  })
})

describe('rebind', () => {
  const answer = (state: State, shape: string) => refusal(rebind(state, '2', shape, 'ann'))
  const moved = (shape: string) => [{ type: 'rebound', version: '2', shape, actor: 'ann' }]

  test.each(['a > b > c', 'a > b', 'a > b > c | d', 'a > b > c!'])('to %s, which begins alike', (shape) => {
    expect(answer(committing(), shape)).toEqual(moved(shape))
  })

  test.each(['b > a', 'a', 'a > c', 'a! > b', 'a > b!', 'a > b | c', 'a | b', ''])(
    'not to %s: what has begun is another there',
    (shape) => expect(answer(committing(), shape)).toBe('NOT_REBINDABLE'),
  )

  test('what has not begun may change freely', () => {
    expect(answer(tell(chain, []).state, 'a > x! > y')).toEqual(moved('a > x! > y'))
    expect(answer(tell(chain, [], { queued: true }).state, 'x')).toEqual(moved('x'))
    expect(answer(tell(chain, [], { queued: true }).state, '')).toBe('NOT_REBINDABLE')
  })

  test('an ended saga is refused', () => {
    expect(answer(committed(), 'a > b > c')).toBe('ENDED')
  })

  test('the journal means the same under the new version, as far as it goes', () => {
    const { chunks, state } = tell(chain, ['a commits', 'b is rejected'])
    const next = replay(planOfShape('test', '2', 'a > b > c'), chunks)
    expect(next.steps.slice(0, 2)).toEqual(state.steps)
    expect(next).toMatchObject({ position: state.position, status: state.status })
  })
})
