/**
 * The stream of the whole: sagas that changed, and the counts. What the page's list lives on.
 *
 * Invariants
 * - One look at the store serves all clients; each frame is made once.
 * - What is watched is bounded: the newest sagas, and of those that are under way or in trouble so many of each kind. What leaves
 *   these lists is looked up by its id until it is seen to have ended.
 * - It sees what other processes do as well as what this one does: it reads the store, not this process's events.
 */
import type { ListOptions, Orchestrator, SagaSummary } from '../index.js'
import { inTime } from './patience.js'
import { Poller } from './poller.js'
import type { Pulse } from './pulse.js'
import { frameOf, type Stream, type Streams } from './stream.js'

const interval = 1_000
const perKind = 100
/** Sagas that left all lists and are looked up one by one, in one look. */
const lookups = 50

const kinds: readonly ListOptions[] = [
  {},
  { status: 'rolling_back' },
  { status: 'running' },
  { stuck: true },
  { blocked: true },
]

export class Whole {
  readonly #orchestrator: Orchestrator
  readonly #pulse: Pulse
  readonly #streams: Streams
  readonly #clients = new Set<Stream>()
  readonly #poller = new Poller(interval, () => this.#look())
  #seen = new Map<string, { readonly summary: SagaSummary; readonly text: string }>()
  #counts = ''
  #isPrimed = false
  #unlisten: (() => void) | undefined

  constructor(orchestrator: Orchestrator, pulse: Pulse, streams: Streams) {
    this.#orchestrator = orchestrator
    this.#pulse = pulse
    this.#streams = streams
  }

  /** Throws Problem (503) where there are too many streams. */
  join(cut?: () => void): Response {
    const stream = this.#streams.open(() => this.#leave(stream), cut)
    if (this.#counts !== '') stream.send(frameOf({ event: 'counts', data: JSON.parse(this.#counts) }))
    this.#clients.add(stream)
    if (this.#clients.size === 1) this.#begin()
    return stream.response
  }

  #begin(): void {
    this.#unlisten = this.#orchestrator.on('entry', () => this.#poller.hint())
    this.#poller.on()
  }

  #leave(stream: Stream): void {
    this.#clients.delete(stream)
    if (this.#clients.size > 0) return
    this.#poller.off()
    this.#unlisten?.()
    this.#seen = new Map()
    this.#isPrimed = false
    this.#counts = ''
  }

  async #look(): Promise<void> {
    try {
      await this.#lookAtSagas()
      const { counts } = await this.#pulse.health()
      const text = JSON.stringify(counts)
      if (text !== this.#counts) this.#tell('counts', counts)
      this.#counts = text
    } catch {
      // The store does not answer, which its own log says; the next look will tell.
    }
  }

  async #lookAtSagas(): Promise<void> {
    const found = new Map<string, SagaSummary>()
    for (const kind of kinds) {
      const { sagas } = await inTime(this.#orchestrator.list({ ...kind, limit: perKind }))
      for (const saga of sagas) found.set(saga.id, saga)
    }
    for (const saga of await this.#whatLeft(found)) found.set(saga.id, saga)
    const seen = new Map<string, { summary: SagaSummary; text: string }>()
    for (const [id, summary] of found) {
      const text = JSON.stringify(summary)
      // At first the client has just got the list, or gets it now.
      if (this.#isPrimed && this.#seen.get(id)?.text !== text) this.#tell('saga', summary)
      seen.set(id, { summary, text })
    }
    this.#seen = seen
    this.#isPrimed = true
  }

  /** Unfinished when last seen, and in none of the lists now. */
  async #whatLeft(found: ReadonlyMap<string, SagaSummary>): Promise<SagaSummary[]> {
    const left = [...this.#seen.values()].filter(
      ({ summary }) => summary.endedAt === null && !found.has(summary.id),
    )
    const sagas: SagaSummary[] = []
    for (const { summary } of left.slice(0, lookups)) {
      const view = await inTime(this.#orchestrator.get(summary.id))
      if (view) sagas.push(summaryIn(view))
    }
    // Those that there was no time for are kept in mind.
    return sagas.concat(left.slice(lookups, lookups * kinds.length).map(({ summary }) => summary))
  }

  #tell(event: string, data: unknown): void {
    const frame = frameOf({ event, data })
    for (const client of [...this.#clients]) client.send(frame)
  }
}

/** Only what a list shows: no payloads go to all. */
const summaryIn = (saga: SagaSummary): SagaSummary => ({
  id: saga.id,
  name: saga.name,
  version: saga.version,
  status: saga.status,
  stuck: saga.stuck,
  blocked: saga.blocked,
  late: saga.late,
  submittedAt: saga.submittedAt,
  endedAt: saga.endedAt,
  dueAt: saga.dueAt,
  owner: saga.owner,
  cursor: saga.cursor,
})
