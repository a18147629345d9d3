/**
 * What each fact does to the step that it names: the part of the transition table that looks at one step alone.
 *
 * Invariants
 * - An answer that the step no longer waits for changes nothing: the very same step is returned.
 * - P4: doubt is never taken back.
 */
import { draftOfStep } from './draft.js'
import type { Committed, Failed, Late, Pending, Resolved, RolledBack, Started, Verified } from './entry.js'
import { type CommitState, type Failures, noFailures, type StepState, type UndoState } from './state.js'

/** What an entry does to the step that it names; the same step where it does nothing. */
export type Change<About> = (step: StepState, entry: About, at: number) => StepState

/** True if the answer of this commit attempt is still awaited. A folded entry stands for attempts whose intents were overwritten. */
export function settles(step: StepState, attempt: number): boolean {
  if (step.commit.is === 'open') return step.commit.attempt <= attempt
  return mayBegin(step) && attempt > step.attempts
}

const mayBegin = ({ commit }: StepState): boolean => commit.is === 'idle' || commit.is === 'waiting'

export const skipped = (step: StepState): StepState =>
  mayBegin(step) ? { ...step, commit: { is: 'skipped' } } : step

export function startedCommit(step: StepState, { attempt, since }: Started, at: number): StepState {
  if (attempt <= step.attempts || !mayBegin(step)) return step
  const next = draftOfStep(step)
  next.commit = { is: 'open', attempt, since: since ?? at }
  next.attempts = attempt
  return next
}

const stands: CommitState = { is: 'committed' }

export function standing(step: StepState, output: StepState['output']): StepState {
  const next = draftOfStep(step)
  next.commit = stands
  next.output = output
  return next
}

export const committedCommit = (step: StepState, { attempt, output }: Committed): StepState =>
  settles(step, attempt) ? standing(step, output) : step

const counted = (entry: Failed): Failures => ({
  failures: entry.failures,
  used: entry.used,
  crashes: entry.crashes,
  since: entry.since,
  first: entry.first ?? entry.error,
  last: entry.error,
  stuck: entry.stuck === true,
})

export function failedCommit(step: StepState, entry: Failed): StepState {
  const answers = entry.cause === 'condition' ? mayBegin(step) : settles(step, entry.attempt)
  if (!answers) return step
  const next = draftOfStep(step)
  next.commit =
    entry.nextAt === undefined
      ? { is: 'failed', reason: entry.final ?? reasonOf(entry) }
      : { is: 'waiting', until: entry.nextAt, pending: false }
  next.attempts = Math.max(step.attempts, entry.attempt)
  next.doubt = step.doubt || entry.doubt
  // By the cumulative doubt, not by the last outcome: a folded entry must replay to the same state.
  next.asked = entry.doubt ? false : step.asked
  next.commitFailures = counted(entry)
  return next
}

/** Whatever it has begun may take effect: in doubt, until it says how it ended. */
export function pendingCommit(step: StepState, entry: Pending): StepState {
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

export const verifiedCommit = (step: StepState, { output }: Verified): StepState =>
  answersDoubt(step) ? standing(step, output) : step

/** Behind the pivot there is no way back: the step is tried for ever, whatever the service says. */
export const askedBehindPivot = (step: StepState): StepState =>
  mayAsk(step) ? { ...step, asked: true } : step

export function asked(step: StepState, { answer }: Verified): StepState {
  if (!mayAsk(step)) return step
  if (answer === 'unknown') return { ...step, asked: true }
  // `never`: the service also refuses this key from now on, so there is no sense in another attempt.
  const reason = step.commit.is === 'failed' ? step.commit.reason : 'in_doubt'
  return { ...step, asked: true, spared: true, commit: { is: 'failed', reason } }
}

/** Asked already: its commit has landed since the question was put, and the rollback may be under way. */
const mayAsk = (step: StepState): boolean => answersDoubt(step) && !step.asked

const answersDoubt = (step: StepState): boolean =>
  step.doubt && (step.commit.is === 'waiting' || step.commit.is === 'failed')

export function startedRollback(step: StepState, { attempt, since }: Started, at: number): StepState {
  if (attempt <= step.undoAttempts || step.undo.is === 'done') return step
  const next = draftOfStep(step)
  next.undo = { is: 'open', attempt, since: since ?? at, again: false }
  next.undoAttempts = attempt
  return next
}

export function failedRollback(step: StepState, entry: Failed): StepState {
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

export function rolledBack(step: StepState, { attempt }: RolledBack): StepState {
  if (step.undo.is !== 'open' || step.undo.attempt !== attempt) return step
  // It may have looked before the commit landed, and found nothing to undo.
  if (step.undo.again) return nextRound(step, attempt)
  return undone(step)
}

export function undone(step: StepState): StepState {
  const next = draftOfStep(step)
  next.undo = done
  next.undoFailures = calmed(step.undoFailures)
  return next
}

const done: UndoState = { is: 'done' }

const calmed = (failures: Failures): Failures => (failures.stuck ? { ...failures, stuck: false } : failures)

/** The rollback begins again under a new key: a participant may have stored "nothing to undo" under the old one. */
const nextRound = (step: StepState, attempt: number): StepState => ({
  ...step,
  undo: { is: 'idle' },
  undoAttempts: Math.max(step.undoAttempts, attempt),
  round: step.round + 1,
  undoFailures: noFailures,
})

export function landed(step: StepState, entry: Late): StepState {
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

/** A call that is still being made is waited for: were it forgotten, it could take effect after its rollback. */
export function resolvedCommit(step: StepState, { output }: Resolved): StepState {
  if (step.commit.is === 'committed') return step
  const commit: CommitState = step.commit.is === 'open' ? { ...step.commit, resolved: true } : step.commit
  return { ...step, commit, output, commitFailures: calmed(step.commitFailures) }
}

export const resolvedNow = (step: StepState, { output }: Resolved): StepState =>
  step.commit.is === 'open' || step.commit.is === 'committed' ? step : standing(step, output)
