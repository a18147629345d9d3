/**
 * Typed events for those who watch: each is told only once it is durable.
 *
 * Invariant: a listener that throws harms nobody; its error is logged.
 */
import type { Entry } from '../core/entry.js'
import type { Logger } from '../definition/context.js'

/** The saga that an event tells of. */
export interface SagaOfEvent {
  readonly id: string
  readonly name: string
  readonly version: string
}

export interface Events {
  /** A fact was added to a journal by this process. */
  readonly entry: { readonly saga: SagaOfEvent; readonly entry: Entry; readonly at: number }
  /** A saga that ran here has ended. */
  readonly ended: { readonly saga: SagaOfEvent; readonly status: 'committed' | 'rolled_back' }
  /** A step that is tried for ever has failed too often, or for too long. Retries go on. */
  readonly stuck: {
    readonly saga: SagaOfEvent
    readonly step: string
    readonly failures: number
    readonly message: string
  }
  /** A commit that had been given up took effect after all. */
  readonly late: { readonly saga: SagaOfEvent; readonly step: string }
  /** No live worker offers what the saga follows. */
  readonly blocked: { readonly saga: SagaOfEvent }
  /** The store does not answer; what runs waits. */
  readonly unavailable: { readonly error: Error; readonly retryIn: number }
  /** This process may no longer believe that what it ran is its own; it goes on under a new lease. */
  readonly leaseLost: { readonly why: string }
  /** It answers again. */
  readonly available: Record<never, never>
}

export type Listener<Name extends keyof Events> = (event: Events[Name]) => void

export class Emitter {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>()
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  /** Calls `listener` at each event of this name; the function returned stops that. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(event as never)
      } catch (err) {
        this.#log.error({ event: 'listener_failed', listener: name, err }, `a listener of ${name} threw`)
      }
    }
  }
}
