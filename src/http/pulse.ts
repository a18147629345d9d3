/**
 * The health of the store, asked for by many and read by one.
 *
 * Invariants
 * - However many ask, there is one question under way.
 * - Asking takes at most a twentieth of the time: where counting takes long (a million that wait), it is done more seldom.
 */
import type { Health, Orchestrator } from '../index.js'
import { systemClock } from '../runtime/clock.js'

/** ms for which an answer is fresh enough for a person. */
const shortest = 200
const share = 20

/** ms until what took so long may be done again. */
export const pauseAfter = (took: number): number => Math.max(shortest, took * share)

export class Pulse {
  readonly #orchestrator: Orchestrator
  #last: Health | undefined
  #asking: Promise<Health> | undefined
  #until = 0

  constructor(orchestrator: Orchestrator) {
    this.#orchestrator = orchestrator
  }

  health(): Promise<Health> {
    if (this.#last && systemClock.monotonic() < this.#until) return Promise.resolve(this.#last)
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** What was known a moment ago, where nobody should wait to know it better. */
  recent(): Health | Promise<Health> {
    if (!this.#last) return this.health()
    if (systemClock.monotonic() >= this.#until) this.health().catch(() => {})
    return this.#last
  }

  async #ask(): Promise<Health> {
    const begin = systemClock.monotonic()
    const health = await this.#orchestrator.health()
    const end = systemClock.monotonic()
    this.#last = health
    this.#until = end + pauseAfter(end - begin)
    return health
  }
}
