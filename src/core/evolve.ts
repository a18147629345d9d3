/**
 * evolve: the whole transition table of a saga. What each fact does to the state, and nothing else. What it does to the step
 * that it names is in step-changes.ts.
 *
 * Invariants
 * - Total: every entry is accepted in every state; an entry that no longer means anything (the answer of an attempt that was
 *   overtaken) changes nothing.
 * - Replaying a journal gives the state that the live run had, folded entries included.
 * - P3: position only grows; P4: doubt is never taken back; P9: wayBack is never taken back.
 */
import { draftOfState } from './draft.js'
import type { Chunk, Entry, Failed, Late, Pending, Resolved, Started, Submitted, Verified } from './entry.js'
import type { Plan } from './plan.js'
import { type State, type Status, type StepState, untouched } from './state.js'
import {
  asked,
  askedBehindPivot,
  type Change,
  committedCommit,
  failedCommit,
  failedRollback,
  landed,
  pendingCommit,
  resolvedCommit,
  resolvedNow,
  rolledBack,
  settles,
  skipped,
  standing,
  startedCommit,
  startedRollback,
  undone,
  verifiedCommit,
} from './step-changes.js'

/** The state of a saga that has just been submitted. */
export function begin(plan: Plan, submitted: Submitted): State {
  return {
    plan,
    uid: submitted.uid,
    input: submitted.input,
    keys: submitted.keys,
    deadline: submitted.deadline,
    trace: submitted.trace,
    status: 'queued',
    steps: plan.steps.map(() => untouched),
    position: 0,
    cursor: -1,
    wayBack: undefined,
    pastPivot: false,
    late: false,
    deadlinePassed: false,
  }
}

/** Rebuilds the state from the journal. The plan is the one that the saga follows now. Throws a TypeError if it does not begin with `submitted`. */
export function replay(plan: Plan, chunks: readonly Chunk[]): State {
  const first = chunks[0]?.entries[0]
  if (first?.type !== 'submitted') throw new TypeError('a journal begins with the entry submitted')
  let state = begin(plan, first)
  for (const chunk of chunks) state = evolveAll(state, chunk.entries, chunk.at)
  return state
}

export function evolveAll(state: State, entries: readonly Entry[], at: number): State {
  let next = state
  for (const entry of entries) next = evolve(next, entry, at)
  return next
}

/** The transition table. `at` is the time of the entry's chunk. */
export function evolve(state: State, entry: Entry, at: number): State {
  switch (entry.type) {
    case 'submitted':
    case 'rebound': // The caller replays with the plan of the new version: the shapes begin alike.
      return state
    case 'skipped':
      return advance(withStep(state, entry, skipped, at))
    case 'started':
      return entry.direction === 'commit'
        ? running(withStep(state, entry, startedCommit, at))
        : undoing(state, entry, startedRollback, at)
    case 'committed':
      return committed(state, entry, committedCommit, at)
    case 'pending':
      return answered(state, entry, pendingCommit, at)
    case 'failed':
      return entry.direction === 'commit'
        ? answered(state, entry, failedCommit, at)
        : undoing(state, entry, failedRollback, at)
    case 'verified':
      return verified(state, entry, at)
    case 'rolling_back':
      return turnBack(state, entry)
    case 'rolled_back':
      return withStep(state, entry, rolledBack, at)
    case 'late':
      return landedLate(state, entry, at)
    case 'retry_requested':
      return hurry(state)
    case 'resolved':
      return resolved(state, entry, at)
    case 'deadline_passed':
      return { ...state, deadlinePassed: true }
    case 'ended':
      return withStatus(state, entry.status)
  }
}

/** A step that may stand: it must be rolled back, or its effect would be left behind (P4). */
export function mayStand(step: StepState): boolean {
  if (step.commit.is === 'committed') return true
  return step.doubt && !step.spared
}

/** The index of a step by its name, or -1. Linear: nearly all sagas have a handful; the long ones get a map. */
export function indexOf(plan: Plan, name: string): number {
  const { steps } = plan
  if (steps.length > 32) return longPlan(plan).get(name) ?? -1
  for (let i = 0; i < steps.length; i++) if (steps[i]?.name === name) return i
  return -1
}

const longPlans = new WeakMap<Plan, Map<string, number>>()

function longPlan(plan: Plan): Map<string, number> {
  let map = longPlans.get(plan)
  if (!map) {
    map = new Map(plan.steps.map((step, index) => [step.name, index]))
    longPlans.set(plan, map)
  }
  return map
}

function withStep<About extends { readonly step: string }>(
  state: State,
  entry: About,
  change: Change<About>,
  at: number,
): State {
  const index = indexOf(state.plan, entry.step)
  const before = state.steps[index]
  if (!before) return state
  const after = change(before, entry, at)
  if (after === before) return state
  const steps = state.steps.slice()
  steps[index] = after
  const next = draftOfState(state)
  next.steps = steps
  return next
}

function withStatus(state: State, status: Status): State {
  const next = draftOfState(state)
  next.status = status
  return next
}

const running = (state: State): State => (state.status === 'queued' ? withStatus(state, 'running') : state)

/** The answer of an attempt that did not commit. It no longer matters where an operator has said that the step stands. */
function answered<Answer extends Failed | Pending>(
  state: State,
  entry: Answer,
  change: Change<Answer>,
  at: number,
): State {
  const step = state.steps[indexOf(state.plan, entry.step)]
  const next = running(withStep(state, entry, change, at))
  const resolved = step?.commit.is === 'open' && step.commit.resolved && settles(step, entry.attempt)
  return resolved ? committed(next, entry, (now) => standing(now, step.output), at) : next
}

function committed<About extends { readonly step: string }>(
  state: State,
  entry: About,
  change: Change<About>,
  at: number,
): State {
  const next = withStep(state, entry, change, at)
  return next === state ? state : advance(passPivot(next, entry.step))
}

/** The pivot has committed while the saga was still going forward: from now on there is no way back. */
function passPivot(state: State, name: string): State {
  const pivot = state.plan.steps[indexOf(state.plan, name)]?.pivot === true
  return pivot && !state.wayBack ? { ...state, pastPivot: true } : state
}

/** Moves on over every position whose members are all committed or skipped. */
function advance(state: State): State {
  let { position } = state
  while (position < state.plan.positions.length && positionDone(state, position)) position++
  if (position === state.position) return running(state)
  const next = draftOfState(running(state))
  next.position = position
  return next
}

function positionDone(state: State, position: number): boolean {
  for (const index of state.plan.positions[position] ?? []) {
    const is = state.steps[index]?.commit.is
    if (is !== 'committed' && is !== 'skipped') return false
  }
  return true
}

function verified(state: State, entry: Verified, at: number): State {
  if (entry.answer === 'committed') return committed(state, entry, verifiedCommit, at)
  return withStep(state, entry, state.pastPivot ? askedBehindPivot : asked, at)
}

function turnBack(state: State, entry: State['wayBack'] & object): State {
  if (state.wayBack || state.pastPivot || state.status === 'committed') return state
  const { reason, step, message, actor } = entry
  const wayBack = {
    reason,
    ...(step === undefined ? {} : { step }),
    ...(message === undefined ? {} : { message }),
    ...(actor === undefined ? {} : { actor }),
  }
  // The present position is the highest that can have begun: P3 starts none before the one below it has committed.
  const cursor = Math.min(state.position, state.plan.positions.length - 1)
  const next = draftOfState(state)
  next.status = 'rolling_back'
  next.wayBack = wayBack
  next.cursor = cursor
  return next
}

/**
 * An attempt to roll back begins only where nothing above it is left to undo. The answer to an attempt whose intent was
 * folded away says so too; the answer to an open one does not: a commit above may have landed late since it began.
 */
function undoing<Attempt extends Started | Failed>(
  state: State,
  entry: Attempt,
  change: Change<Attempt>,
  at: number,
): State {
  const index = indexOf(state.plan, entry.step)
  const begins = entry.attempt > (state.steps[index]?.undoAttempts ?? entry.attempt)
  const next = withStep(state, entry, change, at)
  const cursor = state.plan.steps[index]?.position ?? state.cursor
  if (!begins || next === state || cursor === state.cursor) return next
  const moved = draftOfState(next)
  moved.cursor = cursor
  return moved
}

function landedLate(state: State, entry: Late, at: number): State {
  if (state.status === 'committed') return state
  const next = withStep(state, entry, landed, at)
  if (!next.wayBack) return next
  const position = state.plan.steps[indexOf(state.plan, entry.step)]?.position ?? 0
  const reopened = state.status === 'rolled_back'
  return {
    ...next,
    cursor: Math.max(next.cursor, position),
    status: 'rolling_back',
    late: next.late || reopened,
  }
}

/** Whatever waits is due now. */
function hurry(state: State): State {
  const steps = state.steps.map((step): StepState => {
    const commit = step.commit.is === 'waiting' ? { ...step.commit, until: 0 } : step.commit
    const undo = step.undo.is === 'waiting' ? { ...step.undo, until: 0 } : step.undo
    return commit === step.commit && undo === step.undo ? step : { ...step, commit, undo }
  })
  return { ...state, steps }
}

function resolved(state: State, entry: Resolved, at: number): State {
  if (entry.as === 'rolled_back') return withStep(state, entry, undone, at)
  const next = withStep(state, entry, resolvedCommit, at)
  return committed(next, entry, resolvedNow, at)
}
