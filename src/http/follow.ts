/**
 * The stream of one saga: the entries of its journal, from where the client has come to.
 *
 * Invariants
 * - An event's id is `seq.index`, the entry's place in the journal. A chunk that was overwritten (failures that fold into one) is
 *   sent again under the ids that it had: the later says at least as much.
 * - A saga that many follow is read once for all of them; those that this process changes before all others.
 * - The stream ends with `ended`, once the client has all of an ended saga.
 * - A client that takes long is sent as much as it has room for, and the rest later; only one that takes nothing is dropped.
 */
import { type JournalEntry, type Orchestrator, StoreError } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { inTime } from './patience.js'
import { Poller } from './poller.js'
import type { Veil } from './redact.js'
import { frameOf, type Stream, type Streams } from './stream.js'

/** ms between looks, where no fact was added by this process. */
const interval = 1_000
/** How long a client may leave its room full, ms. */
const patience = 30_000

/** How far a client has come. `at`: of the chunk that it had last, to see whether that was overwritten. */
interface Place {
  seq: number
  index: number
  at: number
}

class Follower {
  readonly stream: Stream
  readonly #veil: Veil
  readonly #place: Place
  #isResumed: boolean
  #slowSince: number | undefined

  constructor(stream: Stream, veil: Veil, from: Place | undefined) {
    this.stream = stream
    this.#veil = veil
    this.#place = from ?? { seq: -1, index: -1, at: 0 }
    this.#isResumed = from !== undefined
  }

  /** True once it has all. */
  send(entries: readonly JournalEntry[]): boolean {
    const shown = this.#veil.journal(entries)
    let index = 0
    let before: JournalEntry | undefined
    for (const entry of shown) {
      index = before?.seq === entry.seq ? index + 1 : 0
      before = entry
      if (this.#has(entry, index)) continue
      const frame = frameOf({ id: `${entry.seq}.${index}`, data: entry })
      if (!this.#hasRoom() || !this.stream.send(frame)) return false
      this.#place.seq = entry.seq
      this.#place.index = index
      this.#place.at = entry.at
    }
    return true
  }

  #has({ seq, at, type }: JournalEntry, index: number): boolean {
    const place = this.#place
    if (seq !== place.seq) return seq < place.seq
    if (this.#isResumed) {
      this.#isResumed = false
      // Whether it was overwritten while the client was away cannot be known: a kind that folds is sent again.
      if (type === 'failed' || type === 'pending' || type === 'started') place.index = -1
      place.at = at
    }
    if (at !== place.at) {
      place.index = -1
      place.at = at
    }
    return index <= place.index
  }

  #hasRoom(): boolean {
    if (this.stream.hasRoom) {
      this.#slowSince = undefined
      return true
    }
    const now = systemClock.monotonic()
    this.#slowSince ??= now
    // Sending all the same drops the client.
    return now - this.#slowSince > patience
  }
}

/** A saga that somebody follows; its looks are counted as they begin, and as they tell. */
interface Followed {
  readonly followers: Set<Follower>
  asked: number
  told: number
}

export interface Joining {
  readonly veil: Veil
  /** Last-Event-ID. */
  readonly from: string | undefined
  readonly cut: (() => void) | undefined
}

export class Following {
  readonly #orchestrator: Orchestrator
  readonly #streams: Streams
  readonly #sagas = new Map<string, Followed>()
  /** Those to which this process has added a fact since they were looked at. */
  #changed = new Set<string>()
  readonly #soon = new Poller(interval, () => this.#lookAtChanged())
  readonly #all = new Poller(interval, () => this.#look(this.#sagas.keys()))
  #unlisten: (() => void) | undefined

  constructor(orchestrator: Orchestrator, streams: Streams) {
    this.#orchestrator = orchestrator
    this.#streams = streams
  }

  /** Throws Problem (503) where there are too many streams. */
  join(id: string, entries: readonly JournalEntry[], { veil, from, cut }: Joining): Response {
    const stream = this.#streams.open(() => this.#leave(id, follower), cut)
    const follower = new Follower(stream, veil, placeOf(from))
    const followed = this.#sagas.get(id) ?? { followers: new Set(), asked: 0, told: 0 }
    followed.followers.add(follower)
    this.#sagas.set(id, followed)
    this.#sendTo(follower, entries)
    if (this.#sagas.size > 0 && !this.#unlisten) {
      this.#unlisten = this.#orchestrator.on('entry', ({ saga }) => {
        if (!this.#sagas.has(saga.id)) return
        this.#changed.add(saga.id)
        this.#soon.hint()
      })
      this.#soon.on()
      this.#all.on()
    }
    return stream.response
  }

  #leave(id: string, follower: Follower): void {
    const followers = this.#sagas.get(id)?.followers
    followers?.delete(follower)
    if (followers?.size === 0) this.#sagas.delete(id)
    if (this.#sagas.size > 0) return
    this.#soon.off()
    this.#all.off()
    this.#unlisten?.()
    this.#unlisten = undefined
  }

  /** Apart from the others: with a thousand of them, looking at all takes so long that it is done every few seconds. */
  #lookAtChanged(): Promise<void> {
    const changed = this.#changed
    this.#changed = new Set()
    return this.#look(changed)
  }

  async #look(ids: Iterable<string>): Promise<void> {
    for (const id of [...ids]) {
      const followed = this.#sagas.get(id)
      if (!followed) continue
      const turn = ++followed.asked
      try {
        const entries = await inTime(this.#orchestrator.journal(id))
        // A look that began later has told more already.
        if (turn > followed.told) this.#tell(followed, entries)
        followed.told = Math.max(turn, followed.told)
      } catch (error) {
        // The store does not answer: the next look will tell. One saga that cannot be read stands in nobody's way.
        if (error instanceof StoreError && error.code === 'STORE_UNAVAILABLE') return
      }
    }
  }

  #tell({ followers }: Followed, entries: readonly JournalEntry[] | undefined): void {
    for (const follower of [...followers]) {
      // Pruned: nothing will follow.
      if (entries) this.#sendTo(follower, entries)
      else follower.stream.close()
    }
  }

  #sendTo(follower: Follower, entries: readonly JournalEntry[]): void {
    if (!follower.send(entries)) return
    const end = endOf(entries)
    if (!end) return
    follower.stream.send(frameOf({ event: 'ended', data: { status: end.status, at: end.at } }))
    follower.stream.close()
  }
}

/** The entry that ended it, unless a commit landed late since. */
export function endOf(
  entries: readonly JournalEntry[],
): Extract<JournalEntry, { type: 'ended' }> | undefined {
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index]
    if (entry?.type === 'ended') return entry
    if (entry?.type === 'late') return undefined
  }
  return undefined
}

/** Whether this client, coming back, has all there is. */
export function hasAll(entries: readonly JournalEntry[], from: string | undefined): boolean {
  const last = entries.at(-1)
  if (!last || !from || !endOf(entries)) return false
  const index = entries.filter(({ seq }) => seq === last.seq).length - 1
  return from === `${last.seq}.${index}`
}

function placeOf(id: string | undefined): Place | undefined {
  const [, seq, index] = /^(\d{1,9})\.(\d{1,9})$/.exec(id ?? '') ?? []
  return seq === undefined ? undefined : { seq: Number(seq), index: Number(index), at: 0 }
}
