/**
 * Bugs, planted in the core on purpose: the enumeration of histories must find each of them.
 */
import type { Decision } from '#dist/core/decide.js'
import type { Entry } from '#dist/core/entry.js'
import { indexOf } from '#dist/core/evolve.js'
import type { State, StepState } from '#dist/core/state.js'
import { type Core, core } from './driver.js'

type Change = (before: State, after: State, entry: Entry) => State

const evolving = (change: Change): Core => ({
  ...core,
  evolve: (state, entry, at) => change(state, core.evolve(state, entry, at), entry),
})

const deciding = (change: (state: State, decided: Decision, now: number) => Decision): Core => ({
  ...core,
  decide: (state, now) => change(state, core.decide(state, now), now),
})

/** The steps, each changed where the entry is of it. */
const steps = (state: State, entry: Entry, change: (step: StepState) => StepState): State => ({
  ...state,
  steps: state.steps.map((step, index) =>
    'step' in entry && state.plan.steps[index]?.name === entry.step ? change(step) : step,
  ),
})

/** P4 forgotten: a later attempt that is rejected cleanly clears the doubt that an earlier one left. */
export const rejectionClearsDoubt = evolving((_, after, entry) =>
  entry.type === 'failed' && entry.direction === 'commit' && entry.outcome === 'rejected'
    ? steps(after, entry, (step) => ({ ...step, doubt: false }))
    : after,
)

/** The same, where nobody reads the state's doubt: only the rollback is left out. */
export const rejectionSpares = evolving((_, after, entry) =>
  entry.type === 'failed' && entry.direction === 'commit' && entry.outcome === 'rejected'
    ? steps(after, entry, (step) => ({ ...step, spared: true }))
    : after,
)

/** Rollbacks from the first position up. */
export const rollbacksSwapped = deciding((state, decided, now) => {
  if (!state.wayBack || decided.do !== 'act') return decided
  for (let cursor = 0; cursor <= state.cursor; cursor++) {
    const lower = core.decide({ ...state, cursor }, now)
    if (lower.do === 'act') return lower
  }
  return decided
})

/** A commit that waits for its next attempt gets it, also after the decision to roll back. */
export const commitAfterDecision = deciding((state, decided, now) => {
  const waits = state.steps.some(({ commit }) => commit.is === 'waiting')
  const { wayBack, ...forward } = state
  return wayBack && waits && decided.do === 'act'
    ? core.decide({ ...forward, wayBack: undefined, status: 'running' }, now)
    : decided
})

/** A late success is written down, and nobody cares. */
export const lateIgnored = evolving((before, after, entry) => (entry.type === 'late' ? before : after))

/** A late success calls for a rollback, but with the key of the one before. */
export const lateWithoutNewRound = evolving((_, after, entry) =>
  steps(after, entry, (step) => ({ ...step, round: 1 })),
)

/** The crash of a process says nothing about the calls that it was making. */
export const crashMeansRejected: Core = {
  ...core,
  interrupt: (state, at, random) =>
    core.interrupt(state, at, random).map((entry) => {
      if (entry.type !== 'failed' || entry.direction !== 'commit') return entry
      const doubt = state.steps[indexOf(state.plan, entry.step)]?.doubt === true
      return { ...entry, outcome: 'rejected', doubt }
    }),
}

/** The numbers of attempts begin anew in each process. */
export const attemptsReset = deciding((_, decided) =>
  decided.do === 'act'
    ? { ...decided, calls: decided.calls.map((call) => ({ ...call, attempt: 1 })) }
    : decided,
)

/** Where the service does not know, the step is spared. */
export const unknownSpares = evolving((_, after, entry) =>
  entry.type === 'verified' && entry.answer === 'unknown'
    ? steps(after, entry, (step) => ({ ...step, spared: true }))
    : after,
)

/** A folded chunk says less than what it stands for. */
export const foldForgets: Core = {
  ...core,
  fold: (tail, next) =>
    core.fold(tail, next)?.filter((entry, i, all) => i === all.length - 1 || entry.type !== 'failed'),
}

/** A rollback that failed often enough is given up. */
export const rollbackGivenUp = evolving((_, after, entry) =>
  entry.type === 'failed' && entry.direction === 'rollback' && entry.failures > 1
    ? steps(after, entry, (step) => ({ ...step, undo: { is: 'done' } }))
    : after,
)

/** Siblings that are still being called are not waited for. */
export const siblingsNotAwaited = deciding((state, decided, now) => {
  if (!state.wayBack || decided.do !== 'act' || decided.calls.length > 0) return decided
  const settled = state.steps.map(
    (step): StepState =>
      step.commit.is === 'open'
        ? { ...step, commit: { is: 'failed', reason: 'in_doubt' }, doubt: true }
        : step,
  )
  return core.decide({ ...state, steps: settled }, now)
})
