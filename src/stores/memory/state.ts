/**
 * The state of the memory store: sagas, definitions and workers, and who owns what.
 *
 * Invariants
 * - A saga is owned by at most one worker, and is in that worker's `owned`; a done saga is owned by none.
 * - What a dead worker owned is parked and due at once (or waits again, unowned): nobody else has to look for it.
 * - Memory is bounded by what is unfinished and `keep` that have ended.
 */
import { Admission } from '../../store/admission.js'
import type {
  DefinitionRef,
  JoinWrite,
  LeaveWrite,
  RenewWrite,
  Result,
  Tombstone,
} from '../../store/store.js'
import { MemoryLines } from './lines.js'
import { MemoryDefinition, type MemorySaga, MemoryWorker } from './rows.js'

export const applied: Result = { type: 'applied' }
export const superseded: Result = { type: 'superseded' }
export const conflict: Result = { type: 'conflict' }

export class MemoryState {
  readonly now: () => number
  readonly sagas = new Map<number, MemorySaga>()
  readonly ids = new Map<string, MemorySaga>()
  readonly tombstones = new Map<string, Tombstone>()
  readonly definitions: MemoryDefinition[] = []
  readonly workers = new Map<string, MemoryWorker>()
  readonly lines = new MemoryLines(this.sagas, this.definitions)
  readonly admission: Admission
  lastNumber = 0
  /** Counts the claims, so that each begins with another kind of saga. */
  turn = 0
  readonly #byText = new Map<string, MemoryDefinition>()
  readonly #byRef = new WeakMap<DefinitionRef, MemoryDefinition>()
  readonly #keep: number
  /** Ended sagas, the longest ago first; those before `#oldest` are forgotten. */
  #ended: number[] = []
  #oldest = 0
  #lastToken = 0

  constructor(now: () => number, keep: number, budget?: number) {
    this.now = now
    this.#keep = keep
    this.admission = new Admission(this.lines, budget)
  }

  join({ worker, lease, offers }: JoinWrite): Result {
    const known = this.workers.get(worker)
    if (known && !this.isAlive(known)) return superseded
    const definitions = new Set(offers.map((ref) => this.intern(ref)))
    const leaseUntil = this.now() + lease
    if (known) {
      known.offers = definitions
      known.leaseUntil = leaseUntil
    } else this.workers.set(worker, new MemoryWorker(worker, leaseUntil, definitions))
    this.judgeWorkers()
    return applied
  }

  renew({ worker, lease }: RenewWrite): Result {
    const known = this.workers.get(worker)
    if (!known || !this.isAlive(known)) return superseded
    known.leaseUntil = this.now() + lease
    return applied
  }

  leave({ worker }: LeaveWrite): Result {
    const known = this.workers.get(worker)
    if (known) this.#bury(known)
    this.workers.delete(worker)
    return applied
  }

  isAlive(worker: MemoryWorker): boolean {
    return !worker.dead && worker.leaseUntil > this.now()
  }

  /** By the leases and offers of this moment: what users see, where admission goes by the last judgment. */
  isAnyoneOffering(definition: MemoryDefinition): boolean {
    for (const worker of this.workers.values()) {
      if (worker.offers.has(definition) && this.isAlive(worker)) return true
    }
    return false
  }

  /** Finds out who has died, and what is offered no longer, or again. */
  judgeWorkers(): void {
    for (const worker of this.workers.values()) if (!worker.dead && !this.isAlive(worker)) this.#bury(worker)
    for (const definition of this.definitions) {
      const offered = this.isAnyoneOffering(definition)
      if (offered === definition.offered) continue
      definition.offered = offered
      this.admission.offersChanged(definition.d)
    }
  }

  intern(ref: DefinitionRef): MemoryDefinition {
    const known = this.#byRef.get(ref)
    if (known) return known
    const { name, version, shape } = ref
    const text = JSON.stringify([name, version, shape])
    const definition =
      this.#byText.get(text) ??
      new MemoryDefinition(this.definitions.length + 1, { name, version, shape }, this.sagas)
    if (definition.d > this.definitions.length) this.definitions.push(definition)
    this.#byText.set(text, definition)
    this.#byRef.set(ref, definition)
    return definition
  }

  enlist(saga: MemorySaga): void {
    this.lastNumber = saga.n
    this.sagas.set(saga.n, saga)
    this.ids.set(saga.id, saga)
  }

  forget({ n, id }: MemorySaga): void {
    this.sagas.delete(n)
    this.ids.delete(id)
  }

  own(saga: MemorySaga, worker: MemoryWorker): void {
    saga.owner = worker
    saga.due = null
    saga.token = ++this.#lastToken
    worker.owned.add(saga)
  }

  disown(saga: MemorySaga): void {
    saga.owner?.owned.delete(saga)
    saga.owner?.noticed.delete(saga.n)
    saga.owner = null
  }

  /** Nobody owns it from now on: it is parked, or it waits. */
  giveUp(saga: MemorySaga, dueIn: number): void {
    this.disown(saga)
    if (saga.stage === 'holding') {
      saga.due = this.now() + dueIn
      saga.definition.parked.push(saga.due, saga.n)
    } else if (saga.deadline !== null) saga.definition.deadlines.push(saga.deadline, saga.n)
  }

  /** Remembers it for a while: nothing else bounds what a process that runs for weeks keeps. */
  remember(saga: MemorySaga): void {
    this.#ended.push(saga.n)
    if (this.#ended.length - this.#oldest <= this.#keep) return
    const oldest = this.sagas.get(this.#ended[this.#oldest++] ?? 0)
    if (oldest?.stage === 'done') this.forget(oldest)
    if (this.#oldest < 1_000) return
    this.#ended = this.#ended.slice(this.#oldest)
    this.#oldest = 0
  }

  #bury(worker: MemoryWorker): void {
    worker.dead = true
    worker.noticed.clear()
    for (const saga of worker.owned) this.giveUp(saga, 0)
  }
}
