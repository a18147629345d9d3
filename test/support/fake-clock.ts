/**
 * A clock for tests: time moves only when a test says so, chance is seeded, ids are counted.
 *
 * Invariants
 * - The time is a whole number of ms, as that of Date.now.
 * - A timer fires at its time, never before, in order of time and then of setting; `soon` runs in a turn of its own.
 * - Between two timers everything that is ready has run: whoever advances the clock sees a process at rest.
 * - It drives memory stores (given `now`) and user functions that wait by `sleep`; it knows nothing of real I/O.
 */
import type { Clock, Timer } from 'backstep'

interface Pending {
  readonly at: number
  readonly order: number
  readonly fire: () => void
}

export class FakeClock implements Clock {
  #now: number
  readonly #start: number
  #order = 0
  #ids = 0
  #timers: Pending[] = []
  #soon: (() => void)[] = []
  #seed: number

  constructor(options: { readonly seed?: number; readonly now?: number } = {}) {
    this.#now = this.#start = options.now ?? Date.UTC(2026, 0, 1)
    this.#seed = options.seed ?? 1
  }

  readonly now = (): number => this.#now
  readonly monotonic = (): number => this.#now - this.#start

  /** Mulberry32. */
  readonly random = (): number => {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  readonly id = (): string => `id-${String(++this.#ids).padStart(6, '0')}`

  readonly timer = (ms: number, fire: () => void): Timer => {
    if (Number.isNaN(ms)) throw new TypeError('a timer of NaN ms would fire at once')
    const pending: Pending = { at: Math.ceil(this.#now + Math.max(0, ms)), order: ++this.#order, fire }
    this.#timers.push(pending)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== pending)
      },
    }
  }

  readonly soon = (run: () => void): void => {
    this.#soon.push(run)
  }

  /** Resolves after so many ms of this clock. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.timer(ms, resolve)
    })
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.length
  }

  /** Runs whatever is ready, without moving the time. */
  async settle(): Promise<void> {
    do {
      const ready = this.#soon
      this.#soon = []
      for (const run of ready) run()
      // A turn of the real event loop: all promises that can settle have done so after it.
      await new Promise((resolve) => setImmediate(resolve))
    } while (this.#soon.length > 0)
  }

  /** Moves the time on by so many ms, firing what is due on the way. */
  async advance(ms: number): Promise<void> {
    const end = Math.ceil(this.#now + ms)
    await this.settle()
    for (let next = this.#first(); next && next.at <= end; next = this.#first()) await this.#fire(next)
    this.#now = end
  }

  /** As a process sees it that was stopped for so long: what comes from outside is heard before any timer fires. */
  freeze(ms: number): void {
    this.#now += ms
  }

  /** Jumps from timer to timer until `promise` settles; returns what it came to. */
  async until<T>(promise: Promise<T>, most = 200_000): Promise<T> {
    let settled = false
    const done = (): void => {
      settled = true
    }
    promise.then(done, done)
    for (let steps = 0; steps < most; steps++) {
      await this.settle()
      if (settled) return promise
      const next = this.#first()
      if (!next) throw new Error('nothing is left that could happen, and the promise has not settled')
      await this.#fire(next)
    }
    throw new Error(`not settled after ${most} timers, ${this.monotonic()} ms`)
  }

  /** Jumps from timer to timer until `holds`. */
  async when(holds: () => boolean | Promise<boolean>, most = 20_000): Promise<void> {
    for (let steps = 0; steps < most; steps++) {
      await this.settle()
      if (await holds()) return
      const next = this.#first()
      if (!next) throw new Error('nothing is left that could happen, and it does not hold')
      await this.#fire(next)
    }
    throw new Error(`it does not hold after ${most} timers, ${this.monotonic()} ms`)
  }

  #first(): Pending | undefined {
    let first: Pending | undefined
    for (const timer of this.#timers) {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer
    }
    return first
  }

  async #fire(next: Pending): Promise<void> {
    this.#timers = this.#timers.filter((other) => other !== next)
    this.#now = Math.max(this.#now, next.at)
    next.fire()
    await this.settle()
  }
}
