/**
 * The clock: the only reader of time, chance and ids in the runtime, so that all of them can be replaced.
 *
 * Invariant: a timer never fires before its time, however far away it is.
 */
import { randomFillSync } from 'node:crypto'
import type { Store } from '../store/store.js'
import { Ids } from './ids.js'

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** ms since 1970. */
  now(): number
  /** ms that no change of the wall clock moves. */
  monotonic(): number
  /** In [0, 1). */
  random(): number
  /** A new random id. */
  id(): string
  /** Calls `fire` once, `ms` from now. */
  timer(ms: number, fire: () => void): Timer
  /** Calls `run` in the next turn of the event loop. */
  soon(run: () => void): void
}

/** The longest wait that setTimeout keeps: anything above fires at once. */
const longestTimeout = 2 ** 31 - 1

class SystemTimer implements Timer {
  #left: number
  readonly #fire: () => void
  #handle: NodeJS.Timeout | undefined

  constructor(ms: number, fire: () => void) {
    this.#left = Math.max(0, ms)
    this.#fire = fire
    this.#arm()
  }

  #arm(): void {
    const wait = Math.min(this.#left, longestTimeout)
    this.#left -= wait
    this.#handle = setTimeout(this.#left > 0 ? () => this.#arm() : this.#fire, wait)
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }
}

const ids = new Ids(randomFillSync)

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
  id: () => ids.next(Date.now()),
  timer: (ms, fire) => new SystemTimer(ms, fire),
  soon: setImmediate,
}

/** Deadlines and the journal go by the store's clock: the clocks of two machines may be an hour apart. */
export function clockOf(store: Pick<Store, 'skew'>, clock: Clock): Clock {
  if (!store.skew) return clock
  return {
    now: () => Math.round(clock.now() + (store.skew?.() ?? 0)),
    monotonic: () => clock.monotonic(),
    random: () => clock.random(),
    id: () => clock.id(),
    timer: (ms, fire) => clock.timer(ms, fire),
    soon: (run) => clock.soon(run),
  }
}
