/**
 * Clients that wait for the end of their sagas (`Prefer: wait`).
 *
 * Invariants
 * - However many wait for one saga, and however often, one wait of the orchestrator serves them until it ends.
 * - A client that waits no longer leaves nothing behind but that.
 */
import type { SagaHandle } from '../index.js'
import { systemClock } from '../runtime/clock.js'

interface Waiter {
  done(isOver: boolean): void
  failed(error: unknown): void
}

export class Waits {
  readonly #sagas = new Map<string, Set<Waiter>>()

  /** False if so many ms are over first, or nobody may wait any longer. Rejects as the handle's outcome does. */
  endsWithin(handle: SagaHandle<unknown>, ms: number): Promise<boolean> {
    const waiters = this.#waitersFor(handle)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel()
        waiters.delete(waiter)
      }
      const waiter: Waiter = {
        done: (isOver) => {
          leave()
          resolve(isOver)
        },
        failed: (error) => {
          leave()
          reject(error)
        },
      }
      const timer = systemClock.timer(ms, () => waiter.done(false))
      waiters.add(waiter)
    })
  }

  /** All that wait are answered now. */
  stop(): void {
    for (const waiters of this.#sagas.values()) for (const waiter of [...waiters]) waiter.done(false)
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
    handle.outcome().then(
      () => tell((waiter) => waiter.done(true)),
      (error: unknown) => tell((waiter) => waiter.failed(error)),
    )
    return waiters
  }
}
