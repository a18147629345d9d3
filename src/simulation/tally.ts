/**
 * What the orchestrator has said so far: which submits it acknowledged, and which outcomes it answered. The audit holds it to both.
 */
import type { End, Verdict } from './audit.js'
import type { FeedListener } from './feed.js'
import type { SimulationOptions } from './options.js'
import { tripOf } from './trip.js'

export class Tally implements FeedListener {
  committed = 0
  rolledBack = 0
  readonly #acknowledged = new Set<number>()
  readonly #answered = new Map<number, 'committed' | 'rolled_back'>()

  submitted(trip: number): void {
    this.#acknowledged.add(trip)
  }

  ended(trip: number, status: 'committed' | 'rolled_back'): void {
    if (this.#answered.has(trip)) return
    this.#answered.set(trip, status)
    if (status === 'committed') this.committed++
    else this.rolledBack++
  }

  get answered(): number {
    return this.#answered.size
  }

  /** The trips that nobody has answered yet, in order. */
  *pending(sagas: number): Generator<number> {
    for (let trip = 0; trip < sagas; trip++) if (!this.#answered.has(trip)) yield trip
  }

  /** Everything that is to be judged. Without `endOf`, for a run that was interrupted, what was not answered is unfinished. */
  verdicts({ sagas, seed, keys }: SimulationOptions, endOf?: ReadonlyMap<number, End>): Verdict[] {
    return Array.from({ length: sagas }, (_, index) => {
      const answered = this.#answered.get(index)
      const end = endOf ? (endOf.get(index) ?? 'unknown') : (answered ?? 'unfinished')
      return {
        trip: tripOf(seed, index, keys),
        end,
        acknowledged: this.#acknowledged.has(index),
        ...(answered && { answered }),
      }
    })
  }
}
