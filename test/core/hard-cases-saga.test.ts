/**
 * DESIGN's table of hard cases, told as stories: rollbacks, the pivot, cancel and the deadline.
 */
import { describe, expect, test } from 'vitest'
import { indexOf } from '#dist/core/evolve.js'
import { isStuck } from '#dist/core/summary.js'
import { planOf } from './plans.js'
import { callsOf, journalOf, repeat, tell } from './story.js'

const twice = { attempts: 2 }

describe('a saga of forty steps (scenario 11)', () => {
  const names = Array.from({ length: 40 }, (_, i) => `s${i}`)
  const plan = planOf(names.join(' > '))

  test('commits one after the other, and rolls back in the reverse order', () => {
    const forward = names.map((name) => `${name} commits`)
    expect(tell(plan, forward).state.status).toBe('committed')
    const back = names
      .slice(0, -1)
      .reverse()
      .map((name) => `${name} rolls back`)
    const turned = [...forward.slice(0, -1), 's39 is rejected for good']
    expect(tell(plan, turned).state.cursor).toBe(38)
    // What is done is not looked at again: long sagas would be quadratic.
    expect(tell(plan, [...turned, ...back.slice(0, 20)]).state.cursor).toBe(18)
    expect(tell(plan, [...turned, ...back]).state.status).toBe('rolled_back')
  })

  test('knows a step that it does not have', () => {
    expect(indexOf(plan, 's39')).toBe(39)
    expect(indexOf(plan, 's40')).toBe(-1)
    expect(indexOf(plan, '__proto__')).toBe(-1)
  })
})

describe('rollbacks', () => {
  const failing = ['a commits', 'b is rejected']

  test('are tried for ever: stuck is an alarm, never an end (scenario 3)', () => {
    const story = [...failing, ...repeat(999, 'a fails to roll back', 'time passes')]
    const moment = tell(planOf('a > b'), story)
    expect(moment.state.status).toBe('rolling_back')
    expect(isStuck(moment.state)).toBe(true)
    // A thousand failures are one entry.
    expect(moment.chunks.at(-1)?.entries).toHaveLength(2)
    expect(moment.chunks.length).toBeLessThan(6)
    expect(journalOf(moment)).toContain(
      'rollback 999 failed (thrown), Error: told by the test, 999 failures since',
    )
    const ended = tell(planOf('a > b'), [...story, 'a rolls back'])
    expect(ended.state.status).toBe('rolled_back')
    expect(isStuck(ended.state)).toBe(false)
  })

  test('are stuck after the time of the policy, however few they are', () => {
    const moment = tell(planOf('a > b'), [
      ...failing,
      'a fails to roll back',
      '+299000 time passes',
      '+1000 a fails to roll back',
    ])
    expect(isStuck(moment.state)).toBe(true)
  })

  test('may be pending: called again when they say', () => {
    const moment = tell(planOf('a > b'), [...failing, 'a is still rolling back'])
    expect(moment).toMatchObject({ calls: [], wakeAt: 20 })
  })

  test('see neither the deadline nor the cancel', () => {
    const moment = tell(planOf('a > b'), [...failing, '+5000 a rolls back'], { deadline: 1_000 })
    expect(moment.state).toMatchObject({ status: 'rolled_back', wayBack: { reason: 'rejected' } })
    expect(() => tell(planOf('a > b'), [...failing, 'cancelled'])).toThrow('cannot happen')
  })
})

describe('the pivot (scenario 10c)', () => {
  const plan = planOf('a > b! > c', { b: twice })

  test('in doubt: tried again, beyond its retry, until somebody knows', () => {
    const doubts = repeat(5, 'b is in doubt, without effect', 'time passes')
    const moment = tell(plan, ['a commits', ...doubts])
    expect(callsOf(moment)).toEqual(['commit b 6'])
    expect(isStuck(moment.state)).toBe(true)
    expect(isStuck(tell(plan, ['a commits', ...doubts.slice(0, -1)]).state)).toBe(true)
    const known = tell(plan, ['a commits', ...doubts, 'b commits'])
    expect(callsOf(known)).toEqual(['commit c 1'])
    expect(isStuck(known.state)).toBe(false)
  })

  test('in doubt, then rejected: the way back, its own rollback included', () => {
    const moment = tell(plan, ['a commits', 'b is in doubt, with effect', 'time passes', 'b is rejected'])
    expect(callsOf(moment)).toEqual(['rollback b 1'])
  })

  test('rejected: the way back, from the step before it', () => {
    expect(callsOf(tell(plan, ['a commits', 'b is rejected for good']))).toEqual(['rollback a 1'])
  })

  test('what cannot be stored does not end it', () => {
    const moment = tell(plan, ['a commits', 'b returns what cannot be stored', 'time passes'])
    expect(callsOf(moment)).toEqual(['commit b 2'])
  })

  test.each(['cancelled', 'the deadline passes'])('%s before and during it: the way back', (event) => {
    const looks = event === 'cancelled' ? ['it looks'] : []
    const before = tell(plan, [event, ...looks, 'a commits'], { deadline: 1_000 })
    expect(callsOf(before)).toEqual(['rollback a 1'])
    const during = tell(plan, ['a commits', event, ...looks, 'b commits'], { deadline: 1_000 })
    expect(during.state.pastPivot).toBe(false)
    expect(callsOf(during)).toEqual(['rollback b 1'])
  })

  const behind = ['a commits', 'b commits']

  test('behind it: no cancel, and a deadline only raises the alarm', () => {
    expect(() => tell(plan, [...behind, 'cancelled'])).toThrow('cannot happen')
    const moment = tell(plan, [...behind, 'the deadline passes'], { deadline: 1_000 })
    expect(moment.state).toMatchObject({ status: 'running', deadlinePassed: true, wayBack: undefined })
    expect(callsOf(moment)).toEqual(['commit c 1'])
  })

  test.each([
    'c is rejected',
    'c is rejected for good',
    'c is in doubt, without effect',
    'c times out',
    'c returns what cannot be stored',
  ])('behind it: %s, and is tried for ever', (outcome) => {
    const moment = tell(plan, [...behind, ...repeat(4, outcome, 'time passes')])
    expect(callsOf(moment)).toEqual(['commit c 5'])
    expect(isStuck(moment.state)).toBe(true)
  })

  test('behind it: a service that says never is tried all the same, and its journal stays small', () => {
    const asked = planOf('a! > b', { b: { hasVerify: true } })
    const once = ['b is in doubt, without effect', 'b is verified, never', 'time passes']
    const again = ['b is in doubt, without effect', 'b is verified, unknown', 'time passes']
    expect(() => tell(asked, ['a commits', ...once])).not.toThrow()
    const doubts = repeat(50, ...again)
    const moment = tell(asked, ['a commits', ...doubts])
    expect(moment.state.wayBack).toBeUndefined()
    expect(moment.chunks.length).toBeLessThan(6)
  })

  test('behind it: a condition that throws is asked again, and then decides', () => {
    const conditional = planOf('a! > b > c', { b: { conditional: true } })
    const setting = { whens: ['yes', 'throws, then no'] as const }
    const threw = tell(conditional, ['a commits'], setting)
    expect(threw).toMatchObject({ calls: [], wakeAt: 10 })
    expect(callsOf(tell(conditional, ['a commits', 'time passes'], setting))).toEqual(['commit c 1'])
  })
})

describe('cancel (scenario 13)', () => {
  test('while queued: ends at once', () => {
    const moment = tell(planOf('a'), ['cancelled'], { queued: true })
    expect(moment.state.status).toBe('rolled_back')
    expect(journalOf(moment)).not.toContain('started')
  })

  test('while committing: the way back, once the commit has said how it ended', () => {
    const cancelled = tell(planOf('a > b > c'), ['cancelled', 'it looks'])
    expect(callsOf(cancelled)).toEqual(['commit a 1'])
    expect(cancelled.state).toMatchObject({
      wayBack: { reason: 'cancelled', message: 'no longer wanted', actor: 'ann' },
      cursor: 0,
    })
    expect(callsOf(tell(planOf('a'), ['cancelled', 'it looks', 'a commits']))).toEqual(['rollback a 1'])
  })

  test('a pending commit that nobody has seen end is rolled back', () => {
    expect(callsOf(tell(planOf('a'), ['a is pending, with effect', 'cancelled', 'it looks']))).toEqual([
      'rollback a 1',
    ])
  })

  test('while it waits for an attempt after a clean rejection: ends, with nothing to undo', () => {
    const moment = tell(planOf('a', { a: twice }), ['a is rejected', 'cancelled', 'it looks'])
    expect(moment.state.status).toBe('rolled_back')
  })

  test('of a saga that is stuck going forward takes the alarm away: nobody tries that commit any more', () => {
    const plan = planOf('a > b', { b: { attempts: Number.POSITIVE_INFINITY } })
    const stuck = ['a commits', ...repeat(3, 'b is rejected', 'time passes')]
    expect(isStuck(tell(plan, stuck).state)).toBe(true)
    const moment = tell(plan, [...stuck, 'b is rejected', 'cancelled', 'it looks'])
    expect(callsOf(moment)).toEqual(['rollback a 1'])
    expect(isStuck(moment.state)).toBe(false)
  })

  test('ended: refused, which the laws of every history check', () => {
    expect(() => tell(planOf('a'), ['a commits', 'cancelled'])).toThrow('cannot happen')
  })

  test('a saga that waits in the queue is never called running by a folded answer', () => {
    // The intent is folded into the answer, and the answer alone must say that the saga has begun.
    const moment = tell(planOf('a'), ['a is pending, with effect'])
    expect(journalOf(moment)).not.toContain('started')
    expect(moment.state.status).toBe('running')
    expect(
      callsOf(tell(planOf('a'), ['a is pending, with effect', 'killed', 'cancelled', 'it looks'])),
    ).toEqual(['rollback a 1'])
  })
})

describe('the deadline (scenario 14)', () => {
  const setting = { deadline: 1_000 }

  test('while queued: ends at once', () => {
    const moment = tell(planOf('a'), ['+1000 it looks'], { ...setting, queued: true })
    expect(moment.state).toMatchObject({ status: 'rolled_back', wayBack: { reason: 'deadline' } })
  })

  test('in a commit: the way back', () => {
    const moment = tell(planOf('a'), ['the deadline passes', 'a is in doubt, without effect'], setting)
    expect(moment.state.wayBack).toEqual({ reason: 'deadline' })
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })

  test('is woken for', () => {
    expect(tell(planOf('a'), [], setting).wakeAt).toBe(1_000)
    expect(tell(planOf('a! > b'), ['a commits'], setting).wakeAt).toBe(1_000)
    expect(tell(planOf('a! > b'), ['a commits', 'the deadline passes'], setting).wakeAt).toBe(
      Number.POSITIVE_INFINITY,
    )
  })

  test('once all have committed it is too late', () => {
    expect(tell(planOf('a'), ['+2000 a commits'], setting).state.status).toBe('committed')
  })
})
