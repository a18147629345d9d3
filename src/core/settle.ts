/**
 * settle: turns what an attempt did into the entries that say so. Here, and only here, retry policies are read.
 *
 * Invariants
 * - An attempt that the state no longer waits for yields no entry.
 * - Every failure carries the whole count (see entry.ts), so that it may overwrite the one before.
 * - P5: a rollback's failure always has a next time. So has a step behind the pivot, and a pivot in doubt.
 * - P4: only an attempt that was rejected leaves the doubt as it was.
 */
import { backoff, later } from './backoff.js'
import type { Direction, Entry, Failed, FailureCause, Json, RollbackReason, StoredError } from './entry.js'
import type { Backoff, StepPlan } from './plan.js'
import type { Failures, State, StepState } from './state.js'

/** Which call it was. */
export interface Attempt {
  readonly step: number
  readonly direction: Direction
  readonly attempt: number
}

/** What it did, as the runtime saw it. */
export type CallResult =
  /** `overdue`: after its timeout, within the grace. */
  | { readonly is: 'returned'; readonly output: Json | undefined; readonly overdue: boolean }
  /** Still going on: ask again in so many ms. */
  | { readonly is: 'pending'; readonly checkAfter: number }
  | {
      readonly is: 'failed'
      readonly outcome: 'rejected' | 'in_doubt'
      readonly cause: FailureCause
      readonly error: StoredError
      /** Another attempt would end the same way (`Rejected` thrown on purpose, an output that cannot be stored). */
      readonly final: boolean
      /** ms: no attempt before, however short the backoff is. */
      readonly retryAfter?: number
    }
  /** Given up by a process that closes down; neither the step's fault nor a crash. */
  | { readonly is: 'released' }

export type VerifyAnswer =
  | { readonly is: 'committed'; readonly output: Json | undefined }
  | { readonly is: 'never' }
  | { readonly is: 'unknown'; readonly error?: StoredError }

/** After so many crashes in one step the saga turns back: the step kills its process. */
export const crashLimit = 3

/** `at` in ms since 1970; `random` in [0, 1), for the jitter. */
export function settle(
  state: State,
  attempt: Attempt,
  result: CallResult,
  at: number,
  random: number,
): Entry[] {
  const step = state.steps[attempt.step]
  const policy = state.plan.steps[attempt.step]
  if (!step || !policy) return []
  return attempt.direction === 'commit'
    ? settleCommit(state, step, policy, attempt, result, at, random)
    : settleRollback(state, step, policy, attempt, result, at, random)
}

/** What a dead process left open: those attempts are in doubt. */
export function interrupt(state: State, at: number, random: () => number): Entry[] {
  return openAttempts(state).flatMap((attempt) => settle(state, attempt, crashed, at, random()))
}

/** What a process that closes down leaves open. */
export function release(state: State, at: number): Entry[] {
  return openAttempts(state).flatMap((attempt) => settle(state, attempt, { is: 'released' }, at, 0))
}

/** Every attempt whose intent is durable and whose outcome is not. */
export function openAttempts(state: State): Attempt[] {
  const attempts: Attempt[] = []
  state.steps.forEach((step, index) => {
    if (step.commit.is === 'open')
      attempts.push({ step: index, direction: 'commit', attempt: step.commit.attempt })
    if (step.undo.is === 'open')
      attempts.push({ step: index, direction: 'rollback', attempt: step.undo.attempt })
  })
  return attempts
}

/**
 * True once one more crash would turn the saga back, or where a rollback has crashed as often: such a step is called with nothing
 * beside it, so that no other is blamed, or dies with it each time before it has come any further. An attempt that is open in what
 * was read from the store counts: its process is gone.
 */
export function suspected(state: State): boolean {
  if (state.wayBack) return state.steps.some((step) => undoCrashesOf(step) >= crashLimit - 1)
  const members = state.plan.positions[state.position] ?? []
  return members.some((index) => crashesOf(state.steps[index]) >= crashLimit - 1)
}

const crashesOf = (step: StepState | undefined): number =>
  step ? step.commitFailures.crashes + (step.commit.is === 'open' ? 1 : 0) : 0

/** A rollback is tried for ever: once it has failed in any other way, its crashes of long ago count no longer. */
function undoCrashesOf({ undo, undoFailures }: StepState): number {
  const open = undo.is === 'open' ? 1 : 0
  if (undo.is === 'done') return 0
  return open + (undoFailures.last?.code === crash.code ? undoFailures.crashes : 0)
}

const crash = { name: 'Crash', message: 'the process died during the call', code: 'CRASH' }

const crashed: CallResult = { is: 'failed', outcome: 'in_doubt', cause: 'crash', error: crash, final: false }

const releasedError: StoredError = {
  name: 'Aborted',
  message: 'the process closed down during the call',
  code: 'CLOSED',
}

function settleCommit(
  state: State,
  step: StepState,
  policy: StepPlan,
  attempt: Attempt,
  result: CallResult,
  at: number,
  random: number,
): Entry[] {
  if (step.commit.is === 'open' ? step.commit.attempt !== attempt.attempt : attempt.attempt <= step.attempts)
    return []
  const name = policy.name
  switch (result.is) {
    case 'returned': {
      const entry = committed(name, attempt.attempt, result)
      const byHand = step.commit.is === 'open' && step.commit.resolved === true
      const spent = result.overdue && !state.wayBack && !byHand && !unbounded(state, policy, true)
      if (!spent || step.commitFailures.used + 1 < policy.retry.attempts) return [entry]
      return [entry, { type: 'rolling_back', reason: 'timeout', step: name }]
    }
    case 'pending': {
      const nextAt = later(at, result.checkAfter)
      return [{ type: 'pending', step: name, attempt: attempt.attempt, polls: step.polls + 1, nextAt }]
    }
    case 'released':
      return [released(step.commitFailures, name, attempt, 1, at, !state.wayBack)]
    case 'failed':
      return [failedCommit(state, step, policy, attempt, result, at, random)]
  }
}

/** One literal for the usual case: this is said once a step. */
function committed(step: string, attempt: number, result: CallResult & { is: 'returned' }): Entry {
  const { output, overdue } = result
  const entry: Entry =
    output === undefined ? { type: 'committed', step, attempt } : { type: 'committed', step, attempt, output }
  return overdue ? { ...entry, overdue } : entry
}

type Failure = CallResult & { is: 'failed' }

function failedCommit(
  state: State,
  step: StepState,
  policy: StepPlan,
  attempt: Attempt,
  result: Failure,
  at: number,
  random: number,
): Failed {
  const counts = count(step.commitFailures, result, at)
  const doubt = step.doubt || result.outcome === 'in_doubt'
  // To be turned away for now says nothing of the attempts before: what they may have done stands, and a pivot often cannot be undone.
  const unknown = result.outcome === 'in_doubt' || (step.doubt && result.retryAfter !== undefined)
  const forever = unbounded(state, policy, unknown)
  const final = whyFinal(state, policy, counts, result, forever)
  // A crash waits from the attempt's start: the time that the process was down counts.
  const from = result.cause === 'crash' && step.commit.is === 'open' ? step.commit.since : at
  const wait = waitOf(policy.retry, counts, result, random)
  const nextAt = final === undefined ? later(from, wait) : undefined
  return {
    type: 'failed',
    ...describeFailure(policy.name, attempt, result, counts, 1),
    doubt,
    ...(nextAt === undefined ? {} : { nextAt }),
    ...(final === undefined || final === 'outcome' ? {} : { final }),
    ...(forever && nextAt !== undefined && isStuck(state, counts, at) ? { stuck: true } : {}),
  }
}

/** Undefined: there is another attempt. `outcome`: there is none, for the reason that the outcome itself gives. */
function whyFinal(
  state: State,
  policy: StepPlan,
  counts: Counts,
  result: Failure,
  forever: boolean,
): RollbackReason | 'outcome' | undefined {
  if (state.wayBack) return 'outcome'
  if (state.pastPivot) return undefined
  if (counts.crashes >= crashLimit) return 'crash_loop'
  if (result.cause === 'crash') return undefined
  // A pivot that returned what cannot be stored is in doubt like any other: there it goes on until somebody knows.
  if (result.final && (result.outcome === 'rejected' || !policy.pivot)) return 'outcome'
  return forever || counts.used < policy.retry.attempts ? undefined : 'outcome'
}

/** Tried for ever: behind the pivot, the pivot itself as long as it is in doubt, and what the user wants so. */
function unbounded(state: State, policy: StepPlan, inDoubt: boolean): boolean {
  return state.pastPivot || (policy.pivot && inDoubt) || policy.retry.attempts === Number.POSITIVE_INFINITY
}

function settleRollback(
  state: State,
  step: StepState,
  policy: StepPlan,
  attempt: Attempt,
  result: CallResult,
  at: number,
  random: number,
): Entry[] {
  if (step.undo.is !== 'open' || step.undo.attempt !== attempt.attempt) return []
  const { round } = step
  if (result.is === 'returned') {
    return [
      { type: 'rolled_back', step: policy.name, attempt: attempt.attempt, ...(round > 1 ? { round } : {}) },
    ]
  }
  if (result.is === 'released') return [released(step.undoFailures, policy.name, attempt, round, at, true)]
  const failure: Failure = result.is === 'pending' ? stillUndoing : { ...result, outcome: 'in_doubt' }
  const counts = count(step.undoFailures, failure, at)
  const from = failure.cause === 'crash' ? step.undo.since : at
  const wait =
    result.is === 'pending' ? result.checkAfter : waitOf(policy.rollbackRetry, counts, failure, random)
  return [
    {
      type: 'failed',
      ...describeFailure(policy.name, attempt, failure, counts, round),
      doubt: true,
      nextAt: later(from, wait),
      ...(isStuck(state, counts, at) ? { stuck: true } : {}),
    },
  ]
}

/** A rollback may say `pending` too: it is not done, and will be called again. */
const stillUndoing: Failure = {
  is: 'failed',
  outcome: 'in_doubt',
  cause: 'thrown',
  error: { name: 'Pending', message: 'the rollback is still going on', code: 'PENDING' },
  final: false,
}

const waitOf = (policy: Backoff, counts: Counts, { retryAfter = 0 }: Failure, random: number): number =>
  Math.max(retryAfter, backoff(policy, counts.failures, random))

type Counts = Pick<Failed, 'failures' | 'used' | 'crashes' | 'since'> & { readonly first: StoredError }

function count(before: Failures, result: Failure, at: number): Counts {
  const crash = result.cause === 'crash'
  return {
    failures: before.failures + 1,
    used: before.used + (crash ? 0 : 1),
    crashes: before.crashes + (crash ? 1 : 0),
    since: before.failures === 0 ? at : before.since,
    first: before.first ?? result.error,
  }
}

/** Spread behind a first field: in Node 20 an object that begins with a spread takes 1 µs for what is added to it. */
function describeFailure(
  step: string,
  attempt: Attempt,
  result: Failure,
  counts: Counts,
  round: number,
): Omit<Failed, 'type' | 'doubt'> {
  const { failures, used, crashes, since, first } = counts
  return {
    step,
    direction: attempt.direction,
    attempt: attempt.attempt,
    ...(round > 1 ? { round } : {}),
    outcome: result.outcome,
    cause: result.cause,
    failures,
    used,
    crashes,
    since,
    // Once is enough while they are the same: most failures come alone.
    ...(failures > 1 ? { first } : {}),
    error: result.error,
  }
}

function released(
  before: Failures,
  step: string,
  attempt: Attempt,
  round: number,
  at: number,
  again: boolean,
): Failed {
  return {
    type: 'failed',
    step,
    direction: attempt.direction,
    attempt: attempt.attempt,
    ...(round > 1 ? { round } : {}),
    outcome: 'in_doubt',
    cause: 'aborted',
    failures: before.failures,
    used: before.used,
    crashes: before.crashes,
    since: before.failures === 0 ? at : before.since,
    ...(before.first ? { first: before.first } : {}),
    error: before.last ?? releasedError,
    doubt: true,
    ...(again ? { nextAt: at } : {}),
    ...(before.stuck ? { stuck: true as const } : {}),
  }
}

const isStuck = (state: State, counts: Counts, at: number): boolean =>
  counts.failures >= state.plan.stuck.attempts || at - counts.since >= state.plan.stuck.after

/** The step's `when` threw: a rejection, but of nothing that was called. */
export function settleCondition(
  state: State,
  index: number,
  error: StoredError,
  at: number,
  random: number,
): Entry[] {
  const step = state.steps[index]
  const policy = state.plan.steps[index]
  if (!step || !policy) return []
  const attempt: Attempt = { step: index, direction: 'commit', attempt: step.attempts }
  const result: Failure = { is: 'failed', outcome: 'rejected', cause: 'condition', error, final: true }
  return [failedCommit(state, step, policy, attempt, result, at, random)]
}

function notVerified(
  step: string,
  answer: VerifyAnswer & { is: 'never' | 'unknown' },
  pastPivot: boolean,
): Entry {
  if (answer.is === 'never' && !pastPivot) return { type: 'verified', step, answer: 'never' }
  const error = answer.is === 'never' ? refusedBehindPivot : answer.error
  return { type: 'verified', step, answer: 'unknown', ...(error ? { error } : {}) }
}

/** Nothing can spare a step behind the pivot. As `unknown` it is folded with the failures around it, and they stay small. */
const refusedBehindPivot: StoredError = {
  name: 'VerifyError',
  message: 'the service says that it never will commit, and behind the pivot it must: it is tried again',
  code: 'NEVER_BEHIND_PIVOT',
}

/** The answer to `verify`. `committed` goes on only where an attempt was left, just as a success within the grace does. */
export function settleVerify(state: State, index: number, answer: VerifyAnswer): Entry[] {
  const step = state.steps[index]
  const name = state.plan.steps[index]?.name
  if (!step || name === undefined || !step.doubt) return []
  if (step.commit.is !== 'waiting' && step.commit.is !== 'failed') return []
  // The commit has landed since the question was put: that says more than a service that has not seen it.
  if (step.asked && answer.is !== 'committed') return []
  if (answer.is !== 'committed') return [notVerified(name, answer, state.pastPivot)]
  const output = answer.output === undefined ? {} : { output: answer.output }
  const entry: Entry = { type: 'verified', step: name, answer: 'committed', ...output }
  const { commit } = step
  if (state.wayBack || commit.is === 'waiting') return [entry]
  return [entry, { type: 'rolling_back', reason: commit.reason, step: name }]
}
