/**
 * Says what happened: a log record and an event for each, once it is durable.
 *
 * Invariant: where nobody reads the log and nobody listens, it costs nothing.
 */
import type { Entry, Failed } from '../core/entry.js'
import type { Logger } from '../definition/context.js'
import type { Store } from '../store/store.js'
import type { Clock, Timer } from './clock.js'
import { Emitter } from './events.js'
import { childOf, logEntry, silent } from './log.js'

/** A saga, as a log record and an event name it. */
export interface Named {
  readonly id: string
  readonly plan: { readonly name: string; readonly version: string }
}

/** How often a process says which sagas nobody can run, in ms. */
const blockedInterval = 30_000

export class Announcer {
  readonly events: Emitter
  readonly log: Logger
  readonly #blockedSeen = new Set<number>()
  #timer: Timer | undefined
  #stopped = false

  constructor(log: Logger) {
    this.log = log
    this.events = new Emitter(log)
  }

  recorded({ id, plan }: Named, entries: readonly Entry[], at: number): void {
    const watched = this.events.has('entry') || this.events.has('late')
    if (this.log === silent && !watched) return
    const { name, version } = plan
    const saga = { id, name, version }
    for (const entry of entries) {
      if (this.log !== silent) logEntry(this.log, id, `${name}@${version}`, entry)
      if (watched) this.events.emit('entry', { saga, entry, at })
      if (watched && entry.type === 'late') this.events.emit('late', { saga, step: entry.step })
    }
  }

  stuck({ id, plan: { name, version } }: Named, { step, failures, error }: Failed): void {
    this.events.emit('stuck', { saga: { id, name, version }, step, failures, message: error.message })
  }

  ended({ id, plan: { name, version } }: Named, status: 'committed' | 'rolled_back'): void {
    if (this.events.has('ended')) this.events.emit('ended', { saga: { id, name, version }, status })
  }

  unavailable(error: Error, retryIn: number): void {
    this.log.error({ event: 'store_unavailable', err: error, retryIn }, 'the store does not answer')
    this.events.emit('unavailable', { error, retryIn })
  }

  available(): void {
    this.log.info({ event: 'store_available' }, 'the store answers again')
    this.events.emit('available', {})
  }

  leaseLost(worker: string, running: number, why: string): void {
    this.log.error({ event: 'lease_lost', worker, running }, `worker stopped: ${why}`)
    this.events.emit('leaseLost', { why })
  }

  lateSuccessLost(id: string, step: string, attempt: number, err: unknown): void {
    this.log.error(
      { event: 'late_success_lost', saga: id, step, attempt, err },
      'a commit took effect after it had been given up, and could not be journaled',
    )
  }

  writeRefused(id: string, err: Error): void {
    this.log.error({ event: 'write_refused', saga: id, err }, 'the store refused a write')
  }

  /** For a step's own records. */
  logFor({ id, plan }: Named, step: string, attempt: number): Logger {
    return childOf(this.log, { saga: id, definition: `${plan.name}@${plan.version}`, step, attempt })
  }

  /** Says once of each blocked saga that it waits for its definition; looks again from time to time. */
  watchBlocked(store: Store, clock: Clock): void {
    if (this.#stopped) return
    this.#timer = clock.timer(blockedInterval, () => this.watchBlocked(store, clock))
    store.list({ blocked: true, order: 'oldest', limit: 100 }).then(
      (rows) => {
        for (const { n, id, definition } of rows) this.#blocked(n, id, definition)
      },
      // The store says elsewhere that it does not answer.
      () => {},
    )
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #blocked(n: number, id: string, { name, version }: { name: string; version: string }): void {
    if (this.#blockedSeen.has(n)) return
    this.#blockedSeen.add(n)
    const definition = `${name}@${version}`
    this.log.warn({ event: 'blocked', saga: id, definition }, 'no process offers its definition')
    this.events.emit('blocked', { saga: { id, name, version } })
  }
}
