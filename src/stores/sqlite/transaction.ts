/**
 * What the writes of one flush share: the statements, the caches, the counters.
 *
 * Invariants
 * - Counters are read at most once a flush and written at most once, just before it commits.
 * - After a rollback nothing cached is believed: `forget` is called, and the next flush reads again.
 */
import type { Database as Driver } from 'better-sqlite3'
import { Admission } from '../../store/admission.js'
import type { DefinitionRef } from '../../store/store.js'
import { doneStage, keysOf } from './codes.js'
import { SqliteLines } from './lines.js'
import type { Liveness } from './liveness.js'
import { type KnownDefinition, type KnownWorker, Registry } from './registry.js'
import { type Counters, prepareAll, type SagaRecord, type Statements } from './statements.js'

interface Mark {
  readonly counters: Counters
  readonly commits: number
  readonly rollbacks: number
}

export class Transaction {
  readonly sql: Statements
  readonly registry: Registry
  readonly lines: SqliteLines
  readonly admission: Admission
  readonly liveness: Liveness
  readonly now: () => number
  readonly #afterCommit: (() => void)[] = []
  readonly #afterRollback: (() => void)[] = []
  #counters: Counters | undefined
  #changed = false
  /** Counts the claims, so that each begins with another kind of saga. */
  turn = 0

  constructor(db: Driver, liveness: Liveness, now: () => number) {
    this.sql = prepareAll(db)
    this.liveness = liveness
    this.now = now
    this.registry = new Registry(this.sql, liveness, now)
    this.lines = new SqliteLines(this.sql, this.registry, () => this.counters())
    this.admission = new Admission(this.lines)
  }

  counters(): Counters {
    if (this.#counters) return this.#counters
    const counters = this.sql.counters.get()
    if (!counters) throw new Error('the row of counters is missing')
    this.registry.refresh(counters.generation)
    this.#counters = counters
    return counters
  }

  changeCounters(): Counters {
    this.#changed = true
    return this.counters()
  }

  /** Definitions or workers have changed: the caches of other processes must be read again. */
  raiseGeneration(): void {
    this.registry.changedTo(++this.changeCounters().generation)
  }

  intern(ref: DefinitionRef): KnownDefinition {
    this.counters()
    const known = this.registry.find(ref)
    if (known) return known
    const definition = this.registry.insert(ref)
    this.raiseGeneration()
    return definition
  }

  /** The worker that a submit names, if it is alive and offers the definition. */
  starter(name: string, d: number): KnownWorker | undefined {
    const worker = this.registry.worker(name)
    return worker?.offers.has(d) && this.registry.isAlive(worker) ? worker : undefined
  }

  row(n: number): SagaRecord {
    const found = this.sql.saga.get(n)
    if (!found) throw new Error(`saga number ${n} is missing`)
    return found
  }

  firstChunk(n: number): string {
    return this.sql.chunk.get(n, 0)?.entries ?? '[]'
  }

  /** The keys of a saga whose writer did not name them: once it has ended, only its journal knows. */
  keysOf(record: SagaRecord): readonly string[] | null {
    if (record.stage !== doneStage) return keysOf(record)
    const [submitted] = JSON.parse(this.firstChunk(record.n)) as { keys?: readonly string[] | null }[]
    return submitted?.keys ?? null
  }

  due(dueIn: number): number {
    return Math.min(Math.ceil(this.now() + dueIn), Number.MAX_SAFE_INTEGER)
  }

  saveCounters(): void {
    const counters = this.#counters
    if (this.#changed && counters) {
      const { n, token, exclusive, committed, rolled_back, pruned, generation } = counters
      this.sql.saveCounters.run(n, token, exclusive, committed, rolled_back, pruned, generation)
    }
  }

  /** The commit has gone through. */
  finish(): void {
    this.#reset()
    this.#afterRollback.length = 0
    for (const action of this.#afterCommit.splice(0)) action()
  }

  /** It has not, or nobody knows. */
  forget(): void {
    this.#reset()
    this.registry.forget()
    this.#afterCommit.length = 0
    for (const action of this.#afterRollback.splice(0)) action()
  }

  /** What to go back to if one write fails. */
  mark(): Mark {
    return {
      counters: { ...this.counters() },
      commits: this.#afterCommit.length,
      rollbacks: this.#afterRollback.length,
    }
  }

  /** Back to before one write, whose savepoint has been rolled back. */
  undo({ counters, commits, rollbacks }: Mark): void {
    this.#counters = counters
    this.registry.forget()
    this.registry.refresh(counters.generation)
    this.#afterCommit.length = commits
    for (const action of this.#afterRollback.splice(rollbacks)) action()
  }

  /** Side files are given back once it is known which way the transaction went. */
  onCommit(action: () => void): void {
    this.#afterCommit.push(action)
  }

  onRollback(action: () => void): void {
    this.#afterRollback.push(action)
  }

  /** Between flushes nothing is known: another process may write. */
  #reset(): void {
    this.#counters = undefined
    this.#changed = false
    this.admission.refill()
  }
}
