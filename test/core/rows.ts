/**
 * The transition table as rows that a person can read: what an entry meant, from where to where.
 * histories.test.ts collects those that were reached and compares them with golden/transitions.txt.
 */
import type { Entry } from '#dist/core/entry.js'
import { indexOf } from '#dist/core/evolve.js'
import type { State, StepState } from '#dist/core/state.js'

export function rowOf(entry: Entry, before: State, after: State): string {
  const changes = [...stepChanges(entry, before, after), ...sagaChanges(before, after)]
  return `${subjectOf(entry)}: ${changes.join(', ') || (before === after ? 'nothing' : '-')}`
}

function subjectOf(entry: Entry): string {
  switch (entry.type) {
    case 'started':
      return `started ${entry.direction}`
    case 'failed':
      return entry.direction === 'commit'
        ? `failed commit, ${entry.cause === 'condition' ? 'condition' : entry.outcome}`
        : 'failed rollback'
    case 'verified':
      return `verified ${entry.answer}`
    case 'resolved':
      return `resolved ${entry.as}`
    case 'ended':
      return `ended ${entry.status}`
    default:
      return entry.type
  }
}

/** Entries of a step tell how its commit goes, its rollback, or both. */
function stepChanges(entry: Entry, before: State, after: State): string[] {
  if (!('step' in entry) || entry.step === undefined || entry.type === 'rolling_back') return []
  const index = indexOf(before.plan, entry.step)
  const from = before.steps[index]
  const to = after.steps[index]
  if (!from || !to) return []
  const commit = `commit ${way(commitOf(from), commitOf(to))}`
  const undo = `undo ${way(undoOf(from), undoOf(to))}`
  const ways = entry.type === 'late' ? [commit, undo] : [isOfRollback(entry) ? undo : commit]
  return [...ways, ...flagChanges(entry, from, to)]
}

const isOfRollback = (entry: Entry): boolean =>
  entry.type === 'rolled_back' ||
  ('direction' in entry && entry.direction === 'rollback') ||
  (entry.type === 'resolved' && entry.as === 'rolled_back')

function flagChanges(entry: Entry, from: StepState, to: StepState): string[] {
  return [
    ...(to.doubt && !from.doubt ? ['doubt'] : []),
    ...(to.spared === from.spared ? [] : [to.spared ? 'spared' : 'no longer spared']),
    ...(entry.type === 'verified' && to.asked && !from.asked ? ['asked'] : []),
    ...(to.round > from.round ? ['next round'] : []),
  ]
}

const way = (from: string, to: string): string => (from === to ? from : `${from} → ${to}`)

function commitOf({ commit }: StepState): string {
  if (commit.is === 'open' && commit.resolved) return 'open (resolved)'
  return commit.is === 'waiting' && commit.pending ? 'pending' : commit.is
}

const undoOf = ({ undo }: StepState): string => (undo.is === 'open' && undo.again ? 'open (again)' : undo.is)

function sagaChanges(before: State, after: State): string[] {
  return [
    ...(before.status === after.status ? [] : [`saga ${before.status} → ${after.status}`]),
    ...(after.position > before.position ? ['next position'] : []),
    ...(after.pastPivot && !before.pastPivot ? ['past the pivot'] : []),
    ...(after.late && !before.late ? ['late'] : []),
    ...(after.deadlinePassed && !before.deadlinePassed ? ['alarm'] : []),
  ]
}
