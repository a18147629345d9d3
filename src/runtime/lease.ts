/**
 * The lease of this process: how long it may believe that what it owns is its own.
 *
 * Invariants
 * - It is judged by the monotonic clock, from the moment at which the last renewal that was answered had been *sent*.
 * - Past two thirds of it there is no new attempt: the last third is for the calls under way to see their signal.
 */
import type { Clock, Timer } from './clock.js'

/** Sends a renewal; resolves to false if the store no longer knows the worker. */
export type Renew = () => Promise<boolean>

export const takenForDead = 'another process took it for dead'

export class Lease {
  readonly #clock: Clock
  readonly #length: number
  readonly #renew: Renew
  readonly #lost: (why: string) => void
  #held: number
  #timer: Timer | undefined
  #watch: Timer | undefined
  #over = false

  /** `length` in ms; begins now. `lost` is called once, when it is over. */
  constructor(clock: Clock, length: number, renew: Renew, lost: (why: string) => void) {
    this.#clock = clock
    this.#length = length
    this.#renew = renew
    this.#lost = lost
    this.#held = clock.monotonic()
    this.#schedule()
    this.#guard()
  }

  /** True while a new attempt may be made. */
  get holds(): boolean {
    if (this.#over) return false
    if (this.#clock.monotonic() - this.#held < (this.#length * 2) / 3) return true
    this.lose('its lease was not renewed in time')
    return false
  }

  /** It is over, by what somebody else has learned. */
  lose(why: string): void {
    if (this.#over) return
    this.stop()
    this.#lost(why)
  }

  stop(): void {
    this.#over = true
    this.#timer?.cancel()
    this.#watch?.cancel()
  }

  #schedule(): void {
    this.#timer = this.#clock.timer(this.#length / 3, () => this.#send())
  }

  #send(): void {
    const sent = this.#clock.monotonic()
    this.#renew().then(
      (known) => {
        if (this.#over) return
        if (!known) return this.lose(takenForDead)
        this.#held = sent
        this.#schedule()
        this.#guard()
      },
      // The store did not answer: ask again soon, as long as the watch lets us.
      () => {
        if (!this.#over) this.#timer = this.#clock.timer(this.#length / 12, () => this.#send())
      },
    )
  }

  #guard(): void {
    this.#watch?.cancel()
    const left = this.#held + (this.#length * 2) / 3 - this.#clock.monotonic()
    this.#watch = this.#clock.timer(left + 1, () => this.holds)
  }
}
