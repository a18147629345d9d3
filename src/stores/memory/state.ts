/**
 * The state of the memory store and its seven writes.
 *
 * Invariants
 * - A saga is owned by at most one worker, and is in that worker's `owned`; a done saga is owned by none.
 * - What a dead worker owned is parked and due at once (or waits again, unowned): nobody else has to look for it.
 */
import type { Chunk, Entry } from '../../core/entry.js'
import { Admission, waits } from '../../store/admission.js'
import { type ClaimSource, shareOut } from '../../store/sharing.js'
import type {
  AppendWrite,
  Claimed,
  ClaimWrite,
  DefinitionRef,
  JoinWrite,
  LeaveWrite,
  PruneWrite,
  RenewWrite,
  Result,
  SubmitWrite,
  Summary,
  Tombstone,
} from '../../store/store.js'
import { MemoryLines } from './lines.js'
import { MemoryDefinition, MemorySaga, MemoryWorker, storedOf } from './rows.js'

const applied: Result = { type: 'applied' }
const superseded: Result = { type: 'superseded' }
const conflict: Result = { type: 'conflict' }

export class MemoryState {
  readonly now: () => number
  readonly sagas = new Map<number, MemorySaga>()
  readonly ids = new Map<string, MemorySaga>()
  readonly tombstones = new Map<string, Tombstone>()
  readonly definitions: MemoryDefinition[] = []
  readonly workers = new Map<string, MemoryWorker>()
  readonly lines = new MemoryLines(this.sagas, this.definitions)
  readonly admission: Admission
  readonly #byText = new Map<string, MemoryDefinition>()
  readonly #byRef = new WeakMap<DefinitionRef, MemoryDefinition>()
  readonly #keep: number
  /** Ended sagas, the longest ago first; those before `#oldest` are forgotten. */
  #ended: number[] = []
  #oldest = 0
  #lastNumber = 0
  #lastToken = 0
  #turn = 0

  constructor(now: () => number, keep: number, budget?: number) {
    this.now = now
    this.#keep = keep
    this.admission = new Admission(this.lines, budget)
  }

  submit(write: SubmitWrite): Result {
    const known = this.ids.get(write.id)
    if (known) return known.uid === write.uid ? this.#answerAgain(known, write) : conflict
    if (this.tombstones.has(write.id)) return conflict
    const definition = this.#intern(write.definition)
    const chunk = { seq: 0, at: write.at, entries: write.entries }
    const n = this.#lastNumber + 1
    const saga = new MemorySaga(n, write.id, write.uid, definition, write.keys, write.deadline, chunk)
    this.admission.refill()
    const worker = write.start && this.#starter(write.start.worker, definition)
    if (worker && write.start && this.admission.judge(saga) === 'start') {
      saga.chunks[0] = { seq: 0, at: write.at, entries: [...write.entries, ...write.start.entries] }
      return this.#begin(saga, worker, write.start.summary)
    }
    this.#enlist(saga)
    this.lines.enter(saga, this.admission.placeOf(saga))
    if (saga.keys !== null && this.admission.judgeKeys(saga) !== 'wait') this.lines.wake(n)
    return { type: 'applied', n }
  }

  append(write: AppendWrite): Result {
    const saga = this.sagas.get(write.n)
    if (!saga) return write.token === null ? conflict : superseded
    if (write.token !== null && write.token !== saga.token) return superseded
    const { chunks } = saga
    if (write.seq !== (write.replace ? chunks.length - 1 : chunks.length)) {
      return isSame(chunks[write.seq], write.at, write.entries) ? applied : conflict
    }
    const chunk: Chunk = { seq: write.seq, at: write.at, entries: write.entries }
    chunks[write.seq] = chunk
    if (write.token === null) saga.owner?.noticed.add(saga.n)
    if (write.summary) this.#summarise(saga, write.summary, write.at, write.token === null)
    return applied
  }

  claim(write: ClaimWrite): Result {
    this.#judgeWorkers()
    const worker = this.workers.get(write.worker)
    if (!worker || worker.dead) return superseded
    const noticed = [...worker.noticed]
    worker.noticed.clear()
    this.admission.refill()
    let more = this.admission.settle()
    const claimed: MemorySaga[] = []
    const startable: ClaimSource = (limit) => {
      const before = claimed.length
      more = this.#startWaiting(worker, limit, claimed) || more
      return claimed.length - before
    }
    const sources = [
      (limit: number) => this.#takeDue(worker, limit, claimed),
      (limit: number) => this.#takeOverdue(worker, limit, claimed),
      startable,
    ]
    shareOut(write.limit, this.#turn++, sources)
    return {
      type: 'claimed',
      sagas: claimed.map(claimedOf),
      noticed,
      dueIn: more ? 0 : this.#nextDue(worker),
    }
  }

  join(write: JoinWrite): Result {
    const offers = new Set(write.offers.map((ref) => this.#intern(ref)))
    const leaseUntil = this.now() + write.lease
    const known = this.workers.get(write.worker)
    if (known && (known.dead || known.leaseUntil <= this.now())) return superseded
    if (known) {
      known.offers = offers
      known.leaseUntil = leaseUntil
    } else this.workers.set(write.worker, new MemoryWorker(write.worker, leaseUntil, offers))
    this.#judgeWorkers()
    return applied
  }

  renew(write: RenewWrite): Result {
    const worker = this.workers.get(write.worker)
    if (!worker || worker.dead || worker.leaseUntil <= this.now()) return superseded
    worker.leaseUntil = this.now() + write.lease
    return applied
  }

  leave(write: LeaveWrite): Result {
    const worker = this.workers.get(write.worker)
    if (worker) {
      this.#bury(worker)
      this.workers.delete(write.worker)
    }
    return applied
  }

  prune(write: PruneWrite): Result {
    const saga = this.sagas.get(write.n)
    if (!saga) return applied
    const { id, status, endedAt, stage, n } = saga
    if (stage !== 'done' || endedAt === null || (status !== 'committed' && status !== 'rolled_back'))
      return superseded
    this.sagas.delete(n)
    this.ids.delete(id)
    this.tombstones.set(id, { id, inputHash: write.inputHash, status, endedAt })
    return applied
  }

  /** By the leases and offers of this moment: what users see, where admission goes by the last judgment. */
  isAnyoneOffering(definition: MemoryDefinition): boolean {
    for (const worker of this.workers.values())
      if (this.isAlive(worker) && worker.offers.has(definition)) return true
    return false
  }

  isAlive(worker: MemoryWorker): boolean {
    return !worker.dead && worker.leaseUntil > this.now()
  }

  #intern(ref: DefinitionRef): MemoryDefinition {
    const quick = this.#byRef.get(ref)
    if (quick) return quick
    const text = JSON.stringify([ref.name, ref.version, ref.shape])
    let definition = this.#byText.get(text)
    if (!definition) {
      definition = new MemoryDefinition(this.definitions.length + 1, {
        name: ref.name,
        version: ref.version,
        shape: ref.shape,
      })
      this.definitions.push(definition)
      this.#byText.set(text, definition)
    }
    this.#byRef.set(ref, definition)
    return definition
  }

  #enlist(saga: MemorySaga): void {
    this.#lastNumber = saga.n
    this.sagas.set(saga.n, saga)
    this.ids.set(saga.id, saga)
  }

  /** The worker of `start`, if it is alive and offers the definition. */
  #starter(name: string, definition: MemoryDefinition): MemoryWorker | undefined {
    const worker = this.workers.get(name)
    return worker && this.isAlive(worker) && worker.offers.has(definition) ? worker : undefined
  }

  #begin(saga: MemorySaga, worker: MemoryWorker, summary: Summary): Result {
    this.#enlist(saga)
    this.lines.enterHolding(saga)
    this.#own(saga, worker)
    this.#summarise(saga, summary, saga.chunks[0]?.at ?? 0, false)
    return { type: 'applied', n: saga.n, token: saga.token }
  }

  #answerAgain(saga: MemorySaga, write: SubmitWrite): Result {
    const { start } = write
    const started =
      start !== undefined && isSame(saga.chunks[0], write.at, [...write.entries, ...start.entries])
    if (!started || saga.owner?.worker !== start.worker) return { type: 'applied', n: saga.n }
    return { type: 'applied', n: saga.n, token: saga.token }
  }

  #own(saga: MemorySaga, worker: MemoryWorker): void {
    saga.owner = worker
    saga.due = null
    saga.token = ++this.#lastToken
    worker.owned.add(saga)
  }

  #disown(saga: MemorySaga): void {
    saga.owner?.owned.delete(saga)
    saga.owner?.noticed.delete(saga.n)
    saga.owner = null
  }

  #park(saga: MemorySaga, due: number): void {
    saga.due = due
    saga.definition.parked.push(due, saga.n)
  }

  #summarise(saga: MemorySaga, summary: Summary, at: number, isForeign: boolean): void {
    this.admission.refill()
    if (summary.definition) this.#rebind(saga, this.#intern(summary.definition))
    const turnsBad = summary.stuck && !saga.stuck && saga.stage === 'holding'
    this.lines.setStuck(saga, summary.stuck)
    saga.late = summary.late
    saga.status = summary.status === 'queued' && saga.stage === 'holding' ? 'running' : summary.status
    if (summary.stage === 'done') this.#end(saga, at)
    else if (saga.stage === 'done') this.#reenter(saga)
    else if (!isForeign && summary.dueIn !== null) this.#giveUp(saga, summary.dueIn)
    else if (saga.owner === null && saga.stage === 'holding' && summary.dueIn !== null)
      this.#park(saga, this.now() + summary.dueIn)
    if (turnsBad && saga.stage === 'holding') this.admission.turnedBad(saga)
  }

  #end(saga: MemorySaga, at: number): void {
    this.#disown(saga)
    saga.due = null
    if (saga.stage === 'done') return
    saga.endedAt = at
    saga.deadline = null
    this.lines.leave(saga)
    if (saga.keys !== null) this.admission.released(saga.keys)
    this.#ended.push(saga.n)
    if (this.#ended.length - this.#oldest > this.#keep) this.#forget()
  }

  /** Nothing else bounds what a process that runs for weeks remembers. */
  #forget(): void {
    const saga = this.sagas.get(this.#ended[this.#oldest++] ?? 0)
    if (saga?.stage === 'done') {
      this.sagas.delete(saga.n)
      this.ids.delete(saga.id)
    }
    if (this.#oldest < 1_000) return
    this.#ended = this.#ended.slice(this.#oldest)
    this.#oldest = 0
  }

  #reenter(saga: MemorySaga): void {
    saga.endedAt = null
    this.lines.enter(saga, waits)
    this.lines.wake(saga.n)
  }

  #giveUp(saga: MemorySaga, dueIn: number): void {
    this.#disown(saga)
    if (saga.stage === 'holding') this.#park(saga, this.now() + dueIn)
    else if (saga.deadline !== null) saga.definition.deadlines.push(saga.deadline, saga.n)
  }

  #rebind(saga: MemorySaga, definition: MemoryDefinition): void {
    if (definition === saga.definition) return
    this.lines.rebind(saga, definition)
    if (saga.stage === 'holding') {
      if (saga.due !== null) definition.parked.push(saga.due, saga.n)
      if (!definition.offered) this.admission.turnedBad(saga)
    } else if (saga.stage === 'waiting') {
      this.lines.move(saga, this.admission.placeOf(saga))
      this.admission.released(saga.keys ?? [])
    }
  }

  /** Finds out who has died, and what is offered no longer, or again. */
  #judgeWorkers(): void {
    for (const worker of this.workers.values()) if (!worker.dead && !this.isAlive(worker)) this.#bury(worker)
    for (const definition of this.definitions) {
      const offered = this.isAnyoneOffering(definition)
      if (offered === definition.offered) continue
      definition.offered = offered
      this.admission.offersChanged(definition.d)
    }
  }

  #bury(worker: MemoryWorker): void {
    worker.dead = true
    worker.noticed.clear()
    for (const saga of worker.owned) this.#giveUp(saga, 0)
  }

  #takeDue(worker: MemoryWorker, limit: number, claimed: MemorySaga[]): number {
    const now = this.now()
    return this.#takeFirst(worker, limit, claimed, ({ parked }) => this.#nextParked(parked, now))
  }

  /** Waiting sagas whose deadline has passed: they are owned so that they can be ended, and do not hold. */
  #takeOverdue(worker: MemoryWorker, limit: number, claimed: MemorySaga[]): number {
    const now = this.now()
    return this.#takeFirst(worker, limit, claimed, ({ deadlines }) => this.#nextDeadline(deadlines, now))
  }

  #takeFirst(
    worker: MemoryWorker,
    limit: number,
    claimed: MemorySaga[],
    next: (definition: MemoryDefinition) => MemorySaga | undefined,
  ): number {
    let taken = 0
    for (const definition of worker.offers) {
      for (let saga = next(definition); saga && taken < limit; saga = next(definition)) {
        this.#own(saga, worker)
        claimed.push(saga)
        taken++
      }
    }
    return taken
  }

  #startWaiting(worker: MemoryWorker, limit: number, claimed: MemorySaga[]): boolean {
    const { admission, lines } = this
    const start = (saga: MemorySaga) => {
      lines.start(saga)
      if (saga.status === 'queued') saga.status = 'running'
      this.#own(saga, worker)
      claimed.push(saga)
      if (saga.stuck) admission.turnedBad(saga)
    }
    const before = claimed.length
    const more = admission.start(this.#candidates(worker, admission.barrier()), limit, start)
    if (claimed.length - before < limit && lines.hasExclusive()) {
      const saga = this.sagas.get(lines.firstWaiting(true))
      if (saga && this.#isStartable(saga, worker) && admission.judge(saga) === 'start') start(saga)
    }
    return more
  }

  #isStartable(saga: MemorySaga, worker: MemoryWorker): boolean {
    return (
      saga.owner === null &&
      worker.offers.has(saga.definition) &&
      !(saga.deadline !== null && saga.deadline <= this.now())
    )
  }

  /** Awake sagas of all that the worker offers, in order. */
  *#candidates(worker: MemoryWorker, below: number): Generator<MemorySaga> {
    for (let n = 0; ; ) {
      let next = below
      for (const { awake } of worker.offers) next = Math.min(next, awake.after(n) ?? Infinity)
      if (next >= below) return
      n = next
      const saga = this.sagas.get(n)
      if (saga && this.#isStartable(saga, worker)) yield saga
    }
  }

  #nextDue({ offers }: MemoryWorker): number | null {
    let next = Infinity
    for (const { parked, deadlines } of offers) {
      next = Math.min(next, this.#nextParked(parked, Infinity)?.due ?? Infinity)
      next = Math.min(next, this.#nextDeadline(deadlines, Infinity)?.deadline ?? Infinity)
    }
    return next === Infinity ? null : Math.max(0, next - this.now())
  }

  #nextParked(parked: MemoryDefinition['parked'], until: number): MemorySaga | undefined {
    const first = parked.peek(({ at, n }) => {
      const saga = this.sagas.get(n)
      return saga?.due === at && saga.definition.parked === parked
    })
    return first && first.at <= until ? this.sagas.get(first.n) : undefined
  }

  #nextDeadline(deadlines: MemoryDefinition['deadlines'], until: number): MemorySaga | undefined {
    const first = deadlines.peek(({ n }) => {
      const saga = this.sagas.get(n)
      return saga?.stage === 'waiting' && saga.owner === null && saga.definition.deadlines === deadlines
    })
    return first && first.at <= until ? this.sagas.get(first.n) : undefined
  }
}

function claimedOf(saga: MemorySaga): Claimed {
  return { saga: storedOf(saga, false), token: saga.token }
}

function isSame(chunk: Chunk | undefined, at: number, entries: readonly Entry[]): boolean {
  if (chunk?.at !== at) return false
  return chunk.entries === entries || JSON.stringify(chunk.entries) === JSON.stringify(entries)
}
