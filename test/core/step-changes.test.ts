/**
 * What facts do to one step where it matters that they come twice, too late, or for others that were folded away: an answer that the
 * step no longer waits for changes nothing, and a rollback that is under way is neither forgotten nor believed.
 */
import { describe, expect, test } from 'vitest'
import type { Entry } from '#dist/core/entry.js'
import { evolve } from '#dist/core/evolve.js'
import type { State, StepState } from '#dist/core/state.js'
import { planOf } from './plans.js'
import { tell } from './story.js'

const told = (shape: string, story: readonly string[]): State => tell(planOf(shape), story).state

/** Of a step that can be asked about, and tried twice. */
const asking = (story: readonly string[]): State =>
  tell(planOf('a', { a: { hasVerify: true, attempts: 2 } }), story).state

const of = (state: State, entry: Entry): StepState | undefined => evolve(state, entry, 1).steps[0]

const unchanged = (state: State, entry: Entry) => expect(of(state, entry)).toBe(state.steps[0])

const verified = (answer: 'committed' | 'never' | 'unknown'): Entry => ({
  type: 'verified',
  step: 'a',
  answer,
})

const late: Entry = { type: 'late', step: 'a', attempt: 1 }

const failedToRollBack = (attempt: number, round: number): Entry => ({
  ...{ type: 'failed', step: 'a', direction: 'rollback', attempt, round, outcome: 'in_doubt' },
  ...{ cause: 'thrown', failures: attempt, used: attempt, crashes: 0, since: 0, doubt: true, nextAt: 9 },
  error: { name: 'Error', message: 'm' },
})

describe('an answer to a question', () => {
  const doubt = ['a is in doubt, without effect']

  test('counts once: what else is said after never, or after unknown, changes nothing', () => {
    for (const said of ['never', 'unknown'])
      for (const answer of ['never', 'unknown'] as const)
        unchanged(asking([...doubt, `a is verified, ${said}`]), verified(answer))
  })

  test('says nothing of an attempt that is being called, nor of a step that is not in doubt', () => {
    unchanged(asking([...doubt, 'a is verified, unknown', 'time passes']), verified('committed'))
    unchanged(asking(['a is rejected']), verified('committed'))
    unchanged(asking(['a is rejected']), verified('never'))
  })
})

describe('a rollback', () => {
  const timedOut = ['a times out']

  test('that is done does not begin again by itself', () => {
    const done = told('b > a', ['b commits', ...timedOut, 'a rolls back'])
    const again: Entry = { type: 'started', step: 'a', direction: 'rollback', attempt: 2 }
    expect(done.steps[1]?.undo.is).toBe('done')
    expect(evolve(done, again, 1).steps[1]).toBe(done.steps[1])
  })

  test('that is being called when the commit lands goes on being called: its success is not believed', () => {
    const open = told('a', timedOut)
    expect(of(open, late)).toMatchObject({ undo: { is: 'open', attempt: 1, again: true }, round: 1 })
    const believed = evolve(evolve(open, late, 1), { type: 'rolled_back', step: 'a', attempt: 1 }, 2)
    expect(believed.steps[0]).toMatchObject({ undo: { is: 'idle' }, round: 2, undoAttempts: 1 })
  })

  test('that has not begun when the commit lands begins as ever', () => {
    const waiting = told('a > b', ['a commits', 'b is rejected'])
    const idle = {
      ...waiting,
      steps: waiting.steps.map((step) => ({ ...step, undo: { is: 'idle' } as const })),
    }
    expect(of(idle, late)).toMatchObject({ round: 1, doubt: true })
    expect(of(idle, late)?.undo).toStrictEqual({ is: 'idle' })
  })

  test('of the round before says nothing any more', () => {
    const second = told('a', [...timedOut, 'a rolls back', 'a 1 lands late'])
    expect(second.steps[0]).toMatchObject({ round: 2, undoAttempts: 1, undo: { is: 'idle' } })
    unchanged(second, failedToRollBack(1, 1))
  })

  test('whose attempts were folded into one entry has had them all, also when it begins again', () => {
    const again = evolve(told('a', timedOut), late, 1)
    expect(of(again, failedToRollBack(3, 1))).toMatchObject({
      undo: { is: 'idle' },
      round: 2,
      undoAttempts: 3,
    })
  })

  test('that was stuck and is done is stuck no more, and keeps what went wrong', () => {
    const failing = Array(3).fill(['a fails to roll back', 'time passes']).flat()
    const stuck = told('a', [...timedOut, ...failing])
    const failures = stuck.steps[0]?.undoFailures
    expect(failures).toMatchObject({ failures: 3, stuck: true })
    expect(of(stuck, { type: 'rolled_back', step: 'a', attempt: 4 })?.undoFailures).toEqual({
      ...failures,
      stuck: false,
    })
  })
})
