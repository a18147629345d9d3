/**
 * evolve, seen from close by: what changes nothing changes nothing at all.
 */
import { describe, expect, test } from 'vitest'
import { decide } from '#dist/core/decide.js'
import type { Entry } from '#dist/core/entry.js'
import { begin, evolve, replay } from '#dist/core/evolve.js'
import { planOf } from './plans.js'
import { callsOf, tell } from './story.js'

const submitted: Entry & { type: 'submitted' } = { type: 'submitted', uid: 'u', input: null, keys: null }

test('a journal that does not begin with the submit is refused', () => {
  const plan = planOf('a')
  const journals = [[], [{ seq: 0, at: 0, entries: [] }]]
  const late: Entry = { type: 'ended', status: 'committed' }
  for (const chunks of [...journals, [{ seq: 0, at: 0, entries: [late, submitted] }]])
    expect(() => replay(plan, chunks)).toThrow(new TypeError('a journal begins with the entry submitted'))
})

describe('an entry that means nothing any more leaves the very same state:', () => {
  const state = () => begin(planOf('a! > b'), submitted)
  const nothing: readonly Entry[] = [
    submitted,
    { type: 'rebound', version: '2', shape: 'a! > b' },
    { type: 'committed', step: 'a', attempt: 0 },
    { type: 'verified', step: 'a', answer: 'committed' },
    { type: 'verified', step: 'a', answer: 'unknown' },
    { type: 'rolled_back', step: 'a', attempt: 1 },
    { type: 'started', step: 'a', direction: 'commit', attempt: 0 },
    { type: 'started', step: 'nobody', direction: 'rollback', attempt: 1 },
    { type: 'late', step: 'nobody', attempt: 1 },
  ]
  test.each(nothing.map((entry) => [entry.type, entry] as const))('%s %#', (_, entry) => {
    const before = state()
    const after = evolve(before, entry, 1)
    // A queued saga may be called running by what it is told, and by nothing else.
    expect({ ...after, status: before.status }).toEqual(before)
    expect(after.pastPivot).toBe(false)
  })
})

test('a retry makes due what waits, and touches nothing else', () => {
  const { state } = tell(planOf('a | b | c > d', { b: { attempts: 2 } }), ['a commits', 'b is rejected'])
  const hurried = evolve(state, { type: 'retry_requested' }, 1)
  expect(hurried.steps[1]?.commit).toEqual({ is: 'waiting', until: 0, pending: false })
  for (const index of [0, 2, 3]) expect(hurried.steps[index]).toBe(state.steps[index])
})

describe('an answer on the way back', () => {
  test.each(['b is in doubt, with effect', 'b times out', 'b is pending, with effect', 'b commits'])(
    'does not turn the saga forward: %s',
    (answer) => {
      const { state } = tell(planOf('a > b'), ['a commits', 'cancelled', 'it looks', answer])
      expect(state.status).toBe('rolling_back')
      expect(state.wayBack?.reason).toBe('cancelled')
    },
  )
})

describe('a late success', () => {
  const turned = ['a commits', 'b times out']
  const late = (output?: string): Entry => ({
    ...{ type: 'late', step: 'b', attempt: 1 },
    ...(output === undefined ? {} : { output }),
  })
  const output = (entry: Entry) => evolve(tell(planOf('a > b'), turned).state, entry, 1).steps[1]?.output

  test('gives the rollback what it returned, if it returned anything', () => {
    expect(output(late('x'))).toBe('x')
    expect(output(late())).toBeUndefined()
  })

  test('of a step that stands changes nothing of its output', () => {
    const { state } = tell(planOf('a > b'), turned)
    expect(evolve(state, { ...late('x'), step: 'a' } as Entry, 1).steps[0]?.output).toBe('a')
  })

  test('makes the saga late only if it had ended, and of a committed saga nothing', () => {
    expect(tell(planOf('a > b'), [...turned, 'b 1 lands late']).state.late).toBe(false)
    const ended = tell(planOf('a > b'), [...turned, 'b rolls back', 'a rolls back']).state
    expect(ended.late).toBe(false)
    expect(evolve(ended, late(), 1)).toMatchObject({ late: true, status: 'rolling_back', cursor: 1 })
    const { state } = tell(planOf('a > b'), ['a commits', 'b commits'])
    expect(evolve(state, late('x'), 1)).toBe(state)
    expect(evolve(state, { type: 'rolling_back', reason: 'cancelled' }, 1)).toBe(state)
  })
})

test('a saga begins with nothing decided, and turns back for the reason given, and no more', () => {
  const state = begin(planOf('a'), submitted)
  expect(state).toMatchObject({
    ...{ status: 'queued', position: 0, cursor: -1, late: false, pastPivot: false, deadlinePassed: false },
  })
  const turned = evolve(state, { type: 'rolling_back', reason: 'deadline' }, 1)
  expect(turned.wayBack).toStrictEqual({ reason: 'deadline' })
  expect(turned.cursor).toBe(0)
})

test('a saga that turns back when all of it stands, and nobody has said yet that it has ended, begins with the last', () => {
  const state = ['a', 'b'].reduce(
    (before, step) => evolve(before, { type: 'committed', step, attempt: 1 }, 1),
    begin(planOf('a > b'), submitted),
  )
  expect(state.position).toBe(2)
  expect(evolve(state, { type: 'rolling_back', reason: 'cancelled' }, 1).cursor).toBe(1)
})

test('a rollback that begins again says that nothing above it is left, as its first attempt did', () => {
  const interrupted = ['a commits', 'b times out', 'b rolls back', 'a fails to roll back', 'b 1 lands late']
  const { state } = tell(planOf('a > b'), interrupted)
  expect(state.cursor).toBe(1)
  expect(
    tell(planOf('a > b'), [...interrupted, 'it looks', 'b rolls back', 'time passes']).state.cursor,
  ).toBe(0)
})

test('what an operator says of a step that stands already changes nothing', () => {
  const { state } = tell(planOf('a > b'), ['a commits'])
  const said: Entry = {
    type: 'resolved',
    step: 'a',
    as: 'committed',
    output: 'by hand',
    reason: 'r',
    actor: 'a',
  }
  expect(evolve(state, said, 1).steps[0]).toBe(state.steps[0])
})

describe('what decide says, word for word', () => {
  test('a time to wait for', () => {
    const waiting = tell(planOf('a', { a: { attempts: 2 } }), ['a is rejected']).state
    expect(decide(waiting, 0)).toEqual({ do: 'act', calls: [], wakeAt: 10 })
    const failing = tell(planOf('a > b'), ['a commits', 'b is rejected', 'a fails to roll back']).state
    expect(decide(failing, 0)).toEqual({ do: 'act', calls: [], wakeAt: 10 })
  })

  test('a call', () => {
    const rollback = { kind: 'rollback', step: 0, attempt: 1, round: 1, conditional: false }
    const commit = { ...rollback, kind: 'commit' }
    const plan = planOf('a > b')
    expect(decide(begin(plan, submitted), 0)).toEqual({ do: 'act', calls: [commit], wakeAt: Infinity })
    const back = evolve(
      evolve(begin(plan, submitted), { type: 'committed', step: 'a', attempt: 1 }, 1),
      { type: 'rolling_back', reason: 'cancelled' },
      1,
    )
    expect(decide(back, 0)).toEqual({ do: 'act', calls: [rollback], wakeAt: Infinity })
  })

  test('a step that was in doubt, and stands since, is rolled back without a question', () => {
    const plan = planOf('a > b', { a: { hasVerify: true } })
    const story = ['a is pending, with effect', 'time passes', 'a commits', 'b is rejected']
    expect(callsOf(tell(plan, story))).toEqual(['rollback a 1'])
  })
})
