/**
 * The health of the store, asked for by many and read by one.
 *
 * Invariants
 * - However many ask, there is one question under way; one that is not answered in time is asked again.
 * - Asking takes at most a twentieth of the time: where counting takes long (a million that wait), it is done more seldom.
 */
import type { Health, Orchestrator } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { inTime } from './patience.js'

/** ms for which an answer is fresh enough for a person. */
const shortest = 200
const share = 20
/** ms: a scrape is commonly given up after 10 s. */
const patience = 8_000

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

  /** What was known a moment ago, where nobody should wait to know it better; undefined where nothing is known. */
  recent(): Health | Promise<Health | undefined> {
    if (!this.#last) return this.health().catch(() => undefined)
    if (systemClock.monotonic() >= this.#until) this.health().catch(() => {})
    return this.#last
  }

  async #ask(): Promise<Health> {
    const begin = systemClock.monotonic()
    const health = await inTime(this.#orchestrator.health(), patience)
    const end = systemClock.monotonic()
    this.#last = health
    this.#until = end + pauseAfter(end - begin)
    return health
  }
}
