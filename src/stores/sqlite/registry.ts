/**
 * Who is there and what they can run: definitions and workers, cached.
 *
 * Invariants
 * - The cache is right if the generation in `counters` is the one it was read at: whoever changes these tables raises it.
 * - Leases grow without a new generation; so a lease that looks over is read again before anybody is called dead.
 * - `offered` of a definition is as last judged (by a claim or a join), not as of now: admission goes by it, and each change
 *   of it is told to admission in the same transaction. `isOfferedNow` is what users see.
 */
import type { DefinitionRef } from '../../store/store.js'
import type { Liveness } from './liveness.js'
import type { Statements } from './statements.js'

export interface KnownDefinition {
  readonly d: number
  readonly ref: DefinitionRef
  offered: boolean
}

export interface KnownWorker {
  readonly w: number
  readonly worker: string
  leaseUntil: number
  dead: boolean
  offers: ReadonlySet<number>
}

export class Registry {
  readonly #sql: Statements
  readonly #liveness: Liveness
  readonly #now: () => number
  readonly definitions = new Map<number, KnownDefinition>()
  readonly workers = new Map<number, KnownWorker>()
  readonly #byText = new Map<string, KnownDefinition>()
  #byRef = new WeakMap<DefinitionRef, KnownDefinition>()
  readonly #byName = new Map<string, KnownWorker>()
  /** Nothing has changed since what is offered was last compared with who is there. */
  isJudged = false
  #generation = -1

  constructor(sql: Statements, liveness: Liveness, now: () => number) {
    this.#sql = sql
    this.#liveness = liveness
    this.#now = now
  }

  /** Call before use, with the generation of this transaction. */
  refresh(generation: number): void {
    if (generation === this.#generation) return
    this.definitions.clear()
    this.#byText.clear()
    this.#byRef = new WeakMap()
    for (const { d, name, version, shape, offered } of this.#sql.definitions.all()) {
      this.#addDefinition({ d, ref: { name, version, shape }, offered: offered === 1 })
    }
    this.#readWorkers()
    this.#generation = generation
    this.isJudged = false
  }

  /** What this connection has changed itself, it knows. */
  changedTo(generation: number): void {
    this.#generation = generation
    this.isJudged = false
  }

  forget(): void {
    this.#generation = -1
  }

  definition(d: number): KnownDefinition {
    const found = this.definitions.get(d)
    if (!found) throw new Error(`definition ${d} is missing`)
    return found
  }

  find(ref: DefinitionRef): KnownDefinition | undefined {
    let found = this.#byRef.get(ref)
    if (!found) {
      found = this.#byText.get(textOf(ref))
      if (found) this.#byRef.set(ref, found)
    }
    return found
  }

  /** Adds a definition; the caller raises the generation. */
  insert(ref: DefinitionRef): KnownDefinition {
    const { name, version, shape } = ref
    const d = Number(this.#sql.insertDefinition.run(name, version, shape).lastInsertRowid)
    return this.#addDefinition({ d, ref: { name, version, shape }, offered: false })
  }

  worker(name: string): KnownWorker | undefined {
    return this.#byName.get(name)
  }

  setWorker(worker: KnownWorker): void {
    this.workers.set(worker.w, worker)
    this.#byName.set(worker.worker, worker)
  }

  removeWorker(w: number): void {
    const worker = this.workers.get(w)
    this.workers.delete(w)
    if (worker) this.#byName.delete(worker.worker)
  }

  nameOf(w: number | null): string | null {
    return w === null ? null : (this.workers.get(w)?.worker ?? null)
  }

  /** Looks which of the other processes are there, unless that was done a moment ago. */
  look(): void {
    this.#liveness.look([...this.workers.values()].flatMap(({ w, dead }) => (dead ? [] : [w])))
  }

  isAlive(worker: KnownWorker): boolean {
    if (worker.dead || this.#liveness.isKnownDead(worker.w)) return false
    if (worker.leaseUntil > this.#now()) return true
    this.#readLeases()
    return worker.leaseUntil > this.#now()
  }

  isOfferedNow(d: number): boolean {
    for (const worker of this.workers.values()) if (worker.offers.has(d) && this.isAlive(worker)) return true
    return false
  }

  #addDefinition(definition: KnownDefinition): KnownDefinition {
    this.definitions.set(definition.d, definition)
    this.#byText.set(textOf(definition.ref), definition)
    return definition
  }

  #readWorkers(): void {
    this.workers.clear()
    this.#byName.clear()
    const offers = new Map<number, Set<number>>()
    for (const [w, d] of this.#sql.offers.all()) {
      const set = offers.get(w)
      if (set) set.add(d)
      else offers.set(w, new Set([d]))
    }
    for (const { w, worker, lease_until, dead } of this.#sql.workers.all()) {
      const known = {
        w,
        worker,
        leaseUntil: lease_until,
        dead: dead === 1,
        offers: offers.get(w) ?? new Set<number>(),
      }
      this.workers.set(w, known)
      this.#byName.set(worker, known)
    }
  }

  #readLeases(): void {
    for (const { w, lease_until } of this.#sql.workers.all()) {
      const known = this.workers.get(w)
      if (known) known.leaseUntil = lease_until
    }
  }
}

function textOf({ name, version, shape }: DefinitionRef): string {
  return JSON.stringify([name, version, shape])
}
