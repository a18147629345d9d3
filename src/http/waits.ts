/**
 * Clients that wait for the end of their sagas (`Prefer: wait`).
 *
 * Invariants
 * - However many wait for one saga, and however often, one wait of the orchestrator serves them until it ends.
 * - A client that waits no longer leaves nothing behind but that.
 */
import type { SagaHandle, SagaView } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { endOf } from '../runtime/handle.js'

export interface Waited {
  /** False if the time was over first, or nobody may wait any longer. */
  readonly isOver: boolean
  /** The saga as it has ended, a new one each time; undefined where the store has to be asked. */
  readonly view?: (() => SagaView | undefined) | undefined
}

interface Waiter {
  done(waited: Waited): void
  failed(error: unknown): void
}

export class Waits {
  readonly #sagas = new Map<string, Set<Waiter>>()

  /** At most so many ms. Rejects as the handle's outcome does. */
  endsWithin(handle: SagaHandle<unknown>, ms: number): Promise<Waited> {
    const waiters = this.#waitersFor(handle)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel()
        waiters.delete(waiter)
      }
      const waiter: Waiter = {
        done: (waited) => {
          leave()
          resolve(waited)
        },
        failed: (error) => {
          leave()
          reject(error)
        },
      }
      const timer = systemClock.timer(ms, () => waiter.done({ isOver: false }))
      waiters.add(waiter)
    })
  }

  /** All that wait are answered now. */
  stop(): void {
    for (const waiters of this.#sagas.values())
      for (const waiter of [...waiters]) waiter.done({ isOver: false })
  }

  #waitersFor(handle: SagaHandle<unknown>): Set<Waiter> {
    const { id } = handle
    const known = this.#sagas.get(id)
    if (known) return known
    const waiters = new Set<Waiter>()
    this.#sagas.set(id, waiters)
    const tell = (what: (waiter: Waiter) => void): void => {
      this.#sagas.delete(id)
      for (const waiter of [...waiters]) what(waiter)
    }
    endOf(handle).then(
      (view) => tell((waiter) => waiter.done({ isOver: true, view })),
      (error: unknown) => tell((waiter) => waiter.failed(error)),
    )
    return waiters
  }
}
