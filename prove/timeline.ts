/**
 * Virtual time and the scheduler: what happens next, in the whole fleet.
 *
 * Invariants
 * - One thing happens in each turn, and all promises that can settle have done so before the next: a turn of ours is a turn of
 *   the real event loop. Many are queued at once, because a whole round of that loop for each would cost five times as much.
 * - Of what is ready, chance picks whose turn it is; what one process has queued stays in order.
 * - The time is a whole number of ms and moves only when nothing is left to do at this one.
 */
import type { Dice } from './dice.js'

/** Longer than this outside of virtual time is taken for a mistake, in ms. */
const longestReal = 20_000
const batch = 256

export class Alarm {
  readonly at: number
  /** Breaks ties between processes: it stays the same for one of them. */
  readonly rank: number
  readonly order: number
  fire: (() => void) | undefined

  constructor(at: number, rank: number, order: number, fire: () => void) {
    this.at = at
    this.rank = rank
    this.order = order
    this.fire = fire
  }

  cancel(): void {
    this.fire = undefined
  }
}

const isBefore = (a: Alarm, b: Alarm): boolean =>
  a.at !== b.at ? a.at < b.at : a.rank !== b.rank ? a.rank < b.rank : a.order < b.order

export class Timeline {
  now = Date.UTC(2026, 0, 1)
  readonly start = this.now
  /** How many things have happened. */
  turns = 0
  readonly #dice: Dice
  readonly #heap: Alarm[] = []
  #order = 0
  /** By process, whose queues are not empty. */
  readonly #ready: (() => void)[][] = []
  #outside = 0
  #stoodSince = 0
  #ids = 0

  constructor(dice: Dice) {
    this.#dice = dice
  }

  /** Counted, so that a trace is the same each time. */
  id(): string {
    return `u${String(++this.#ids).padStart(5, '0')}`
  }

  in(ms: number, fire: () => void, rank = 0): Alarm {
    if (Number.isNaN(ms)) throw new TypeError('a timer of NaN ms would fire at once')
    const alarm = new Alarm(Math.ceil(this.now + Math.max(0, ms)), rank, ++this.#order, fire)
    this.#push(alarm)
    return alarm
  }

  /** In a turn of its own. `queue` belongs to whoever asks, and keeps his order. */
  soon(queue: (() => void)[], run: () => void): void {
    if (queue.push(run) === 1) this.#ready.push(queue)
  }

  /** The time stands still until `promise` has settled: it waits for something real. */
  during<T>(promise: Promise<T>): Promise<T> {
    this.#outside++
    const done = (): void => {
      this.#outside--
    }
    promise.then(done, done)
    return promise
  }

  /** Alarms that are set. */
  get alarms(): number {
    return this.#heap.reduce((count, { fire }) => count + (fire ? 1 : 0), 0)
  }

  /** Lets things happen until `done`. Rejects where nothing is left to happen, or after so many turns. */
  run(done: () => boolean, most: number): Promise<void> {
    const last = this.turns + most
    return new Promise((resolve, reject) => {
      let over = false
      const end = (error?: unknown): void => {
        over = true
        if (error === undefined) resolve()
        else reject(error as Error)
      }
      const turn = (): void => {
        if (over || this.#outside > 0) return
        try {
          if (done()) end()
          else this.#turn(last)
        } catch (error) {
          end(error)
        }
      }
      const round = (): void => {
        if (over) return
        if (this.#isOverdue()) return end(new Error('a call outside of virtual time takes too long'))
        for (let i = this.#outside > 0 ? batch : 0; i < batch; i++) setImmediate(turn)
        setImmediate(round)
      }
      round()
    })
  }

  /** Something real is waited for, and has been for too long. */
  #isOverdue(): boolean {
    if (this.#outside === 0) this.#stoodSince = 0
    else this.#stoodSince ||= performance.now()
    return this.#outside > 0 && performance.now() - this.#stoodSince > longestReal
  }

  #turn(last: number): void {
    if (this.turns >= last) throw new Error(`it goes on for too long: ${this.turns} turns`)
    const next = this.#next()
    if (!next) throw new Error('nothing is left that could happen')
    this.turns++
    next()
  }

  #next(): (() => void) | undefined {
    const alarm = this.#first()
    const ready = this.#ready.length
    // Now and then a timer that is due comes before what is ready, as between two rounds of an event loop.
    if (ready > 0 && !(alarm && alarm.at <= this.now && this.#dice.chance(0.125))) {
      const index = ready === 1 ? 0 : this.#dice.whole(0, ready - 1)
      const queue = this.#ready[index] as (() => void)[]
      const run = queue.shift()
      if (queue.length === 0) this.#ready.splice(index, 1)
      return run
    }
    if (!alarm) return undefined
    this.#pop()
    this.now = Math.max(this.now, alarm.at)
    return alarm.fire
  }

  #first(): Alarm | undefined {
    while (this.#heap[0] && !this.#heap[0].fire) this.#pop()
    return this.#heap[0]
  }

  #push(alarm: Alarm): void {
    const heap = this.#heap
    let i = heap.push(alarm) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      const above = heap[parent] as Alarm
      if (!isBefore(alarm, above)) break
      heap[i] = above
      i = parent
    }
    heap[i] = alarm
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let i = 0
    for (;;) {
      const left = 2 * i + 1
      const right = left + 1
      if (left >= heap.length) break
      const child = right < heap.length && isBefore(heap[right] as Alarm, heap[left] as Alarm) ? right : left
      if (!isBefore(heap[child] as Alarm, last)) break
      heap[i] = heap[child] as Alarm
      i = child
    }
    heap[i] = last
  }
}
