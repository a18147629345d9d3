/**
 * The state of a saga: what its journal means. Rebuilt by replaying entries (evolve.ts), read by decide.ts.
 *
 * Invariants
 * - Immutable. Nothing in it is not derived from the plan and the journal.
 * - `doubt` never goes back to false: one attempt in doubt keeps the step in doubt for good (P4).
 * - `wayBack` never goes back to undefined: a saga that turned back never goes forward again (P3, P9).
 */
import type { Json, RollbackReason, StoredError } from './entry.js'
import type { Plan } from './plan.js'

export type Status = 'queued' | 'running' | 'rolling_back' | 'committed' | 'rolled_back'

/** How far the commit of one step is. */
export type CommitState =
  | { readonly is: 'idle' }
  | { readonly is: 'skipped' }
  /** An attempt's intent is durable and its outcome is not. */
  | {
      readonly is: 'open'
      readonly attempt: number
      readonly since: number
      /** An operator has said meanwhile that the step stands: it does, whatever this attempt answers. */
      readonly resolved?: true
    }
  /** Called again at `until`: after a failure, or because it said that it is still going on. */
  | { readonly is: 'waiting'; readonly until: number; readonly pending: boolean }
  | { readonly is: 'committed' }
  | { readonly is: 'failed'; readonly reason: RollbackReason }

/** How far the rollback of one step is, in its present round. */
export type UndoState =
  | { readonly is: 'idle' }
  /** `again`: the commit landed late while it was open, so that its success proves nothing. */
  | { readonly is: 'open'; readonly attempt: number; readonly since: number; readonly again: boolean }
  | { readonly is: 'waiting'; readonly until: number }
  | { readonly is: 'done' }

/** What has been counted of the failures of one direction. */
export interface Failures {
  readonly failures: number
  readonly used: number
  readonly crashes: number
  readonly since: number
  readonly first?: StoredError
  readonly last?: StoredError
  readonly stuck: boolean
}

export interface StepState {
  readonly commit: CommitState
  readonly undo: UndoState
  /** Commit attempts started so far. */
  readonly attempts: number
  /** Rollback attempts started so far, over all rounds. */
  readonly undoAttempts: number
  /** 1, and one more each time that the commit landed late after a rollback had been tried. */
  readonly round: number
  /** The commit may have taken effect though nobody said so. */
  readonly doubt: boolean
  /** The service answered `never`: the commit has no effect and cannot have one any more. */
  readonly spared: boolean
  /** The service has been asked about the latest doubt. */
  readonly asked: boolean
  readonly polls: number
  /** Always there, though mostly undefined: copies of an object that lacks a field are far slower. */
  readonly output: Json | undefined
  readonly commitFailures: Failures
  readonly undoFailures: Failures
}

export interface WayBack {
  readonly reason: RollbackReason
  readonly step?: string
  readonly message?: string
  readonly actor?: string
}

export interface State {
  readonly plan: Plan
  readonly uid: string
  readonly input: Json | undefined
  readonly keys: readonly string[] | null
  readonly deadline: number | undefined
  readonly trace: string | undefined
  readonly status: Status
  readonly steps: readonly StepState[]
  /** The first position that is not wholly committed or skipped; `positions.length` once all are. */
  readonly position: number
  /** On the way back: no position above this one has anything left to undo. */
  readonly cursor: number
  readonly wayBack: WayBack | undefined
  /** The pivot has committed: there is no way back. */
  readonly pastPivot: boolean
  /** A commit landed after the saga had been given up. */
  readonly late: boolean
  readonly deadlinePassed: boolean
}

export const noFailures: Failures = { failures: 0, used: 0, crashes: 0, since: 0, stuck: false }

export const untouched: StepState = {
  commit: { is: 'idle' },
  undo: { is: 'idle' },
  attempts: 0,
  undoAttempts: 0,
  round: 1,
  doubt: false,
  spared: false,
  asked: false,
  polls: 0,
  output: undefined,
  commitFailures: noFailures,
  undoFailures: noFailures,
}
