/**
 * What a state means to those who do not replay it: its row, its end, and what may be done to it by hand.
 *
 * Invariants
 * - Nothing here is truth: all of it can be derived again from the journal.
 * - An operator's wish is answered by entries to write, or refused with a code; it never changes a state by itself.
 */
import type { Entry, Json } from './entry.js'
import { indexOf, mayStand } from './evolve.js'
import { parseShape, type ShapeStep } from './plan.js'
import type { State, StepState } from './state.js'

export const isEnded = (state: State): boolean =>
  state.status === 'committed' || state.status === 'rolled_back'

/** True while some step that is tried for ever keeps failing. */
export const isStuck = (state: State): boolean =>
  !isEnded(state) && state.steps.some(state.wayBack ? stuckBack : stuckForward)

const stuckForward = ({ commit, commitFailures }: StepState): boolean =>
  commitFailures.stuck && (commit.is === 'open' || commit.is === 'waiting')

const stuckBack = ({ undo, undoFailures }: StepState): boolean => undoFailures.stuck && undo.is !== 'done'

/** The outputs of the steps that committed, by name. */
export function outputsOf(state: State): Record<string, Json> {
  const outputs: Record<string, Json> = {}
  state.plan.steps.forEach(({ name }, index) => {
    const step = state.steps[index]
    if (step?.commit.is === 'committed' && step.output !== undefined) outputs[name] = step.output
  })
  return outputs
}

/** Names of the steps that were rolled back, in the order in which they were. */
export function rolledBackSteps(state: State): string[] {
  const names: string[] = []
  for (const members of state.plan.positions.toReversed()) {
    for (const index of members) {
      const step = state.steps[index]
      if (step?.undo.is === 'done' && mayStand(step)) names.push(state.plan.steps[index]?.name ?? '')
    }
  }
  return names
}

export type Refusal = 'ENDED' | 'PAST_PIVOT' | 'NOT_RESOLVABLE' | 'NOT_REBINDABLE'

export type Answer =
  | { readonly entries: readonly Entry[] }
  | { readonly refused: Refusal; readonly why: string }

const refuse = (refused: Refusal, why: string): Answer => ({ refused, why })

/** Cancel: at once while queued, the way back while committing, no effect on the way back. */
export function cancel(state: State, message: string, actor: string | undefined): Answer {
  if (isEnded(state)) return refuse('ENDED', `it has ended: ${state.status}`)
  if (state.pastPivot) return refuse('PAST_PIVOT', 'its pivot has committed, so it can only go forward')
  if (state.wayBack) return { entries: [] }
  const by = actor === undefined ? {} : { actor }
  const turn: Entry = { type: 'rolling_back', reason: 'cancelled', message, ...by }
  return { entries: state.status === 'queued' ? [turn, { type: 'ended', status: 'rolled_back' }] : [turn] }
}

/** Whatever waits is tried at once. */
export function retryNow(state: State, actor: string | undefined): Answer {
  if (isEnded(state)) return refuse('ENDED', `it has ended: ${state.status}`)
  return { entries: [{ type: 'retry_requested', ...(actor === undefined ? {} : { actor }) }] }
}

export interface Resolution {
  readonly as: 'rolled_back' | 'committed'
  readonly output?: Json
  readonly reason: string
  readonly actor: string
}

/** An operator says what became of a step: a rollback that will not work, or a commit that is waited for. */
export function resolve(state: State, stepName: string, resolution: Resolution): Answer {
  if (isEnded(state)) return refuse('ENDED', `it has ended: ${state.status}`)
  const step = state.steps[indexOf(state.plan, stepName)]
  if (!step) return refuse('NOT_RESOLVABLE', `it has no step ${stepName}`)
  const why = resolution.as === 'rolled_back' ? notUndoable(state, step) : notCommittable(state, step)
  if (why) return refuse('NOT_RESOLVABLE', `step ${stepName} ${why}`)
  return { entries: [{ type: 'resolved', step: stepName, ...resolution }] }
}

function notUndoable(state: State, step: StepState): string | undefined {
  if (!state.wayBack) return 'is not being rolled back: cancel the saga first'
  if (step.commit.is === 'open') return 'is still being called: wait for its answer'
  if (step.undo.is === 'done') return 'is rolled back already'
  return mayStand(step) ? undefined : 'never took effect: there is nothing to roll back'
}

function notCommittable(state: State, step: StepState): string | undefined {
  if (state.wayBack) return 'belongs to a saga that is rolling back: resolve it as rolled_back'
  if (step.commit.is === 'open' || step.commit.is === 'waiting') return undefined
  return step.commit.is === 'committed' ? 'is committed already' : 'has not begun'
}

/** Moves the saga to another version, if its shape begins just as far alike as the saga has come. */
export function rebind(
  state: State,
  version: string,
  shape: string,
  actor: string | undefined,
  reason?: string,
): Answer {
  if (isEnded(state)) return refuse('ENDED', `it has ended: ${state.status}`)
  const now = parseShape(state.plan.shape)
  const then = parseShape(shape)
  const touched = touchedPositions(state)
  for (let position = 0; position < touched; position++) {
    if (!alike(now[position], then[position])) {
      return refuse(
        'NOT_REBINDABLE',
        `position ${position + 1} has begun and is another in version ${version}`,
      )
    }
  }
  if (then.length === 0) return refuse('NOT_REBINDABLE', `version ${version} has no steps`)
  const why = reason === undefined ? {} : { reason }
  return { entries: [{ type: 'rebound', version, shape, ...why, ...(actor === undefined ? {} : { actor }) }] }
}

function touchedPositions(state: State): number {
  let touched = 0
  state.steps.forEach((step, index) => {
    if (step.commit.is !== 'idle') touched = Math.max(touched, (state.plan.steps[index]?.position ?? 0) + 1)
  })
  return touched
}

const alike = (a: readonly ShapeStep[] | undefined, b: readonly ShapeStep[] | undefined): boolean =>
  JSON.stringify(a) === JSON.stringify(b)
