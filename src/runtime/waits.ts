/**
 * Those who wait for the end of sagas: told at once by what runs here, by looking for what others run.
 *
 * Invariants
 * - Each waits for an answer exactly once; closing answers all that are left with `CLOSED`.
 * - Looking costs little however many wait: so many rows at a time, in turn.
 */
import { ClosedError } from '../core/errors.js'
import type { Store } from '../store/store.js'
import type { Clock, Timer } from './clock.js'
import type { Outcome } from './ending.js'

interface Waiter {
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: Error) => void
}

/** ms between two looks, and the rows of one. */
const lookInterval = 100
const rowsAtOnce = 250

export class Waits {
  readonly #store: Store
  readonly #clock: Clock
  readonly #runsHere: (n: number) => boolean
  readonly #read: (n: number) => Promise<Outcome | undefined>
  readonly #waiting = new Map<number, Waiter[]>()
  #turn: number[] = []
  #timer: Timer | undefined
  #closed = false

  constructor(
    store: Store,
    clock: Clock,
    runsHere: (n: number) => boolean,
    read: (n: number) => Promise<Outcome | undefined>,
  ) {
    this.#store = store
    this.#clock = clock
    this.#runsHere = runsHere
    this.#read = read
  }

  /** `here`: it runs in this process, so its end need not be looked for. */
  wait(n: number, here: boolean): Promise<Outcome> {
    return new Promise((resolve, reject) => this.add(n, { resolve, reject }, here))
  }

  add(n: number, waiter: Waiter, here: boolean): void {
    if (this.#closed) return waiter.reject(closed())
    const others = this.#waiting.get(n)
    if (others) others.push(waiter)
    else this.#waiting.set(n, [waiter])
    if (!here) this.#lookSoon()
  }

  get waiting(): boolean {
    return this.#waiting.size > 0
  }

  isAwaited(n: number): boolean {
    return this.#waiting.has(n)
  }

  ended(n: number, outcome: Outcome): void {
    const waiters = this.#waiting.get(n)
    if (!waiters) return
    this.#waiting.delete(n)
    for (const { resolve } of waiters) resolve(outcome)
  }

  /** Somebody else has it now: its end must be looked for. */
  gone(): void {
    if (this.#waiting.size > 0) this.#lookSoon()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const waiters of this.#waiting.values()) for (const { reject } of waiters) reject(closed())
    this.#waiting.clear()
  }

  #lookSoon(): void {
    if (this.#timer || this.#closed) return
    this.#timer = this.#clock.timer(lookInterval, () => {
      this.#timer = undefined
      this.#look().catch(() => this.#lookSoon())
    })
  }

  async #look(): Promise<void> {
    if (this.#turn.length === 0) this.#turn = [...this.#waiting.keys()]
    const numbers = this.#turn.splice(0, rowsAtOnce).filter((n) => this.#waiting.has(n) && !this.#runsHere(n))
    const rows = numbers.length > 0 ? await this.#store.rows(numbers) : []
    const unfinished = new Set(rows.flatMap(({ n, stage }) => (stage === 'done' ? [] : [n])))
    for (const n of numbers) {
      // What has no row was pruned: it has ended too.
      const outcome = unfinished.has(n) ? undefined : await this.#read(n)
      if (outcome) this.ended(n, outcome)
    }
    for (const n of this.#waiting.keys()) {
      if (this.#runsHere(n)) continue
      this.#lookSoon()
      return
    }
  }
}

const closed = (): ClosedError => new ClosedError('the wait for the end of the saga is over')
