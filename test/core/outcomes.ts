/**
 * What a call may come to: every outcome of a commit and of a rollback, and what each means for the world.
 */
import type { Call } from '#dist/core/decide.js'
import type { CallResult } from '#dist/core/settle.js'
import type { Moment } from './driver.js'
import { change, land, undo, type World } from './world.js'

/** What a call came to, and what that meant for the world. */
export interface Outcome {
  readonly name: string
  readonly result: CallResult
  readonly world: World
  /** It was given up, and may yet take effect where somebody hears of it. */
  readonly ghost?: true
  readonly fault: boolean
}

export const nameOf = (moment: Moment, index: number): string => moment.plan.steps[index]?.name ?? ''

export function outcomesOf(moment: Moment, call: Call): Outcome[] {
  const all = call.kind === 'commit' ? commitOutcomes(moment, call) : rollbackOutcomes(moment, call)
  return moment.left.faults > 0 ? all : all.filter(({ fault }) => !fault)
}

const error = (name: string) => ({ name, message: 'told by the test' })

function commitOutcomes(moment: Moment, { step }: Call): Outcome[] {
  const { world } = moment
  const name = nameOf(moment, step)
  const done = land(world, step)
  const lost = change(world, step, { unsure: true })
  // Once the saga was cancelled its signals are aborted: an error proves nothing any more.
  const reason = moment.state.wayBack?.reason
  const cause = reason === 'cancelled' || reason === 'deadline' ? 'aborted' : 'thrown'
  const inDoubt: CallResult = {
    is: 'failed',
    outcome: 'in_doubt',
    cause,
    error: error('InDoubt'),
    final: false,
  }
  const rejected = { is: 'failed', outcome: 'rejected', cause: 'thrown' } as const
  const returned = { is: 'returned', output: name } as const
  const outcomes: Outcome[] = [
    {
      name: `${name} is in doubt, without effect`,
      result: inDoubt,
      world: lost,
      fault: true,
    },
    {
      name: `${name} times out`,
      result: { ...inDoubt, cause: 'timeout', error: error('StepTimeoutError') },
      world: lost,
      ghost: true,
      fault: true,
    },
    {
      name: `${name} is pending, without effect`,
      result: { is: 'pending', checkAfter: 20 },
      world: lost,
      fault: true,
    },
  ]
  if (cause === 'thrown') {
    outcomes.push(
      {
        name: `${name} is rejected`,
        result: { ...rejected, error: error('Error'), final: false },
        world,
        fault: true,
      },
      {
        name: `${name} is rejected for good`,
        result: { ...rejected, error: error('Rejected'), final: true },
        world,
        fault: true,
      },
    )
  }
  // Behind a `never` the service refuses: nothing of what follows can be.
  if (world[step]?.refuses) return [...outcomes, ...giveIn(moment, step)]
  return [
    { name: `${name} commits`, result: { ...returned, overdue: false }, world: done, fault: false },
    { name: `${name} is in doubt, with effect`, result: inDoubt, world: done, fault: true },
    ...outcomes,
    {
      name: `${name} commits within the grace`,
      result: { ...returned, overdue: true },
      world: done,
      fault: true,
    },
    {
      name: `${name} is pending, with effect`,
      result: { is: 'pending', checkAfter: 20 },
      world: done,
      fault: true,
    },
    {
      name: `${name} returns what cannot be stored`,
      result: { ...inDoubt, cause: 'unstorable', error: error('UnstorableOutputError'), final: true },
      world: done,
      fault: true,
    },
  ]
}

/** A service that refused behind the pivot: somebody must have mended it in the end. */
function giveIn(moment: Moment, step: number): Outcome[] {
  const world = change(moment.world, step, { refuses: false, effect: true, unsure: true })
  const result: CallResult = { is: 'returned', output: nameOf(moment, step), overdue: false }
  return [{ name: `${nameOf(moment, step)} commits once its service is mended`, result, world, fault: false }]
}

function rollbackOutcomes(moment: Moment, { step, round }: Call): Outcome[] {
  const { world } = moment
  const name = nameOf(moment, step)
  const undone = undo(world, step, round)
  const failed = {
    is: 'failed',
    outcome: 'in_doubt',
    cause: 'thrown',
    error: error('Error'),
    final: false,
  } as const
  return [
    {
      name: `${name} rolls back`,
      result: { is: 'returned', output: undefined, overdue: false },
      world: change(undone, step, { unsure: undone[step]?.effect === true }),
      fault: false,
    },
    { name: `${name} fails to roll back`, result: failed, world, fault: true },
    { name: `${name} rolls back, and its answer is lost`, result: failed, world: undone, fault: true },
    { name: `${name} is still rolling back`, result: { is: 'pending', checkAfter: 20 }, world, fault: true },
  ]
}
