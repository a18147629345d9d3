/**
 * decide: what to do next. Reads the state, changes nothing, calls nobody.
 *
 * Invariants
 * - P3: a commit is called only at the first unfinished position, and never once the saga has turned back;
 *   rollbacks go from the highest position down, and none begins while an attempt of its position is open.
 * - P2: there is always an answer: something to record, something to call, a time to wait for, or an attempt that is still open.
 * - It answers the same for the same state and time.
 */
import type { Entry, Started } from './entry.js'
import { mayStand } from './evolve.js'
import type { StepPlan } from './plan.js'
import type { State, StepState } from './state.js'

export interface Call {
  readonly kind: 'commit' | 'rollback' | 'verify'
  /** Index into `plan.steps`. */
  readonly step: number
  readonly attempt: number
  readonly round: number
  /** Ask the step's `when` first: it has not begun yet. */
  readonly conditional: boolean
}

export type Decision =
  /** A fact that follows from the state alone: write it, then decide again. */
  | { readonly do: 'record'; readonly entry: Entry }
  /** Write the intents of these calls and make them; decide again when one settles, or at `wakeAt` (Infinity: only then). */
  | Act
  | { readonly do: 'end' }

const ended: Decision = { do: 'end' }

/** `now` in ms since 1970. */
export function decide(state: State, now: number): Decision {
  if (state.status === 'committed' || state.status === 'rolled_back') return ended
  return state.wayBack ? goBack(state, now) : goOn(state, now)
}

function goOn(state: State, now: number): Decision {
  const { plan, position } = state
  if (position === plan.positions.length) return record({ type: 'ended', status: 'committed' })
  const deadline = state.deadlinePassed ? undefined : state.deadline
  if (deadline !== undefined && now >= deadline) {
    return record(
      state.pastPivot ? { type: 'deadline_passed' } : { type: 'rolling_back', reason: 'deadline' },
    )
  }
  let act = deadline === undefined ? waitForAnswer : { ...waitForAnswer, wakeAt: deadline }
  for (const index of plan.positions[position] ?? []) {
    const step = state.steps[index]
    const policy = plan.steps[index]
    if (!step || !policy) continue
    const { commit } = step
    // Nothing fails for good behind the pivot. Should a journal say so, a fact that changes nothing must not be said for ever.
    if (commit.is === 'failed' && !state.pastPivot)
      return record({ type: 'rolling_back', reason: commit.reason, step: policy.name })
    act = withMove(act, commitMove(step, policy, index, now))
  }
  return act
}

/** What one step asks for: a call, a time to wait for, or nothing (an attempt is open, or it is done). */
type Move = Call | number | undefined

interface Act {
  readonly do: 'act'
  readonly calls: readonly Call[]
  readonly wakeAt: number
}

const waitForAnswer: Act = { do: 'act', calls: [], wakeAt: Number.POSITIVE_INFINITY }

/** Nearly every decision is a single call: that costs one array of one, and none that has room to grow. */
function withMove(act: Act, move: Move): Act {
  const { calls, wakeAt } = act
  if (move === undefined) return act
  if (typeof move === 'number') return { do: 'act', calls, wakeAt: Math.min(wakeAt, move) }
  if (calls.length === 0)
    return { do: 'act', calls: [move], wakeAt }
    // Made by the line above, and seen by nobody yet.
  ;(calls as Call[]).push(move)
  return act
}

function commitMove(step: StepState, policy: StepPlan, index: number, now: number): Move {
  const { commit } = step
  if (commit.is === 'idle') return callCommit(step, index, policy)
  if (commit.is !== 'waiting') return undefined
  // A pending commit has said itself how it goes, and will be asked itself.
  if (!commit.pending && mustVerify(step, policy)) return callVerify(step, index)
  return commit.until <= now ? callCommit(step, index, policy) : commit.until
}

function goBack(state: State, now: number): Decision {
  for (let position = state.cursor; position >= 0; position--) {
    const decision = undoPosition(state, position, now)
    if (decision) return decision
  }
  return record({ type: 'ended', status: 'rolled_back' })
}

/** Undefined where nothing is left to undo. */
function undoPosition(state: State, position: number, now: number): Decision | undefined {
  const members = state.plan.positions[position] ?? []
  // All settle first: a sibling that is still being called may yet take effect, and its output may be needed.
  for (const index of members) if (state.steps[index]?.commit.is === 'open') return waitForAnswer
  let act: Act | undefined
  for (const index of members) {
    const step = state.steps[index]
    const policy = state.plan.steps[index]
    if (step && policy && needsUndo(step, policy))
      act = withMove(act ?? waitForAnswer, undoMove(step, policy, index, now))
  }
  return act
}

function undoMove(step: StepState, policy: StepPlan, index: number, now: number): Move {
  const { undo } = step
  if (mustVerify(step, policy)) return callVerify(step, index)
  if (undo.is === 'idle') return callRollback(step, index)
  if (undo.is !== 'waiting') return undefined
  return undo.until <= now ? callRollback(step, index) : undo.until
}

/** True as long as the step stands, or may, and there is something to call. */
export const needsUndo = (step: StepState, policy: StepPlan): boolean =>
  policy.hasRollback && mayStand(step) && step.undo.is !== 'done'

const mustVerify = (step: StepState, policy: StepPlan): boolean =>
  policy.hasVerify &&
  step.doubt &&
  !step.asked &&
  (step.commit.is === 'waiting' || step.commit.is === 'failed')

const record = (entry: Entry): Decision => ({ do: 'record', entry })

const callCommit = (step: StepState, index: number, policy: StepPlan): Call => ({
  kind: 'commit',
  step: index,
  attempt: step.attempts + 1,
  round: 1,
  conditional: policy.conditional && step.attempts === 0,
})

const callRollback = (step: StepState, index: number): Call => ({
  kind: 'rollback',
  step: index,
  attempt: step.undoAttempts + 1,
  round: step.round,
  conditional: false,
})

const callVerify = (step: StepState, index: number): Call => ({
  kind: 'verify',
  step: index,
  attempt: step.attempts,
  round: 1,
  conditional: false,
})

/** The entry that must be durable before the call is made. */
export function intentOf({ kind, step: index, attempt, round }: Call, { plan }: State): Started {
  const step = plan.steps[index]?.name ?? ''
  if (kind !== 'rollback') return { type: 'started', step, direction: 'commit', attempt }
  const intent: Started = { type: 'started', step, direction: 'rollback', attempt }
  return round > 1 ? { ...intent, round } : intent
}
