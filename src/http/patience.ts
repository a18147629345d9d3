/**
 * How long the store may keep somebody waiting: one that hangs must hold no request, no probe and no look at it for ever.
 *
 * Invariant: what comes too late is passed over; whether a write took effect is found out by sending it again.
 */
import { StoreError } from '../index.js'
import { systemClock } from '../runtime/clock.js'

/** ms; no healthy store needs that long, and clients commonly wait for 30 s. */
const longest = 15_000

/**
 * What the store says, if it says it in time.
 *
 * @param ms default 15 s
 * @throws StoreError (`STORE_UNAVAILABLE`) if it does not, and whatever `asked` rejects with
 */
export function inTime<T>(asked: Promise<T>, ms = longest): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = systemClock.timer(ms, () => reject(silent(ms)))
    asked.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error)
      },
    )
  })
}

const silent = (ms: number): StoreError =>
  new StoreError(`the store has not answered for ${ms / 1_000} s`, {
    code: 'STORE_UNAVAILABLE',
    hint: 'see whether it can be reached',
  })
