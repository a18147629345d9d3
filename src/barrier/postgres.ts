/**
 * The barrier on PostgreSQL: the same promise as on SQLite (see sqlite.ts for the protocol and its tables), for many
 * connections at once.
 *
 * Invariants, beside those of sqlite.ts
 * - Two calls for one step meet at the primary key of backstep_barrier: INSERT … ON CONFLICT DO NOTHING waits for the
 *   transaction that is ahead, then sees how it ended. Only after that is the row read, by a statement of its own: at READ
 *   COMMITTED the inserting one cannot see it yet. A rollback locks the row that it finds, so that only one undo runs.
 * - At REPEATABLE READ and SERIALIZABLE the one that waited fails with 40001 instead: the transaction has to run again, and then
 *   gets the answer. With a pool the barrier does that itself, as long as the function has not been called.
 * - Calls of one owner of a saga share the row of its fence, so that steps side by side do not wait for each other. A newer owner
 *   waits for them: once a call of it has returned, no older one can take effect any more.
 * - `prune` may delete a record while a call for it runs: a key that is free then does not mean that the call is the first. So
 *   what was pruned is asked once more after the insert; at a fixed snapshot, which would not see it, the call holds a lock.
 * - A call from within a function that is running for the same key, or over its pool, would wait for itself: refused.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Duration, duration } from '../core/duration.js'
import { decode, encode } from './answer.js'
import {
  BarrierError,
  CommitAfterRollbackError,
  ended,
  newer,
  pruned,
  reentered,
  StaleTokenError,
} from './errors.js'
import { type BarrierCall, isDated, leastUidOf, type ReadCall, readCall } from './key.js'
import type { Frame } from './postgres-frames.js'
import {
  createTables,
  type Entered,
  type PostgresTransaction,
  statements as sql,
  sqlState,
  version,
} from './postgres-schema.js'

/** Guards the commits and rollbacks of one participant; see `postgresBarrier`. */
export class PostgresBarrier<Tx extends PostgresTransaction = PostgresTransaction> {
  readonly #frame: Frame

  /** @internal */
  constructor(frame: Frame) {
    this.#frame = frame
  }

  /**
   * Runs `effect` once for this call's key, in one transaction with its record, and resolves to its answer; a duplicate gets the
   * stored answer, one that arrives meanwhile waits for it. `effect` must do its work on the `tx` that it receives.
   *
   * Throws what `effect` throws, with nothing recorded; `CommitAfterRollbackError` (`ROLLED_BACK_ALREADY`), `StaleTokenError`
   * (`STALE_TOKEN`), `BadInputError` (a key, token or answer that cannot be), `BarrierError` (`PRUNED`, `COMMIT_UNKNOWN` …).
   */
  commit<Answer>(call: BarrierCall, effect: (tx: Tx) => PromiseLike<Answer> | Answer): Promise<Answer> {
    return this.#guard(call, 'commit', async (one) => {
      if (await one.enter('committed')) {
        return (await one.record(sql.setAnswer, (tx) => effect(tx as Tx))) as Answer
      }
      const row = await one.find(sql.find)
      if (row.state === 'rolled_back') throw new CommitAfterRollbackError(one.call.commitKey, one.call.step)
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
  rollback<Answer, Undone>(
    call: BarrierCall,
    undo: (answer: Answer, tx: Tx) => PromiseLike<Undone> | Undone,
  ): Promise<Undone | undefined> {
    return this.#guard(call, 'rollback', async (one) => {
      if (await one.enter('rolled_back')) return one.refuseIfPruned()
      const row = await one.find(sql.lock)
      if (row.state === 'rolled_back') return decode(row.rollback_answer) as Undone | undefined
      const answer = decode(row.answer) as Answer
      return (await one.record(sql.setUndone, (tx) => undo(answer, tx as Tx))) as Undone
    })
  }

  /**
   * Forgets the sagas that were born longer ago than `olderThan`, and refuses calls for them from now on (`PRUNED`): without
   * its record, a rollback would be taken for one whose commit never came. Choose a time by which all have ended. Resolves to
   * how many steps were forgotten. Sagas whose uid is no UUIDv7 are kept. Rejects with `BadInputError` for what is no duration.
   *
   * @example await guard.prune('30d')
   */
  async prune(olderThan: Duration): Promise<number> {
    const age = duration(olderThan, 'olderThan')
    return this.#frame.within(async (tx) => {
      const now = await first<{ now: string }>(tx, sql.now)
      const bound = leastUidOf(Number(now?.now) - age)
      // First: calls for what is about to go are refused, or wait.
      await tx.query(sql.setPruned, [bound])
      const gone = await first<{ steps: number }>(tx, sql.prune, [bound])
      await tx.query(sql.pruneFence, [bound])
      return Number(gone?.steps)
    })
  }

  /**
   * Creates the barrier's tables where they are missing. The first call of the barrier does that, too; only where its role may
   * not, somebody else has to. Rejects with `BarrierError` (`TABLES_MISSING`) for such a role.
   */
  createTables(): Promise<void> {
    return this.#frame.within(createTables)
  }

  async #guard<Result>(
    call: BarrierCall,
    direction: 'commit' | 'rollback',
    work: (one: Call) => Promise<Result>,
  ): Promise<Result> {
    const read = readCall(call, direction)
    refuseReentry(read, this.#frame)
    for (let attempt = 1; ; attempt++) {
      const running: Running = { key: read.commitKey, frame: this.#frame, outer: stack.getStore() }
      try {
        return await this.#frame.within((tx) => work(new Call(tx, read, running)))
      } catch (error) {
        if (running.isOver !== undefined) throw error
        await this.#remedy(error, attempt)
      }
    }
  }

  /** Of an error from before the function was called. */
  async #remedy(error: unknown, attempt: number): Promise<void> {
    const state = sqlState(error)
    if (attempt > maxAttempts) throw error
    if (state === undefinedTable) return this.createTables()
    if (this.#frame.repeats && (state === serializationFailure || state === deadlock)) return
    throw error
  }
}

/** One would do for a rival that has won: the next attempt sees it. More, for rivals that come and go. */
const maxAttempts = 5

const undefinedTable = '42P01'
const serializationFailure = '40001'
const deadlock = '40P01'
const abortedTransaction = '25P02'

interface Row {
  readonly state: 'committed' | 'rolled_back'
  readonly answer: string | null
  readonly rollback_answer: string | null
}

async function first<Found>(
  tx: PostgresTransaction,
  text: string,
  values: unknown[] = [],
): Promise<Found | undefined> {
  return (await tx.query(text, values)).rows[0] as Found | undefined
}

/** One call, in one transaction. */
class Call {
  readonly call: ReadCall
  readonly #tx: PostgresTransaction
  readonly #running: Running

  constructor(tx: PostgresTransaction, call: ReadCall, running: Running) {
    this.#tx = tx
    this.call = call
    this.#running = running
  }

  /** True if this is the first call for its key. */
  async enter(state: Row['state']): Promise<boolean> {
    const { key, saga, token, commitKey } = this.call
    const found = await first<Entered>(this.#tx, sql.enter, [saga, token ?? null, commitKey, state])
    if (!found) throw unversioned()
    if (found.version > version) throw newer(found.version, version)
    this.#refusePruned(found.pruned)
    if (!found.fenced && token !== undefined) {
      const fence = await first<{ token: string | number }>(this.#tx, sql.fenceOf, [saga])
      throw new StaleTokenError(key, token, Number(fence?.token))
    }
    return found.inserted
  }

  async find(query: string): Promise<Row> {
    const row = await first<Row>(this.#tx, query, [this.call.commitKey])
    // Whoever held the key when it was asked for has been forgotten since.
    if (!row) throw pruned(this.call.key)
    return row
  }

  /** Runs the participant's function, and keeps its answer with `query`. */
  async record(query: string, work: (tx: PostgresTransaction) => unknown): Promise<unknown> {
    this.#running.isOver = false
    let answer: ReturnType<typeof encode>
    try {
      answer = encode(await stack.run(this.#running, () => work(this.#tx)))
    } finally {
      this.#running.isOver = true
    }
    try {
      const row = await first<{ pruned: string }>(this.#tx, query, [this.call.commitKey, answer.text])
      if (!row) throw ended()
      this.#refusePruned(row.pruned)
      return answer.value
    } catch (error) {
      const state = sqlState(error)
      if (state === abortedTransaction) throw aborted(error)
      // Created in this very transaction, and gone with it.
      throw state === undefinedTable ? ended(error) : error
    }
  }

  async refuseIfPruned(): Promise<undefined> {
    const row = await first<{ pruned: string }>(this.#tx, sql.pruned)
    this.#refusePruned(row?.pruned ?? '')
    return undefined
  }

  #refusePruned(bound: string): void {
    const { key, saga } = this.call
    if (saga < bound && isDated(saga)) throw pruned(key)
  }
}

/** A function of the participant that is running, and those that it runs within. */
interface Running {
  readonly key: string
  readonly frame: Frame
  readonly outer: Running | undefined
  /** Absent before it starts. What it leaves behind may call the barrier later, as anybody may. */
  isOver?: boolean
}

const stack = new AsyncLocalStorage<Running>()

function refuseReentry({ key, commitKey }: ReadCall, frame: Frame): void {
  for (let outer = stack.getStore(); outer; outer = outer.outer) {
    if (outer.isOver) continue
    if (outer.key === commitKey) throw reentered(key)
    // It would run on another connection, and may need what this transaction holds: the fence of the saga, for one.
    if (outer.frame === frame && frame.repeats) {
      throw reentered(
        key,
        'inside of a function call postgresBarrier(tx), with the transaction that it received',
      )
    }
  }
}

const aborted = (cause: unknown): BarrierError =>
  new BarrierError(
    'the function went on after one of its statements had failed; PostgreSQL has aborted the transaction',
    'TRANSACTION_ABORTED',
    'let the error of the statement out of the function, or put a savepoint around the statement',
    cause,
  )

const unversioned = (): BarrierError =>
  new BarrierError(
    'backstep_barrier_version is empty: nobody knows what has been pruned',
    'TABLES_MISSING',
    'run `await postgresBarrier(pool).createTables()`, if nothing has ever been pruned',
  )
