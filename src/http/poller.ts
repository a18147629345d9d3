/**
 * Looks again and again, as long as somebody wants to know.
 *
 * Invariants
 * - One look at a time; looking takes at most a twentieth of the time, and a hint hastens the next look only within that.
 * - Nobody there: no timer, no look.
 */
import { systemClock, type Timer } from '../runtime/clock.js'

/** ms between a hint and the look that follows it, so that a burst of facts is one look. */
const soon = 50
const share = 20

export class Poller {
  readonly #interval: number
  readonly #look: () => Promise<void>
  #timer: Timer | undefined
  #isOn = false
  #isLooking = false
  #hinted = false
  /** Before then there is no look, by the monotonic clock. */
  #earliest = 0

  /** `interval` in ms, where nothing hints. `look` must not reject. */
  constructor(interval: number, look: () => Promise<void>) {
    this.#interval = interval
    this.#look = look
  }

  on(): void {
    if (this.#isOn) return
    this.#isOn = true
    this.#schedule(0)
  }

  off(): void {
    this.#isOn = false
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** There may be something to see. */
  hint(): void {
    if (!this.#isOn || this.#hinted) return
    this.#hinted = true
    if (!this.#isLooking) this.#schedule(soon)
  }

  #schedule(ms: number): void {
    this.#timer?.cancel()
    const wait = Math.max(ms, this.#earliest - systemClock.monotonic())
    this.#timer = systemClock.timer(wait, () => void this.#run())
  }

  async #run(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#hinted = false
    const begin = systemClock.monotonic()
    await this.#look()
    const end = systemClock.monotonic()
    this.#earliest = end + (end - begin) * share
    this.#isLooking = false
    if (this.#isOn) this.#schedule(this.#hinted ? soon : this.#interval)
  }
}
