/**
 * evolve: the whole transition table of a saga. What each fact does to the state, and nothing else.
 *
 * Invariants
 * - Total: every entry is accepted in every state; an entry that no longer means anything (the answer of an attempt that was
 *   overtaken) changes nothing.
 * - Replaying a journal gives the state that the live run had, folded entries included.
 * - P3: position only grows; P4: doubt is never taken back; P9: wayBack is never taken back.
 */
import type {
  Chunk,
  Committed,
  Entry,
  Failed,
  Late,
  Pending,
  Resolved,
  RolledBack,
  Started,
  Submitted,
  Verified,
} from './entry.js'
import type { Plan } from './plan.js'
import {
  type CommitState,
  type Failures,
  noFailures,
  type State,
  type StepState,
  untouched,
} from './state.js'

/** The state of a saga that has just been submitted. */
export function begin(plan: Plan, submitted: Submitted): State {
  return {
    plan,
    uid: submitted.uid,
    input: submitted.input,
    keys: submitted.keys,
    deadline: submitted.deadline,
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
      return { ...state, status: entry.status }
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

/** What an entry does to the step that it names; the same step where it does nothing. */
type Change<About> = (step: StepState, entry: About, at: number) => StepState

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
  return { ...state, steps }
}

const running = (state: State): State => (state.status === 'queued' ? { ...state, status: 'running' } : state)

/** True if the answer of this commit attempt is still awaited. A folded entry stands for attempts whose intents were overwritten. */
function settles(step: StepState, attempt: number): boolean {
  if (step.commit.is === 'open') return step.commit.attempt <= attempt
  return mayBegin(step) && attempt > step.attempts
}

const mayBegin = ({ commit }: StepState): boolean => commit.is === 'idle' || commit.is === 'waiting'

const skipped = (step: StepState): StepState =>
  mayBegin(step) ? { ...step, commit: { is: 'skipped' } } : step

function startedCommit(step: StepState, { attempt, since }: Started, at: number): StepState {
  if (attempt <= step.attempts || !mayBegin(step)) return step
  return { ...step, commit: { is: 'open', attempt, since: since ?? at }, attempts: attempt }
}

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

const stands: CommitState = { is: 'committed' }

const standing = (step: StepState, output: StepState['output']): StepState => ({
  ...step,
  commit: stands,
  output,
})

const committedCommit = (step: StepState, { attempt, output }: Committed): StepState =>
  settles(step, attempt) ? standing(step, output) : step

/** The pivot has committed while the saga was still going forward: from now on there is no way back. */
function passPivot(state: State, name: string): State {
  const pivot = state.plan.steps[indexOf(state.plan, name)]?.pivot === true
  return pivot && !state.wayBack ? { ...state, pastPivot: true } : state
}

/** Moves on over every position whose members are all committed or skipped. */
function advance(state: State): State {
  let { position } = state
  while (position < state.plan.positions.length && positionDone(state, position)) position++
  return position === state.position ? running(state) : { ...running(state), position }
}

function positionDone(state: State, position: number): boolean {
  for (const index of state.plan.positions[position] ?? []) {
    const is = state.steps[index]?.commit.is
    if (is !== 'committed' && is !== 'skipped') return false
  }
  return true
}

const counted = (entry: Failed): Failures => ({
  failures: entry.failures,
  used: entry.used,
  crashes: entry.crashes,
  since: entry.since,
  first: entry.first ?? entry.error,
  last: entry.error,
  stuck: entry.stuck === true,
})

function failedCommit(step: StepState, entry: Failed): StepState {
  const answers = entry.cause === 'condition' ? mayBegin(step) : settles(step, entry.attempt)
  if (!answers) return step
  return {
    ...step,
    commit:
      entry.nextAt === undefined
        ? { is: 'failed', reason: entry.final ?? reasonOf(entry) }
        : { is: 'waiting', until: entry.nextAt, pending: false },
    attempts: Math.max(step.attempts, entry.attempt),
    doubt: step.doubt || entry.doubt,
    // By the cumulative doubt, not by the last outcome: a folded entry must replay to the same state.
    asked: entry.doubt ? false : step.asked,
    commitFailures: counted(entry),
  }
}

/** Whatever it has begun may take effect: in doubt, until it says how it ended. */
function pendingCommit(step: StepState, entry: Pending): StepState {
  if (!settles(step, entry.attempt)) return step
  return {
    ...step,
    commit: { is: 'waiting', until: entry.nextAt, pending: true },
    attempts: Math.max(step.attempts, entry.attempt),
    doubt: true,
    asked: false,
    polls: entry.polls,
  }
}

function reasonOf(entry: Failed): 'rejected' | 'timeout' | 'in_doubt' {
  if (entry.outcome === 'rejected') return 'rejected'
  return entry.cause === 'timeout' ? 'timeout' : 'in_doubt'
}

function verified(state: State, entry: Verified, at: number): State {
  if (entry.answer === 'committed') return committed(state, entry, verifiedCommit, at)
  const change = (step: StepState): StepState => {
    // Asked already: its commit has landed since the question was put, and the rollback may be under way.
    if (!answersDoubt(step) || step.asked) return step
    // Behind the pivot there is no way back: the step is tried for ever, whatever the service says.
    if (entry.answer === 'unknown' || state.pastPivot) return { ...step, asked: true }
    // `never`: the service also refuses this key from now on, so there is no sense in another attempt.
    const reason = step.commit.is === 'failed' ? step.commit.reason : 'in_doubt'
    return { ...step, asked: true, spared: true, commit: { is: 'failed', reason } }
  }
  return withStep(state, entry, change, at)
}

const verifiedCommit = (step: StepState, { output }: Verified): StepState =>
  answersDoubt(step) ? standing(step, output) : step

const answersDoubt = (step: StepState): boolean =>
  step.doubt && (step.commit.is === 'waiting' || step.commit.is === 'failed')

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
  return { ...state, status: 'rolling_back', wayBack, cursor }
}

function startedRollback(step: StepState, { attempt, since }: Started, at: number): StepState {
  if (attempt <= step.undoAttempts || step.undo.is === 'done') return step
  return { ...step, undo: { is: 'open', attempt, since: since ?? at, again: false }, undoAttempts: attempt }
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
  return begins && next !== state && cursor !== state.cursor ? { ...next, cursor } : next
}

function failedRollback(step: StepState, entry: Failed): StepState {
  const round = entry.round ?? 1
  if (round < step.round || (round === step.round && step.undo.is === 'done')) return step
  if (entry.attempt < step.undoAttempts) return step
  // A folded entry of a later round may stand for the answer that ended this one.
  if (round === step.round && step.undo.is === 'open' && step.undo.again)
    return nextRound(step, entry.attempt)
  return {
    ...step,
    round,
    undo: { is: 'waiting', until: entry.nextAt ?? entry.since },
    undoAttempts: Math.max(step.undoAttempts, entry.attempt),
    undoFailures: counted(entry),
  }
}

function rolledBack(step: StepState, { attempt }: RolledBack): StepState {
  if (step.undo.is !== 'open' || step.undo.attempt !== attempt) return step
  // It may have looked before the commit landed, and found nothing to undo.
  if (step.undo.again) return nextRound(step, attempt)
  return undone(step)
}

const undone = (step: StepState): StepState => ({
  ...step,
  undo: { is: 'done' },
  undoFailures: calmed(step.undoFailures),
})

const calmed = (failures: Failures): Failures => (failures.stuck ? { ...failures, stuck: false } : failures)

/** The rollback begins again under a new key: a participant may have stored "nothing to undo" under the old one. */
const nextRound = (step: StepState, attempt: number): StepState => ({
  ...step,
  undo: { is: 'idle' },
  undoAttempts: Math.max(step.undoAttempts, attempt),
  round: step.round + 1,
  undoFailures: noFailures,
})

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

function landed(step: StepState, entry: Late): StepState {
  const output = step.commit.is === 'committed' || entry.output === undefined ? step.output : entry.output
  const doubted: StepState = { ...step, output, doubt: true, spared: false, asked: true }
  switch (step.undo.is) {
    case 'idle':
      return doubted
    case 'open':
      return { ...doubted, undo: { ...step.undo, again: true } }
    case 'waiting':
    case 'done':
      return nextRound(doubted, step.undoAttempts)
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

/** A call that is still being made is waited for: were it forgotten, it could take effect after its rollback. */
function resolvedCommit(step: StepState, { output }: Resolved): StepState {
  if (step.commit.is === 'committed') return step
  const commit: CommitState = step.commit.is === 'open' ? { ...step.commit, resolved: true } : step.commit
  return { ...step, commit, output, commitFailures: calmed(step.commitFailures) }
}

const resolvedNow = (step: StepState, { output }: Resolved): StepState =>
  step.commit.is === 'open' || step.commit.is === 'committed' ? step : standing(step, output)
