/**
 * The claim of the memory store: which sagas a worker gets.
 */
import { rotated, shareOut } from '../../store/sharing.js'
import type { Claimed, ClaimWrite, Result } from '../../store/store.js'
import type { DueQueue } from './ordered.js'
import { type MemoryDefinition, type MemorySaga, type MemoryWorker, storedOf } from './rows.js'
import { type MemoryState, superseded } from './state.js'

export function claim(state: MemoryState, { worker: name, limit }: ClaimWrite): Result {
  state.judgeWorkers()
  const worker = state.workers.get(name)
  if (!worker || worker.dead) return superseded
  const noticed = [...worker.noticed]
  worker.noticed.clear()
  state.admission.refill()
  const round = new Round(state, worker)
  round.more = state.admission.settle()
  shareOut(limit, state.turn++, [
    (most) => round.take(most, ({ parked }) => parked),
    // Waiting sagas past their deadline are owned so that they can be ended; they do not hold.
    (most) => round.take(most, ({ deadlines }) => deadlines),
    (most) => round.startWaiting(most),
  ])
  return {
    type: 'claimed',
    sagas: round.taken.map(claimedOf),
    noticed,
    dueIn: round.more ? 0 : round.nextDue(),
  }
}

/** One claim while it is being answered. */
class Round {
  readonly taken: MemorySaga[] = []
  more = false
  readonly #state: MemoryState
  readonly #worker: MemoryWorker
  readonly #now: number

  constructor(state: MemoryState, worker: MemoryWorker) {
    this.#state = state
    this.#worker = worker
    this.#now = state.now()
  }

  take(most: number, queueOf: (definition: MemoryDefinition) => DueQueue): number {
    const before = this.taken.length
    for (const definition of rotated(this.#worker.offers, this.#state.turn)) {
      const queue = queueOf(definition)
      for (
        let due = queue.first;
        due && due.at <= this.#now && this.taken.length - before < most;
        due = queue.first
      ) {
        const saga = this.#state.sagas.get(due.n)
        if (saga) this.#give(saga)
      }
    }
    return this.taken.length - before
  }

  startWaiting(most: number): number {
    const { admission, lines, sagas } = this.#state
    const before = this.taken.length
    const start = (saga: MemorySaga) => this.#start(saga)
    if (admission.start(this.#candidates(admission.barrier()), most, start)) this.more = true
    if (this.taken.length - before < most && lines.hasExclusive()) {
      const saga = sagas.get(lines.firstWaiting(true))
      if (saga && this.#isStartable(saga) && admission.judge(saga) === 'start') start(saga)
    }
    return this.taken.length - before
  }

  nextDue(): number | null {
    let next = Infinity
    for (const { parked, deadlines } of this.#worker.offers) {
      next = Math.min(next, parked.first?.at ?? Infinity, deadlines.first?.at ?? Infinity)
    }
    return next === Infinity ? null : Math.max(0, next - this.#state.now())
  }

  #start(saga: MemorySaga): void {
    const { lines, admission } = this.#state
    lines.start(saga)
    if (saga.status === 'queued') saga.status = 'running'
    this.#give(saga)
    if (saga.stuck) admission.turnedBad(saga)
  }

  #give(saga: MemorySaga): void {
    this.#state.own(saga, this.#worker)
    this.taken.push(saga)
  }

  #isStartable({ owner, definition, deadline }: MemorySaga): boolean {
    const isOverdue = deadline !== null && deadline <= this.#now
    return owner === null && !isOverdue && this.#worker.offers.has(definition)
  }

  /** Awake sagas of all that the worker offers, in order. */
  *#candidates(below: number): Generator<MemorySaga> {
    for (let n = 0; ; ) {
      let next = below
      for (const { awake } of this.#worker.offers) next = Math.min(next, awake.after(n) ?? Infinity)
      if (next >= below) return
      n = next
      const saga = this.#state.sagas.get(n)
      if (saga && this.#isStartable(saga)) yield saga
    }
  }
}

function claimedOf(saga: MemorySaga): Claimed {
  return { saga: storedOf(saga, false), token: saga.token }
}
