/**
 * The hostage: the last trip, whose calls get no answer as long as somebody is still to be killed. So the run cannot end first, and
 * every kill finds a saga that is unfinished.
 *
 * Invariant: what a killed process had asked for still lands. Calls that wait for nobody any more go on at the next release; the others once
 * nobody is left to kill.
 */
import type { SimulationOptions } from './options.js'

/** Whether nobody waits for the answer any more. */
export type IsGone = () => boolean

export class Hostage {
  readonly #trip: number
  #isFree: boolean
  #held: { readonly isGone: IsGone; readonly release: () => void }[] = []

  constructor({ kill, sagas }: SimulationOptions) {
    this.#trip = sagas - 1
    this.#isFree = kill === 0
  }

  /** Resolves when a call for this trip may go on: at once, but for the hostage. */
  async mayCall(trip: number, isGone: IsGone): Promise<void> {
    if (this.#isFree || trip !== this.#trip) return
    await new Promise<void>((release) => this.#held.push({ isGone, release }))
  }

  /** Somebody was killed. `isFree`: nobody will be any more. */
  release(isFree: boolean): void {
    this.#isFree ||= isFree
    const held = this.#held
    this.#held = []
    for (const call of held) {
      if (this.#isFree || call.isGone()) call.release()
      else this.#held.push(call)
    }
  }
}
