/**
 * When to kill: kills are spread over the run by its progress, at a random moment each, and every one is certain to find
 * work going on.
 *
 * Invariants
 * - Kill `k` of `n` comes due once about k/n of the trips have ended, so that they fit into a run of any speed; or once the run stands
 *   still, since trips may wait behind the hostage.
 * - As long as kills are left the run does not end, for the last trip is held hostage (hostage.ts).
 * - A kill counts only once it was proven (`proven`); one that was not is tried again, with a bound.
 */
import { dice } from './dice.js'
import type { SimulationOptions } from './options.js'

export class KillPlan {
  kills = 0
  serviceKills = 0
  readonly #wanted: number
  readonly #takesServices: boolean
  readonly #thresholds: readonly number[]
  #tries = 0

  constructor({ kill, sagas, seed, workers, inProcess }: SimulationOptions) {
    this.#wanted = kill
    this.#takesServices = !inProcess && workers === 1
    this.#thresholds = Array.from({ length: kill }, (_, index) => {
      const jitter = dice(`${seed}/kill/${index}`)()
      return Math.min(sagas - 1, Math.floor(((index + jitter) / kill) * 0.95 * sagas))
    })
  }

  /** False as well where kills keep failing to be proven: then the run ends and says so. */
  get left(): boolean {
    return this.kills < this.#wanted && this.#tries < 3 * this.#wanted + 10
  }

  /** `standsStill`: no trip has ended for a while. Of several processes one may submit the last trip before others submit theirs. */
  isDue(ended: number, standsStill: boolean): boolean {
    return this.left && (standsStill || ended >= (this.#thresholds[this.kills] ?? 0))
  }

  /**
   * Every third kill takes the process of a service with it. Not where other orchestrators run on: what they book in the meantime is
   * refused within a millisecond, so that a second without a service would empty the run of trips.
   */
  get takesService(): boolean {
    return this.#takesServices && this.#tries % 3 === 2
  }

  tried(proven: boolean, tookService: boolean): void {
    this.#tries++
    if (proven) this.kills++
    if (tookService) this.serviceKills++
  }
}
