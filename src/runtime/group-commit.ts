/**
 * Group commit: all writes that are ready while one flush runs go down together in the next. Above all stores.
 *
 * Invariants
 * - At most two flushes are under way; writes go down in the order in which they were handed in. Nobody hands in a write that
 *   depends on another before that one is answered, but for a join and the submits behind it: those queue if it is lost.
 * - Each caller is answered only after the flush that holds its write (P1).
 * - A flush whose outcome is unknown is sent again until the store answers: an append may be repeated safely (store contract 2).
 *   Every other write is answered with the error, because somebody is there to be told: its outcome is unknown.
 */
import { ClosedError, StoreError } from '../core/errors.js'
import type { Result, Store, Write } from '../store/store.js'
import type { Clock, Timer } from './clock.js'

export type Answer = (result: Result | undefined, error?: Error) => void

/** Bounds the time that one flush holds the store, and with it the wait of whoever comes next. */
const largestFlush = 1024
/**
 * From here on a second flush sets off while the first is under way, so that the store and the event loop work at the same time,
 * instead of in turn (a fifth more sagas at 256). Below it a flush of its own costs more than it gains.
 */
const worthOverlapping = 64
const firstPause = 100
const longestPause = 2_000

export interface GroupCommitEvents {
  /** The store did not answer; what was under way waits. Called at each failed try. */
  unavailable(error: Error, retryIn: number): void
  /** It answers again. */
  available(): void
}

export class GroupCommit {
  readonly #store: Store
  readonly #clock: Clock
  readonly #events: GroupCommitEvents
  #writes: Write[] = []
  #answers: Answer[] = []
  /** Under way. */
  #flights = 0
  /** A flush is about to set off, or a pause keeps it back. */
  #isScheduled = false
  #failures = 0
  #pause: Timer | undefined
  #stopped = false

  constructor(store: Store, clock: Clock, events: GroupCommitEvents) {
    this.#store = store
    this.#clock = clock
    this.#events = events
  }

  /** Hands in a write. `answer` gets its result once it is durable, or the error that leaves its outcome unknown. */
  add(write: Write, answer: Answer): void {
    if (this.#stopped) return answer(undefined, new ClosedError(`the write ${write.type} was not made`))
    this.#writes.push(write)
    this.#answers.push(answer)
    this.#schedule()
  }

  write(write: Write): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.add(write, (result, error) => (result ? resolve(result) : reject(error)))
    })
  }

  /** Refuses what is left and what comes. */
  stop(): void {
    this.#stopped = true
    this.#pause?.cancel()
    const answers = this.#answers
    this.#writes = []
    this.#answers = []
    for (const answer of answers) answer(undefined, new ClosedError('the write was not made'))
  }

  get #mayFlush(): boolean {
    return this.#flights === 0 || (this.#flights === 1 && this.#writes.length >= worthOverlapping)
  }

  #schedule(): void {
    if (this.#isScheduled || this.#writes.length === 0 || !this.#mayFlush) return
    this.#isScheduled = true
    // Not at once: whatever else this turn of the event loop produces goes down in the same flush. And not as a microtask:
    // over a store that answers at once, microtasks would follow each other for ever and no timer would fire.
    this.#clock.soon(this.#flush)
  }

  readonly #flush = (): void => {
    this.#isScheduled = false
    if (this.#writes.length === 0 || !this.#mayFlush) return
    const writes = this.#writes.splice(0, largestFlush)
    const answers = this.#answers.splice(0, largestFlush)
    this.#flights++
    this.#apply(writes).then(
      (results) => this.#answered(answers, results),
      (error) => this.#unanswered(writes, answers, error),
    )
  }

  /** A store that throws is one that does not answer. */
  async #apply(writes: readonly Write[]): Promise<readonly Result[]> {
    return this.#store.apply(writes)
  }

  #answered(answers: readonly Answer[], results: readonly Result[]): void {
    this.#flights--
    if (this.#failures > 0) this.#goOn()
    let left = answers.length
    this.#flushIfIdle(0)
    for (let i = 0; i < answers.length; i++) {
      answers[i]?.(results[i])
      this.#flushIfIdle(--left)
    }
    this.#schedule()
  }

  /** The store has nothing to do, and what is ready is at least as much as the answers that are left will bring. */
  #flushIfIdle(left: number): void {
    const ready = this.#writes.length
    if (this.#flights === 0 && ready >= worthOverlapping && ready >= left) this.#flush()
  }

  /** The store answers again. */
  #goOn(): void {
    this.#failures = 0
    this.#pause?.cancel()
    this.#isScheduled = false
    this.#events.available()
  }

  #unanswered(writes: readonly Write[], answers: readonly Answer[], cause: unknown): void {
    this.#flights--
    const error = asStoreError(cause)
    const kept: number[] = []
    writes.forEach((write, i) => {
      if (write.type === 'append') kept.push(i)
      else answers[i]?.(undefined, error)
    })
    if (this.#stopped) {
      for (const i of kept) answers[i]?.(undefined, error)
      return
    }
    this.#writes = kept.flatMap((i) => writes[i] ?? []).concat(this.#writes)
    this.#answers = kept.flatMap((i) => answers[i] ?? []).concat(this.#answers)
    const wait = Math.min(longestPause, firstPause * 2 ** Math.min(this.#failures, 10))
    this.#failures++
    this.#events.unavailable(error, wait)
    this.#isScheduled = true
    this.#pause?.cancel()
    this.#pause = this.#clock.timer(wait, this.#flush)
  }
}

function asStoreError(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  return new StoreError('the store did not answer: nobody knows whether the write was made', {
    code: 'STORE_UNAVAILABLE',
    hint: 'submit again with the same id: a saga that was stored is found, not run twice',
    cause,
  })
}
