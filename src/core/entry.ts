/**
 * Entries: the facts of a saga. The journal is a list of them and the only truth; all else is derived from it.
 *
 * Invariants
 * - An entry says what happened, never what to do next.
 * - Entries that became durable in one write form a chunk; a chunk has one time, `at`, for all of them.
 * - `failed` and `pending` are cumulative: each carries the whole count of its kind since the step's direction began
 *   (for a rollback: since its round began), so the last one alone says as much as all of them. That is what lets
 *   a million failures fold into one entry (see fold.ts) and still replay to the same state.
 */

/** Whatever JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export type Direction = 'commit' | 'rollback'

/** An error as it is kept: enough to rebuild one that a person can read. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: StoredError
}

/** Why an attempt failed: what the call did, in one word. */
export type FailureCause =
  /** It threw. */
  | 'thrown'
  /** It ran past its timeout (and the grace after it). */
  | 'timeout'
  /** Its signal was aborted: cancel, deadline, close, or a lost lease. */
  | 'aborted'
  /** The process died while it was open. */
  | 'crash'
  /** It returned what cannot be stored. */
  | 'unstorable'
  /** Its `when` threw: nothing was called. `attempt` is then that of the last call, 0 if there was none. */
  | 'condition'

/** Why a saga turned back. */
export type RollbackReason = 'rejected' | 'in_doubt' | 'timeout' | 'cancelled' | 'deadline' | 'crash_loop'

export interface Submitted {
  readonly type: 'submitted'
  /** The internal random id that idempotency keys derive from. */
  readonly uid: string
  /** Absent where `undefined` was submitted. */
  readonly input?: Json
  /** null: the saga has no keys and overlaps with no other at all. */
  readonly keys: readonly string[] | null
  /** Absolute, ms since 1970. */
  readonly deadline?: number
  /** Who submitted it, as a `traceparent` (W3C Trace Context). */
  readonly trace?: string
}

export interface Skipped {
  readonly type: 'skipped'
  readonly step: string
}

/** The intent of one attempt, durable before the call. */
export interface Started {
  readonly type: 'started'
  readonly step: string
  readonly direction: Direction
  readonly attempt: number
  /** Only in a rollback that runs again because its commit landed late: 2 and up. */
  readonly round?: number
  /** Only where it was folded into a later chunk: when it began, ms since 1970. */
  readonly since?: number
}

export interface Committed {
  readonly type: 'committed'
  readonly step: string
  readonly attempt: number
  readonly output?: Json
  /** It succeeded after its timeout, within the grace: it goes on only where `retry` had an attempt left. */
  readonly overdue?: true
}

export interface Failed {
  readonly type: 'failed'
  readonly step: string
  readonly direction: Direction
  /** The number of the last attempt that failed. */
  readonly attempt: number
  readonly round?: number
  /** Of the last attempt. A rollback's failure is always `in_doubt`: it runs again whatever it did. */
  readonly outcome: 'rejected' | 'in_doubt'
  readonly cause: FailureCause
  /** Failed attempts in all. */
  readonly failures: number
  /** Of these, attempts that count against `retry`. */
  readonly used: number
  /** Of these, attempts that were open when a process died. */
  readonly crashes: number
  /** True as soon as one attempt was in doubt, for good. */
  readonly doubt: boolean
  /** When the first of them failed, ms since 1970. */
  readonly since: number
  readonly first?: StoredError
  readonly error: StoredError
  /** When the next attempt is due, ms since 1970. Absent: this was the last one. */
  readonly nextAt?: number
  /** Why there is no next attempt, where it is not simply the outcome. */
  readonly final?: RollbackReason
  readonly stuck?: true
}

/** The commit said that it is still going on: it will be called again with the same key. */
export interface Pending {
  readonly type: 'pending'
  readonly step: string
  readonly attempt: number
  readonly polls: number
  readonly nextAt: number
}

/** What the service answered when asked about a commit in doubt. */
export interface Verified {
  readonly type: 'verified'
  readonly step: string
  readonly answer: 'committed' | 'never' | 'unknown'
  readonly output?: Json
  readonly error?: StoredError
}

/** The decision to go back: no commit starts after it. */
export interface RollingBack {
  readonly type: 'rolling_back'
  readonly reason: RollbackReason
  /** The step that caused it, if one did. */
  readonly step?: string
  /** What the person who cancelled said. */
  readonly message?: string
  readonly actor?: string
}

export interface RolledBack {
  readonly type: 'rolled_back'
  readonly step: string
  readonly attempt: number
  readonly round?: number
}

/** A commit that had been given up took effect after all. The one fact a superseded owner may add. */
export interface Late {
  readonly type: 'late'
  readonly step: string
  readonly attempt: number
  readonly output?: Json
}

export interface RetryRequested {
  readonly type: 'retry_requested'
  readonly actor?: string
}

/** An operator settled a step by hand. */
export interface Resolved {
  readonly type: 'resolved'
  readonly step: string
  readonly as: 'rolled_back' | 'committed'
  readonly output?: Json
  readonly reason: string
  readonly actor: string
}

/** An operator moved the saga to another version whose shape begins alike. */
export interface Rebound {
  readonly type: 'rebound'
  readonly version: string
  readonly shape: string
  readonly reason?: string
  readonly actor?: string
}

/** The deadline passed behind the pivot: nothing but an alarm. */
export interface DeadlinePassed {
  readonly type: 'deadline_passed'
}

export interface Ended {
  readonly type: 'ended'
  readonly status: 'committed' | 'rolled_back'
}

export type Entry =
  | Submitted
  | Skipped
  | Started
  | Committed
  | Failed
  | Pending
  | Verified
  | RollingBack
  | RolledBack
  | Late
  | RetryRequested
  | Resolved
  | Rebound
  | DeadlinePassed
  | Ended

/** The entries of one write. */
export interface Chunk {
  /** 0 for the chunk that submits the saga, then 1, 2, 3 … without a gap. */
  readonly seq: number
  /** ms since 1970, by the clock of the process that wrote it. */
  readonly at: number
  readonly entries: readonly Entry[]
}
