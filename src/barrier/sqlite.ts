/**
 * The barrier on SQLite: makes a participant's commits and rollbacks exactly-once in effect.
 *
 * The protocol, for participants in any language. All of it runs in one transaction with the effect itself; nothing is
 * kept elsewhere. On SQLite begin with BEGIN IMMEDIATE (or a SAVEPOINT where a transaction is open already).
 *
 *   backstep_barrier_version (version, pruned)                            one row; `pruned`: older sagas are forgotten
 *   backstep_barrier_fence   (saga, token)                                one row per saga: the greatest token seen
 *   backstep_barrier         (commit_key, state, answer, rollback_answer)   one row per step of a saga
 *
 *   both      1. saga < pruned and dated: refuse (PRUNED).
 *             2. with a token: INSERT INTO fence … ON CONFLICT (saga) DO UPDATE SET token = new WHERE new >= token;
 *                no row changed: refuse (STALE_TOKEN).
 *   commit    3. INSERT (commit_key, 'committed') ON CONFLICT DO NOTHING. Inserting before looking lets two calls at once
 *                meet at the primary key, so this is safe at any isolation level.
 *             4. inserted: run the effect, UPDATE answer. Was there, 'committed': return its answer.
 *                Was there, 'rolled_back': refuse (ROLLED_BACK_ALREADY).
 *   rollback  3. INSERT (commit_key, 'rolled_back') ON CONFLICT DO NOTHING.
 *             4. inserted: the commit has not come, and is refused from now on; nothing to undo.
 *                Was there, 'rolled_back': return its rollback_answer.
 *                Was there, 'committed': run the undo with the answer, UPDATE state = 'rolled_back', rollback_answer.
 *
 * Invariants
 * - A record and its effect become durable together or not at all: an error of the effect takes both back and is rethrown.
 * - The only ways of a row are: nothing → committed → rolled_back, and nothing → rolled_back. What decides whether an undo
 *   runs is this state, never which rollback's key arrives: a second round's undo runs if, and only if, the commit stands.
 * - Answers are JSON text, and what is returned is what was stored: the first call and its duplicates see the same.
 */
import { types } from 'node:util'
import { type Duration, duration } from '../core/duration.js'
import { decode, encode } from './answer.js'
import {
  BarrierError,
  CommitAfterRollbackError,
  ended,
  pruned,
  reentered,
  StaleTokenError,
  unknownEnd,
} from './errors.js'
import { type BarrierCall, isDated, leastUidOf, type ReadCall, readCall } from './key.js'
import { prepare, type SqliteDatabase, type Statements } from './schema.js'

/** Guards the commits and rollbacks of one participant; see `barrier`. */
export class SqliteBarrier<Db extends SqliteDatabase = SqliteDatabase> {
  readonly #db: Db
  readonly #sql: Statements
  /** Commit keys whose function is running now: only that function itself could call again. */
  readonly #running = new Set<string>()

  constructor(db: Db) {
    this.#db = db
    this.#sql = prepare(db)
  }

  /**
   * Runs `effect` once for this call's key, in one transaction with its record, and returns its answer; a duplicate gets the
   * stored answer. `effect` must be synchronous and may use any connection-bound statement of the database it is given.
   *
   * Throws what `effect` throws, with nothing recorded; `CommitAfterRollbackError` (`ROLLED_BACK_ALREADY`), `StaleTokenError`
   * (`STALE_TOKEN`), `BadInputError` (a key, token or answer that cannot be), `BarrierError` (`PRUNED`, `ASYNC_FUNCTION` …).
   */
  commit<Answer>(call: BarrierCall, effect: (db: Db) => Answer): Answer {
    return this.#guard(readCall(call, 'commit'), effect, ({ commitKey, step }) => {
      if (this.#sql.insert.run(commitKey, 'committed').changes > 0) {
        const answer = encode(synchronous(effect(this.#db)))
        this.#sql.setAnswer.run(answer.text, commitKey)
        return answer.value as Answer
      }
      const row = this.#row(commitKey)
      if (row.state === 'rolled_back') throw new CommitAfterRollbackError(commitKey, step)
      return decode(row.answer) as Answer
    })
  }

  /**
   * Undoes the commit of this call's step if it stands, in one transaction with the record. `undo` receives the commit's
   * stored answer. Where the commit has not come, `undo` does not run, and the commit is refused from now on; a duplicate
   * gets the stored answer of `undo`.
   *
   * Throws what `undo` throws, with nothing recorded (call again); otherwise as `commit` does.
   */
  rollback<Answer, Undone>(call: BarrierCall, undo: (answer: Answer, db: Db) => Undone): Undone | undefined {
    return this.#guard(readCall(call, 'rollback'), undo, ({ commitKey }) => {
      if (this.#sql.insert.run(commitKey, 'rolled_back').changes > 0) return undefined
      const row = this.#row(commitKey)
      if (row.state === 'rolled_back') return decode(row.rollback_answer) as Undone | undefined
      const undone = encode(synchronous(undo(decode(row.answer) as Answer, this.#db)))
      this.#sql.setUndone.run(undone.text, commitKey)
      return undone.value as Undone
    })
  }

  /**
   * Forgets the sagas that were born longer ago than `olderThan`, and refuses calls for them from now on (`PRUNED`): without
   * its record, a rollback would be taken for one whose commit never came. Choose a time by which all have ended. Returns how
   * many steps were forgotten. Sagas whose uid is no UUIDv7 are kept. Throws `BadInputError` for what is no duration.
   *
   * @example guard.prune('30d')
   */
  prune(olderThan: Duration): number {
    const age = duration(olderThan, 'olderThan')
    return this.#within(() => {
      const { now } = this.#sql.now.get() as { now: number | bigint }
      const bound = leastUidOf(Number(now) - age)
      const forgotten = this.#sql.prune.run(bound).changes
      this.#sql.pruneFence.run(bound)
      this.#sql.setPruned.run(bound)
      return forgotten
    })
  }

  #guard<Result>(call: ReadCall, effect: unknown, work: (call: ReadCall) => Result): Result {
    refuseAsync(effect)
    if (this.#running.has(call.commitKey)) throw reentered(call.key)
    this.#running.add(call.commitKey)
    try {
      return this.#within(() => {
        this.#refusePruned(call)
        this.#fence(call)
        return work(call)
      })
    } finally {
      this.#running.delete(call.commitKey)
    }
  }

  #refusePruned({ key, saga }: ReadCall): void {
    const { pruned: bound } = this.#sql.pruned.get() as { pruned: string }
    if (saga < bound && isDated(saga)) throw pruned(key)
  }

  #fence({ key, saga, token }: ReadCall): void {
    if (token === undefined || this.#sql.fence.run(saga, token).changes > 0) return
    const newer = this.#sql.fenceOf.get(saga) as { token: number | bigint }
    throw new StaleTokenError(key, token, Number(newer.token))
  }

  #row(commitKey: string): Row {
    return this.#sql.find.get(commitKey) as Row
  }

  /** One transaction, or a savepoint of the caller's own: all of `work`, or nothing. */
  #within<Result>(work: () => Result): Result {
    const sql = this.#db.inTransaction ? this.#sql.nested : this.#sql.own
    sql.begin.run()
    let result: Result
    try {
      result = work()
      if (!this.#db.inTransaction) throw ended()
    } catch (error) {
      this.#takeBack(sql)
      throw error
    }
    try {
      sql.end.run()
    } catch (error) {
      throw this.#failedEnd(sql, error)
    }
    return result
  }

  /** SQLite may have rolled the whole transaction back by itself (a full disk does that): then there is nothing left to do. */
  #takeBack(sql: Statements['own']): void {
    if (!this.#db.inTransaction) return
    for (const statement of sql.undo) statement.run()
  }

  /** A COMMIT that failed and left the transaction open had no effect. Otherwise nobody knows: an fsync may have failed. */
  #failedEnd(sql: Statements['own'], error: unknown): unknown {
    if (sql === this.#sql.nested) return ended(error)
    if (!this.#db.inTransaction) return unknownEnd(error)
    this.#takeBack(sql)
    return error
  }
}

interface Row {
  readonly state: 'committed' | 'rolled_back'
  readonly answer: string | null
  readonly rollback_answer: string | null
}

/** Refused before it starts, so that nothing of it happens outside the transaction. */
function refuseAsync(effect: unknown): void {
  if (types.isAsyncFunction(effect)) throw asynchronous()
}

function synchronous<T>(result: T): T {
  if (typeof (result as { then?: unknown } | null | undefined)?.then !== 'function') return result
  // It is refused here and now: its own failure, later, must not end the process.
  Promise.resolve(result).catch(() => {})
  throw asynchronous()
}

const asynchronous = (): BarrierError =>
  new BarrierError(
    'a function under the barrier must be synchronous',
    'ASYNC_FUNCTION',
    'call other services before or after it; its transaction is over when the function returns',
  )
