/**
 * A clock for tests: time moves only when a test says so, chance is seeded, ids are counted.
 *
 * Invariants
 * - The time is a whole number of ms, as that of Date.now.
 * - A timer fires at its time, never before, in order of time and then of setting; `soon` runs in a turn of its own.
 * - Between two timers everything that is ready has run, also what waits for the world outside (`during`): whoever moves the time
 *   sees a process at rest.
 * - What only waits for a turn needs nobody to move the time: `await orchestrator.submit(…)` resolves by itself.
 */
import { BadInputError } from '../core/errors.js'
import type { Clock, Timer } from '../runtime/clock.js'
import { checkNames } from '../runtime/options.js'
import { patience } from './world.js'

interface Pending {
  readonly at: number
  readonly fire: () => void
}

export interface FakeClockOptions {
  /** Of its chance. Default 1. */
  readonly seed?: number
  /** Its first time, ms since 1970. Default: the beginning of 2026. */
  readonly now?: number
  /**
   * Promises settle without a turn of the real event loop: several times as fast, and nothing real gets its turn meanwhile
   * unless the clock is told of it (`during`). Default false.
   */
  readonly quick?: boolean
}

/** Something that `during` was told of has not settled for seconds. */
export class TookTooLong extends Error {}

// Taken now: a test may replace them by its own fakes, and would wait for ever.
const { setImmediate: immediate } = globalThis
const nextTick = process.nextTick.bind(process)
const realTime = performance.now.bind(performance)

/** How long real timers may wait for a quick clock, in ms. */
const longestWithoutTurn = 20
let lastTurn = 0

/** All promises that can settle have done so after it. */
const turn = (): Promise<void> => new Promise((resolve) => immediate(resolve))
/** The same: Node runs what is asked for the next tick once no promise is left that could settle. Real timers get their turn, too. */
function quickTurn(): Promise<void> {
  const now = realTime()
  if (now - lastTurn < longestWithoutTurn) return new Promise((resolve) => nextTick(resolve))
  lastTurn = now
  return turn()
}

/**
 * Time that stands still until it is moved.
 *
 * @example
 * const clock = new FakeClock()
 * const orchestrator = await Orchestrator.open({ sagas: [bookTrip], clock })
 * const trip = await orchestrator.submit(bookTrip, input)
 * await clock.advance(30_000)
 */
export class FakeClock implements Clock {
  #now: number
  readonly #start: number
  #ids = 0
  /** In order of setting. */
  readonly #timers = new Set<Pending>()
  #soon: (() => void)[] = []
  #isTurnDue = false
  #real = 0
  #seed: number
  readonly #isQuick: boolean

  /** Throws BadInputError for a bad option. */
  constructor(options: FakeClockOptions = {}) {
    checkNames(options, ['seed', 'now', 'quick'], 'FakeClock')
    for (const name of ['seed', 'now'] as const)
      if (options[name] !== undefined && !Number.isSafeInteger(options[name]))
        throw new BadInputError(
          `FakeClock: ${name} is no whole number`,
          'leave it out, or give a whole number',
        )
    this.#now = this.#start = options.now ?? Date.UTC(2026, 0, 1)
    this.#seed = options.seed ?? 1
    this.#isQuick = options.quick === true
  }

  readonly now = (): number => this.#now
  readonly monotonic = (): number => this.#now - this.#start

  /** Mulberry32, by Tommy Ettinger. */
  readonly random = (): number => {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  readonly id = (): string => `id-${String(++this.#ids).padStart(6, '0')}`

  readonly timer = (ms: number, fire: () => void): Timer => {
    if (Number.isNaN(ms)) throw new TypeError('a timer of NaN ms would fire at once')
    const pending: Pending = { at: Math.ceil(this.#now + Math.max(0, ms)), fire }
    this.#timers.add(pending)
    return { cancel: () => this.#timers.delete(pending) }
  }

  readonly soon = (run: () => void): void => {
    this.#soon.push(run)
    // A quick clock is always being moved by somebody.
    if (this.#isTurnDue || this.#isQuick) return
    this.#isTurnDue = true
    // Whoever only waits for a turn need not move the time.
    immediate(() => {
      this.#isTurnDue = false
      this.#runSoon()
    })
  }

  #runSoon(): void {
    const ready = this.#soon
    this.#soon = []
    for (const run of ready) run()
  }

  /** Resolves after so many ms of this clock. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.timer(ms, resolve)
    })
  }

  /** The time stands still until `promise` has settled, because it waits for something outside of this clock. */
  during<T>(promise: PromiseLike<T>): PromiseLike<T> {
    this.#real++
    const done = (): void => {
      this.#real--
    }
    promise.then(done, done)
    return promise
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size
  }

  /** Runs whatever is ready, without moving the time. */
  async settle(): Promise<void> {
    do {
      this.#runSoon()
      await (this.#isQuick ? quickTurn() : turn())
      if (this.#real > 0) await this.#settleOutside()
    } while (this.#soon.length > 0)
  }

  async #settleOutside(): Promise<void> {
    const since = realTime()
    while (this.#real > 0) {
      if (realTime() - since > patience)
        throw new TookTooLong(`a call has taken longer than ${patience} ms outside of this clock`)
      await turn()
    }
  }

  /** Moves the time on by so many ms, firing what is due on the way. */
  async advance(ms: number): Promise<void> {
    if (!(Number.isFinite(ms) && ms >= 0))
      throw new BadInputError('FakeClock: time cannot be moved so far', 'give a number of ms, 0 or more')
    const end = Math.ceil(this.#now + ms)
    await this.settle()
    for (let next = this.#first(); next && next.at <= end; next = this.#first()) await this.#fire(next)
    this.#now = Math.max(this.#now, end)
  }

  /** Jumps to the next timer, and lets it fire; without one nothing happens. */
  async next(): Promise<void> {
    await this.settle()
    const next = this.#first()
    if (next) await this.#fire(next)
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
    await this.#jump(() => settled, most, 'the promise has not settled')
    return promise
  }

  /** Jumps from timer to timer until `holds`. */
  when(holds: () => boolean | Promise<boolean>, most = 20_000): Promise<void> {
    return this.#jump(holds, most, 'it does not hold')
  }

  async #jump(holds: () => boolean | Promise<boolean>, most: number, otherwise: string): Promise<void> {
    for (let jumps = 0; jumps < most; jumps++) {
      await this.settle()
      if (await holds()) return
      const next = this.#first()
      if (!next) throw new Error(`nothing is left that could happen, and ${otherwise}`)
      await this.#fire(next)
    }
    throw new Error(`${otherwise} after ${most} timers, ${this.monotonic()} ms`)
  }

  #first(): Pending | undefined {
    let first: Pending | undefined
    for (const timer of this.#timers) if (!first || timer.at < first.at) first = timer
    return first
  }

  async #fire(next: Pending): Promise<void> {
    this.#timers.delete(next)
    this.#now = Math.max(this.#now, next.at)
    next.fire()
    await this.settle()
  }
}

/**
 * The clock as one process sees it: its timers end with it, and its wall clock may be wrong.
 *
 * Invariant: after `kill` nothing of the process runs any more that waits for a timer or a turn.
 */
export class ProcessClock implements Clock {
  readonly #clock: FakeClock
  readonly #skew: number
  readonly #timers = new Set<Timer>()
  #dead = false

  /** `skew`: how far its wall clock is ahead, in ms. */
  constructor(clock: FakeClock, skew = 0) {
    this.#clock = clock
    this.#skew = skew
  }

  readonly now = (): number => this.#clock.now() + this.#skew
  readonly monotonic = (): number => this.#clock.monotonic()
  readonly random = (): number => this.#clock.random()
  readonly id = (): string => this.#clock.id()

  readonly timer = (ms: number, fire: () => void): Timer => {
    if (this.#dead) return { cancel: () => {} }
    const timer = this.#clock.timer(ms, () => {
      this.#timers.delete(timer)
      fire()
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        this.#timers.delete(timer)
        timer.cancel()
      },
    }
  }

  readonly soon = (run: () => void): void => {
    this.#clock.soon(() => {
      if (!this.#dead) run()
    })
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.timer(ms, resolve)
    })
  }

  get isDead(): boolean {
    return this.#dead
  }

  /** As SIGKILL does: whatever waits, waits for ever. */
  kill(): void {
    this.#dead = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
