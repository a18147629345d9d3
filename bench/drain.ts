/**
 * Draining what is stored: a worker is opened on the file, runs for a slice, and closes.
 *
 * Invariant
 * - Only the time between the first and the last saga that ends in a slice counts towards its rate.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Orchestrator } from 'backstep'
import type { Hooks } from './sagas.js'
import type { Slice } from './slices.js'

/** Opens a worker that calls the hooks. */
export type OpenWorker = (hooks: Hooks) => Promise<Orchestrator>

/** When nothing more has ended for so long there is nothing left, in ms. To begin takes longer, on a busy machine. */
const patience = { first: 3_000, next: 1_000 }

export class Drain {
  drained = 0
  /** From opening the file to the first commit, in ms: of the first slice. */
  firstAfter = Number.NaN
  readonly #open: OpenWorker

  constructor(open: OpenWorker) {
    this.#open = open
  }

  /** NaN: nothing was left. */
  readonly slice: Slice = async (seconds) => {
    const opened = performance.now()
    let ended = 0
    let begin = Number.NaN
    let last = opened
    const worker = await this.#open({
      first: () => {
        if (Number.isNaN(this.firstAfter)) this.firstAfter = performance.now() - opened
      },
      last: () => {
        last = performance.now()
        if (ended++ === 0) begin = last
      },
    })
    // To open is not to have nothing left.
    if (ended === 0) last = performance.now()
    const isLeft = () => performance.now() - last < (ended === 0 ? patience.first : patience.next)
    while (isLeft() && !(last - begin > seconds * 1_000)) await sleep(5)
    await worker.close()
    this.drained += ended
    return ended < 2 ? Number.NaN : ((ended - 1) / (last - begin)) * 1_000
  }
}
