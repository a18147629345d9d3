/**
 * When to kill: kills are spread over the run by its progress, at a random moment each, and every one is certain to find
 * work going on.
 *
 * Invariants
 * - Kill `k` of `n` comes due once about k/n of the trips have ended, so that they fit into a run of any speed.
 * - As long as kills are left, the last trip is held hostage: its calls get no answer before the process that made them is killed.
 *   So the run cannot end first, and there is always a saga that is unfinished.
 * - A kill counts only once it was proven (`proven`); one that was not is tried again, with a bound.
 */
import { dice } from './dice.js'
import type { SimulationOptions } from './options.js'

export class KillPlan {
  kills = 0
  readonly #wanted: number
  readonly #hostage: number
  readonly #thresholds: readonly number[]
  #tries = 0
  #held: { readonly caller: unknown; readonly release: () => void }[] = []

  constructor({ kill, sagas, seed }: SimulationOptions) {
    this.#wanted = kill
    this.#hostage = sagas - 1
    this.#thresholds = Array.from({ length: kill }, (_, index) => {
      const jitter = dice(`${seed}/kill/${index}`)()
      return Math.min(sagas - 1, Math.floor(((index + jitter) / kill) * 0.95 * sagas))
    })
  }

  /** False as well where kills keep failing to be proven: then the run ends and says so. */
  get left(): boolean {
    return this.kills < this.#wanted && this.#tries < 3 * this.#wanted + 10
  }

  isDue(ended: number): boolean {
    return this.left && ended >= (this.#thresholds[this.kills] ?? 0)
  }

  /** Resolves when this trip's call may go on: at once, or for the hostage once its caller is dead, or the last kill was made. */
  async mayCall(trip: number, caller: unknown): Promise<void> {
    if (trip !== this.#hostage || !this.left) return
    await new Promise<void>((release) => this.#held.push({ caller, release }))
  }

  /** The process `killed` is dead. */
  tried(proven: boolean, killed: unknown): void {
    this.#tries++
    if (proven) this.kills++
    const held = this.#held
    this.#held = []
    for (const call of held) {
      if (this.left && call.caller !== killed) this.#held.push(call)
      else call.release()
    }
  }

  /** Nobody will be killed any more. */
  giveUp(): void {
    this.#tries = Number.POSITIVE_INFINITY
    for (const { release } of this.#held.splice(0)) release()
  }
}
