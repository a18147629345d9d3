/**
 * DESIGN's table of hard cases, told as stories: what a call comes to, and what follows from it.
 */
import { describe, expect, test } from 'vitest'
import { decide } from '#dist/core/decide.js'
import { evolve } from '#dist/core/evolve.js'
import { settleVerify, suspected } from '#dist/core/settle.js'
import { isStuck, rolledBackSteps } from '#dist/core/summary.js'
import { isOver } from './driver.js'
import { planOf } from './plans.js'
import { callsOf, journalOf, repeat, tell } from './story.js'

const twice = { attempts: 2 }

describe('a commit exceeds its timeout', () => {
  test('is in doubt: its rollback runs, and says why', () => {
    const moment = tell(planOf('a > b'), ['a commits', 'b times out'])
    expect(moment.state.wayBack).toEqual({ reason: 'timeout', step: 'b' })
    expect(callsOf(moment)).toEqual(['rollback b 1'])
  })

  test('counts against retry', () => {
    const moment = tell(planOf('a', { a: twice }), ['a times out', 'time passes', 'a times out'])
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })

  test('a success within the grace goes on where retry has an attempt left', () => {
    const moment = tell(planOf('a > b', { a: twice }), ['a commits within the grace'])
    expect(moment.state.wayBack).toBeUndefined()
    expect(callsOf(moment)).toEqual(['commit b 1'])
  })

  test.each([
    ['the only attempt', 1, []],
    ['the last of two', 2, ['a is rejected', 'time passes']],
  ])('a success within the grace of %s goes back, with its output', (_, attempts, before) => {
    const moment = tell(planOf('a > b', { a: { attempts } }), [...before, 'a commits within the grace'])
    expect(moment.state.wayBack).toEqual({ reason: 'timeout', step: 'a' })
    expect(moment.state.steps[0]).toMatchObject({ commit: { is: 'committed' }, output: 'a' })
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })

  test('a success within the grace of a pivot goes on: there it is tried for ever', () => {
    expect(callsOf(tell(planOf('a! > b'), ['a commits within the grace']))).toEqual(['commit b 1'])
  })
})

describe('a commit succeeds later than that (scenario 1)', () => {
  const rolledBack = ['a commits', 'b times out', 'b rolls back', 'a rolls back']

  test('after the end: back to rolling_back with the flag late, and a rollback with a new key', () => {
    const moment = tell(planOf('a > b'), [...rolledBack, 'b 1 lands late', 'it looks'])
    expect(moment.state).toMatchObject({ status: 'rolling_back', late: true })
    expect(callsOf(moment)).toEqual(['rollback b 2 round 2'])
    const ended = tell(planOf('a > b'), [...rolledBack, 'b 1 lands late', 'it looks', 'b rolls back'])
    expect(ended.state).toMatchObject({ status: 'rolled_back', late: true })
    expect(ended.world[1]).toMatchObject({ effect: false, undone: [1, 2] })
  })

  test('with its rollback in flight: that one proves nothing, and it runs again with a new key', () => {
    const story = [
      'a times out',
      'a 1 lands late, after its rollback was carried out',
      'it looks',
      'a rolls back',
    ]
    const moment = tell(planOf('a'), story)
    expect(moment.world[0]?.effect).toBe(true)
    expect(callsOf(moment)).toEqual(['rollback a 2 round 2'])
    expect(tell(planOf('a'), [...story, 'a rolls back']).world[0]?.effect).toBe(false)
  })

  test('before its rollback has begun: one rollback is enough', () => {
    const story = ['a commits', 'b times out', 'c is rejected for good']
    const moment = tell(planOf('a > b | c'), [
      'a commits',
      'b times out',
      'b 1 lands late',
      'it looks',
      ...story.slice(2),
    ])
    expect(callsOf(moment)).toEqual(['rollback b 1'])
  })

  test('never turns a saga forward', () => {
    const moment = tell(planOf('a > b', { a: twice }), ['a times out', 'a 1 lands late', 'it looks'])
    expect(moment.state.position).toBe(0)
    expect(
      tell(planOf('a > b', { a: twice }), ['a times out', 'a 1 lands late', 'it looks', 'time passes']).calls,
    ).toEqual([expect.objectContaining({ kind: 'commit', step: 0, attempt: 2 })])
  })

  test('above a rollback in flight: the lower one goes on only once the upper one is undone again', () => {
    const moment = tell(planOf('a > b'), [
      'a commits',
      'b times out',
      'b rolls back',
      'b 1 lands late',
      'it looks',
      'a fails to roll back',
    ])
    expect(callsOf(moment)).toEqual(['rollback b 2 round 2'])
    expect(moment.state.cursor).toBe(1)
  })

  test('is written by one who has lost the saga, while another owns it', () => {
    const story = [
      'a commits',
      'frozen',
      'time passes',
      'b is rejected for good',
      'b rolls back',
      'a rolls back',
    ]
    const moment = tell(planOf('a > b'), [...story, 'b 1 lands late', 'it looks'])
    expect(callsOf(moment)).toEqual(['rollback b 2 round 2'])
  })

  test('a second one asks for a third round', () => {
    const moment = tell(planOf('a', { a: twice }), [
      ...['a times out', 'time passes', 'a times out', 'a rolls back'],
      ...['a 1 lands late', 'it looks', 'a rolls back', 'a 2 lands late', 'it looks'],
    ])
    expect(callsOf(moment)).toEqual(['rollback a 3 round 3'])
  })
})

describe('P4: a step is spared only when every attempt of it was rejected (scenario 2)', () => {
  test.each([
    ['in doubt', 'a is in doubt, with effect'],
    ['timed out', 'a times out'],
    ['pending', 'a is pending, with effect'],
    ['crashed', 'killed, after the commit of a'],
    ['closed down', 'closed, after the commit of a'],
  ])('%s, then rejected: it is rolled back', (_, outcome) => {
    const story = outcome.startsWith('closed') ? [outcome] : [outcome, 'time passes']
    const moment = tell(planOf('a', { a: twice }), [...story, 'a is rejected for good'])
    expect(moment.state.wayBack?.reason).toBe('rejected')
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })

  test('rejected twice: there is nothing to undo', () => {
    const moment = tell(planOf('a > b', { b: twice }), [
      'a commits',
      'b is rejected',
      'time passes',
      'b is rejected',
    ])
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })
})

describe('crashes', () => {
  test('an attempt that was open waits its backoff and is called again; it does not use up retry', () => {
    const moment = tell(planOf('a'), ['killed'])
    expect(moment).toMatchObject({ calls: [], wakeAt: 10 })
    expect(callsOf(tell(planOf('a'), ['killed', 'time passes']))).toEqual(['commit a 2'])
    // The time that the process was down counts.
    expect(callsOf(tell(planOf('a'), ['+10 killed']))).toEqual(['commit a 2'])
  })

  test('three in one step: the saga rolls back with reason crash_loop (scenario 10a)', () => {
    const moment = tell(planOf('a > b'), ['a commits', ...repeat(2, 'killed', 'time passes'), 'killed'])
    expect(moment.state.wayBack).toEqual({ reason: 'crash_loop', step: 'b' })
    expect(callsOf(moment)).toEqual(['rollback b 1'])
  })

  test('one short of that the step is suspected; an attempt that is still open in the store counts as one', () => {
    const isSuspected = (...story: string[]) =>
      suspected(tell(planOf('a > b'), ['a commits', ...story]).state)
    expect(isSuspected('killed')).toBe(false)
    expect(isSuspected('killed', 'time passes')).toBe(true)
    expect(isSuspected('killed', 'time passes', 'killed')).toBe(true)
    expect(isSuspected('killed', 'time passes', 'killed', 'time passes', 'b commits')).toBe(false)
    // On the way back there is nothing to decide by it.
    expect(isSuspected('killed', 'time passes', 'cancelled', 'it looks')).toBe(false)
    expect(isSuspected('killed', 'time passes', 'killed', 'time passes', 'killed')).toBe(false)
  })

  test('three behind the pivot: forward all the same', () => {
    const moment = tell(planOf('a! > b'), ['a commits', ...repeat(4, 'killed', 'time passes')])
    expect(moment.state.wayBack).toBeUndefined()
    expect(isStuck(moment.state)).toBe(true)
    expect(callsOf(moment)).toEqual(['commit b 5'])
  })

  test('in a rollback: a failed attempt like any other', () => {
    const moment = tell(planOf('a > b'), [
      'a commits',
      'b is rejected',
      ...repeat(3, 'killed', 'time passes'),
    ])
    expect(moment.state.steps[0]?.undoFailures).toMatchObject({ failures: 3, crashes: 3, stuck: true })
    expect(callsOf(moment)).toEqual(['rollback a 4'])
  })

  test('on the way back, with a commit still open: in doubt, so that it is rolled back', () => {
    const moment = tell(planOf('a'), ['cancelled', 'killed'])
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })

  test('closing down is no crash, and no failure: nothing is counted, and it is called again at once', () => {
    const moment = tell(planOf('a'), repeat(5, 'closed'))
    expect(moment.state.steps[0]?.commitFailures).toMatchObject({
      failures: 0,
      used: 0,
      crashes: 0,
      stuck: false,
    })
    expect(callsOf(moment)).toEqual(['commit a 6'])
    expect(moment.state.steps[0]?.doubt).toBe(true)
    const back = tell(planOf('a > b'), ['a commits', 'b is rejected', ...repeat(5, 'closed')])
    expect(back.state.steps[0]?.undoFailures).toMatchObject({ failures: 0, crashes: 0, stuck: false })
  })
})

describe('a parallel group (scenario 10b)', () => {
  test('settles first; then all that may have taken effect rolls back side by side; earlier positions wait', () => {
    const plan = planOf('a > b | c | d')
    const half = ['a commits', 'b commits', 'c is rejected']
    expect(tell(plan, half)).toMatchObject({ wakeAt: Number.POSITIVE_INFINITY, calls: [{ step: 3 }] })
    const settled = [...half, 'd is in doubt, with effect']
    expect(callsOf(tell(plan, settled))).toEqual(['rollback b 1', 'rollback d 1'])
    expect(callsOf(tell(plan, [...settled, 'd rolls back']))).toEqual(['rollback b 1'])
    expect(callsOf(tell(plan, [...settled, 'd rolls back', 'b rolls back']))).toEqual(['rollback a 1'])
  })

  test('a member that waits for its next attempt is not called again', () => {
    const moment = tell(planOf('a | b', { a: twice }), ['a is in doubt, without effect', 'b is rejected'])
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })

  test('the next position waits for all of it', () => {
    expect(callsOf(tell(planOf('a | b > c'), ['a commits']))).toEqual(['commit b 1'])
    expect(callsOf(tell(planOf('a | b > c'), ['a commits', 'b commits']))).toEqual(['commit c 1'])
  })
})

test('a condition is asked before the first attempt of its step, and of no other call', () => {
  const plan = planOf('a > b', { b: { conditional: true, hasVerify: true, attempts: 2 } })
  const flags = (...story: string[]) => tell(plan, story).calls.map(({ conditional }) => conditional)
  expect(flags()).toEqual([false])
  expect(flags('a commits')).toEqual([true])
  const doubt = ['a commits', 'b is in doubt, without effect']
  expect(flags(...doubt)).toEqual([false])
  expect(flags(...doubt, 'b is verified, unknown', 'time passes')).toEqual([false])
  expect(flags('a commits', 'b is rejected for good')).toEqual([false])
})

test('decide answers the same for the same state and time, and changes nothing', () => {
  const moment = tell(planOf('a | b > c', { a: twice }), ['a is in doubt, with effect', 'b commits'])
  const before = JSON.stringify(moment.state)
  expect(decide(moment.state, 5)).toEqual(decide(moment.state, 5))
  expect(JSON.stringify(moment.state)).toBe(before)
  expect(isOver(moment.state)).toBe(false)
})

describe('verify', () => {
  const plan = planOf('a > b', { a: { ...twice, hasVerify: true } })
  const doubt = 'a is in doubt, without effect'

  test('asks about a commit in doubt before anything else', () => {
    expect(callsOf(tell(plan, [doubt]))).toEqual(['verify a 1'])
  })

  test('committed: on it goes, with the output', () => {
    const moment = tell(plan, ['a is in doubt, with effect', 'a is verified, committed'])
    expect(moment.state.steps[0]?.output).toBe('a')
    expect(callsOf(moment)).toEqual(['commit b 1'])
  })

  test('never: spared, and not tried again, since the key is refused from now on', () => {
    const moment = tell(plan, [doubt, 'a is verified, never'])
    expect(moment.state.status).toBe('rolled_back')
    expect(rolledBackSteps(moment.state)).toEqual([])
  })

  test('unknown: tried again, asked again about the next doubt, and rolled back in the end', () => {
    const unknown = [doubt, 'a is verified, unknown']
    expect(tell(plan, unknown)).toMatchObject({ calls: [], wakeAt: 10 })
    const again = [...unknown, 'time passes', ...unknown]
    expect(callsOf(tell(plan, again))).toEqual(['rollback a 1'])
  })

  test('a pending commit is not asked about: it says itself how it goes, until the way back', () => {
    expect(tell(plan, ['a is pending, without effect'])).toMatchObject({ calls: [], wakeAt: 20 })
    expect(callsOf(tell(plan, ['a is pending, without effect', 'cancelled', 'it looks']))).toEqual([
      'verify a 1',
    ])
  })

  test('a commit that lands late after a never was not spared after all', () => {
    const once = planOf('a', { a: { hasVerify: true } })
    const { state } = tell(once, ['a times out', 'a is verified, never'])
    expect(state.status).toBe('rolled_back')
    const late = evolve(state, { type: 'late', step: 'a', attempt: 1 }, 1)
    expect(decide(late, 1)).toMatchObject({ do: 'act', calls: [{ kind: 'rollback', round: 1 }] })
  })

  test('a never that was overtaken by its own commit landing late is not believed', () => {
    const once = planOf('a', { a: { hasVerify: true } })
    const { state } = tell(once, ['a times out', 'a 1 lands late', 'it looks'])
    expect(settleVerify(state, 0, { is: 'never' })).toEqual([])
    const never = evolve(state, { type: 'verified', step: 'a', answer: 'never' }, 1)
    expect(never).toBe(state)
  })
})

describe('what a commit says (scenarios 8, 10)', () => {
  test('rejected for good is not tried again', () => {
    const moment = tell(planOf('a > b', { b: { attempts: 5 } }), ['a commits', 'b is rejected for good'])
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })

  test('what cannot be stored took effect: not tried again, and rolled back', () => {
    const moment = tell(planOf('a', { a: twice }), ['a returns what cannot be stored'])
    expect(moment.state.wayBack?.reason).toBe('in_doubt')
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })

  test('pending is polled with the same attempt count as long as it says so, and costs one entry', () => {
    const moment = tell(planOf('a'), repeat(500, 'a is pending, without effect', 'time passes'))
    expect(callsOf(moment)).toEqual(['commit a 501'])
    expect(moment.chunks.length).toBeLessThan(4)
    expect(moment.state.steps[0]?.polls).toBe(500)
  })

  test('a condition that throws is a rejection of its step', () => {
    const moment = tell(planOf('a > b', { b: { conditional: true } }), ['a commits'], {
      whens: ['yes', 'throws'],
    })
    expect(moment.state.wayBack).toEqual({ reason: 'rejected', step: 'b' })
    expect(callsOf(moment)).toEqual(['rollback a 1'])
    expect(journalOf(moment)).not.toContain('b: commit 1 started')
  })

  test('a rollback that is not needed is not called', () => {
    const moment = tell(planOf('a > b > c', { b: { hasRollback: false } }), [
      'a commits',
      'b commits',
      'c is rejected',
    ])
    expect(callsOf(moment)).toEqual(['rollback a 1'])
  })
})
