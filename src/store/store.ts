/**
 * The store: where sagas are kept. An interface small enough for one screen, with its contract above it.
 * One conformance suite (src/testing/store-suite/, shipped in `backstep/testing`) holds every implementation to it.
 *
 * Contract
 *  1. `apply` takes the writes in order, or by kind: joins, renewals and leaves, then appends and prunes, then submits, then claims,
 *     each kind in order. It answers each; when it resolves, all that it answered `applied` or `claimed` is durable. One bad write
 *     is answered `refused`; the others commit. Nobody may count on all of a call being one transaction.
 *  2. `apply` rejects with a StoreError only when the outcome of the whole call is unknown. Any write may then be sent
 *     again, unchanged: a write that is already in place is answered as it was the first time.
 *  3. `append` lands only if `seq` follows the last chunk (or `replace` names it) and, unless `token` is null, only if the
 *     saga's token is this one, checked by the very statement that writes. Otherwise nothing of it lands: `superseded`
 *     for the token, `conflict` for the seq. A null token is a fact added by one who does not own the saga.
 *  4. Every saga gets a number `n`, growing in order of submission. The store gives it, never a clock or an id.
 *  5. A saga's stage is `waiting` (it wants its keys), `holding` (it has them, all at once) or `done` (it wants none).
 *     Two sagas conflict if one of them has no keys (null) or if they share one. Holding sagas never conflict.
 *  6. A waiting saga may start only if no holding saga conflicts with it, and no waiting saga before it that conflicts with it
 *     *reserves*. A waiting saga reserves unless no live worker offers its definition, or it conflicts with a holding saga
 *     that is stuck or that no live worker offers. (So whoever shares nothing with the stuck one passes those that wait for it.)
 *     A saga may start as soon as this lets it: there is no lost wake-up.
 *  7. A claim gives only sagas whose definition the worker offers, each with a token greater than any before:
 *     holding ones that nobody owns and that are due, or whose owner is dead; waiting ones that may start (they hold from now on);
 *     waiting ones whose deadline has passed (to be ended: they do not hold). Neither kind starves the other.
 *  8. `submit` with `start` begins at once if the saga may start; otherwise it only queues and `start.entries` are dropped.
 *  9. A worker is dead once it left, or its lease has run out by the store's clock, or its process is known to be gone.
 *     A dead worker's renewal is `superseded`, and so is a join under its name while it still owns sagas: it comes back under another.
 * 10. `dueIn` is relative (ms): the store adds its own clock, the only one that judges leases and due times.
 * 11. What is read is what is durable.
 * 12. A fact added with a null token never changes the owner: a saga that has one is `noticed` in its owner's next claim, one that
 *     has none (parked or waiting) follows `summary.dueIn`. A waiting saga stays waiting unless the summary ends it.
 * 13. The deadline column only counts while the status is `queued`: a late saga that waits for its keys again has none.
 * 14. A call may come while another is under way: they are applied one after the other, in the order of the calls. Only a renewal
 *     that comes alone may overtake: a lease must not wait for a long flush.
 */
import type { Chunk, Entry } from '../core/entry.js'
import type { Status } from '../core/state.js'

/** `name@version` with its shape. Two are the same only if all three are. */
export interface DefinitionRef {
  readonly name: string
  readonly version: string
  readonly shape: string
}

export type Stage = 'waiting' | 'holding' | 'done'

/** The part of a saga's row that follows from its journal; sent with the write that changes it. */
export interface Summary {
  readonly status: Status
  readonly stage: Stage
  readonly stuck: boolean
  readonly late: boolean
  /** Given up by its owner until then (ms from now): the saga is parked. null: its owner keeps it, or it is done. */
  readonly dueIn: number | null
  /** Set by a `rebound`: the definition that it follows from now on. */
  readonly definition?: DefinitionRef
}

export interface SubmitWrite {
  readonly type: 'submit'
  /** The user's id, or the uid. */
  readonly id: string
  readonly uid: string
  readonly definition: DefinitionRef
  readonly keys: readonly string[] | null
  /** Absolute, ms since 1970; null: none. */
  readonly deadline: number | null
  readonly at: number
  /** Begins with `submitted`. */
  readonly entries: readonly Entry[]
  /** Start at once, owned by this worker, if the saga may start: these follow in the same chunk. */
  readonly start?: { readonly worker: string; readonly entries: readonly Entry[]; readonly summary: Summary }
}

export interface AppendWrite {
  readonly type: 'append'
  readonly n: number
  readonly token: number | null
  readonly seq: number
  readonly at: number
  readonly entries: readonly Entry[]
  /** Overwrite the chunk `seq`, which must be the last one, instead of adding it. */
  readonly replace: boolean
  /** Absent: the row stays as it is. */
  readonly summary?: Summary
  /** The saga's own keys; needed where `summary` changes the stage. */
  readonly keys?: readonly string[] | null
}

/** Asks for up to `limit` sagas. 0 only asks for notices. */
export interface ClaimWrite {
  readonly type: 'claim'
  readonly worker: string
  readonly limit: number
}

/** A process that runs sagas says that it is there, and what it can run. Also replaces what it offered before. */
export interface JoinWrite {
  readonly type: 'join'
  readonly worker: string
  readonly lease: number
  readonly offers: readonly DefinitionRef[]
}

export interface RenewWrite {
  readonly type: 'renew'
  readonly worker: string
  readonly lease: number
}

/** The worker is gone; what it owned is free at once. */
export interface LeaveWrite {
  readonly type: 'leave'
  readonly worker: string
}

/** Replaces an ended saga by its tombstone. `superseded` if it has not ended. */
export interface PruneWrite {
  readonly type: 'prune'
  readonly n: number
  /** SHA-256 of name, version and canonical input, kept in the tombstone. */
  readonly inputHash: string
}

export type Write = SubmitWrite | AppendWrite | ClaimWrite | JoinWrite | RenewWrite | LeaveWrite | PruneWrite

/** Who runs the saga, with the token that fences his writes. */
export interface Claimed {
  readonly saga: StoredSaga
  readonly token: number
}

export type Result =
  /** `n` and `token` answer a submit: a token means that it started at once. */
  | { readonly type: 'applied'; readonly n?: number; readonly token?: number }
  | {
      readonly type: 'claimed'
      readonly sagas: readonly Claimed[]
      /** Sagas of this worker that somebody else added a fact to. */
      readonly noticed: readonly number[]
      /** ms until the next parked saga or deadline is due; null: none that is known. */
      readonly dueIn: number | null
    }
  | { readonly type: 'superseded' }
  /** submit: the id exists already, with another uid. append: the journal has grown. */
  | { readonly type: 'conflict' }
  | { readonly type: 'refused'; readonly error: Error }

export interface SagaRow {
  readonly n: number
  readonly id: string
  readonly definition: DefinitionRef
  readonly status: Status
  readonly stage: Stage
  readonly stuck: boolean
  readonly late: boolean
  /** No live worker offers its definition, and it is not done. */
  readonly blocked: boolean
  readonly owner: string | null
  readonly token: number
  /** ms since 1970, of the first chunk and of the end. */
  readonly submittedAt: number
  readonly endedAt: number | null
  /** By the store's clock, ms since 1970; null: not parked. */
  readonly dueAt: number | null
}

export interface StoredSaga extends SagaRow {
  readonly chunks: readonly Chunk[]
}

/** What is left of a pruned saga, so that a late duplicate does not run again. */
export interface Tombstone {
  readonly id: string
  readonly inputHash: string
  readonly status: 'committed' | 'rolled_back'
  readonly endedAt: number
}

export interface ListFilter {
  readonly status?: readonly Status[]
  readonly name?: string
  readonly stuck?: boolean
  readonly blocked?: boolean
  readonly late?: boolean
  /** Only sagas that ended before then, ms since 1970. */
  readonly endedBefore?: number
  /** Keyset: only numbers below this one (newest first), or above it (oldest first). */
  readonly after?: number
  readonly order: 'newest' | 'oldest'
  readonly limit: number
}

/** One saga that another waits for, and the key they share (null: one of them has no keys). */
export interface Obstacle {
  readonly n: number
  readonly id: string
  readonly stage: Stage
  readonly stuck: boolean
  readonly blocked: boolean
  readonly key: string | null
}

export interface Health {
  /** A line that names the engine and its version, such as `SQLite 3.53.0, WAL, synchronous=FULL`. */
  readonly engine: string
  readonly schema: number
  readonly counts: Readonly<Record<Status | 'stuck' | 'blocked', number>>
  readonly workers: readonly {
    readonly worker: string
    readonly alive: boolean
    readonly offers: readonly DefinitionRef[]
  }[]
  /** Empty when all is well. */
  readonly problems: readonly string[]
}

export interface OpenOptions {
  /** `false`: what is not there, or has an older schema, is refused (`STORE_NOT_FOUND`, `STORE_OLDER`) and left as it is. Default true. */
  readonly create?: boolean
}

/** A transaction of the user's own: a `pg` client, or anything that can do the same. */
export interface Queryable {
  query(sql: string, params: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

export interface Store {
  /** As a person would name it: `memory:`, `sqlite:trips.db`. */
  readonly address: string
  /** False for a store that is gone with the process. */
  readonly durable: boolean
  /** How long a worker's lease should be, ms, where the user does not say. */
  readonly lease: number
  /** How often an idle worker looks for what others submitted, ms. Default 200: seldom enough where looking is cheap. */
  readonly poll?: number
  /** Opens, migrates, refuses what is newer. Throws StoreError. */
  open(options?: OpenOptions): Promise<void>
  apply(writes: readonly Write[]): Promise<readonly Result[]>
  /**
   * Writes a saga inside the user's transaction: it exists exactly if that commits. It never starts in it. `exists`: the id is taken,
   * as far as this transaction can see. Rejects with BadInputError where `tx` is no open transaction of this store's
   * database, and else with what the transaction said.
   */
  submitIn?(
    tx: Queryable,
    write: SubmitWrite,
  ): Promise<
    | { readonly type: 'applied'; readonly n: number }
    | { readonly type: 'exists'; readonly saga: StoredSaga | Tombstone }
  >
  /** Calls when there may be something to claim, seldom enough to act on each. Only a hint: polling is the truth. */
  onHint?(listener: () => void): void
  /** ms that the store's clock is ahead of this process's, where it is another machine's. */
  skew?(): number
  find(ref: { readonly n: number } | { readonly id: string }): Promise<StoredSaga | Tombstone | undefined>
  /** Rows only, for those who wait for the end of sagas that others run. Missing ones are left out. */
  rows(numbers: readonly number[]): Promise<readonly SagaRow[]>
  list(filter: ListFilter): Promise<readonly SagaRow[]>
  /** The sagas that `worker` owns: to find again what an unanswered claim gave. */
  owned(worker: string): Promise<readonly { readonly n: number; readonly token: number }[]>
  /** What a waiting saga waits for, the most telling first; at most `limit`. */
  obstacles(n: number, limit: number): Promise<readonly Obstacle[]>
  definitions(name: string): Promise<readonly DefinitionRef[]>
  /** `thorough` also checks that what is stored is whole, which reads all of it. */
  health(thorough?: boolean): Promise<Health>
  close(): Promise<void>
}
