/**
 * Admission: which waiting saga may start. The rule of contract points 5 and 6, in one place for all stores.
 *
 * Sagas with keys stand in one line per key. A line's rows are ordered by (place, n): the holder at place 0, then those
 * that wait. `place` also remembers why a waiting saga does not reserve, so that a stuck saga with a million others behind
 * it costs one look at their place, not a million at each claim.
 *
 * Invariants
 * - The truth is computed from holders, flags and offers. A place is only a note about it: a note whose cause still
 *   stands is right, any other row is looked at again (and its note renewed).
 * - `awake` is a superset: each waiting keyed saga that its keys let start is awake. What is awake by mistake is put
 *   to sleep when it is looked at. So whatever removes an obstacle must wake: see `released`, `turnedBad`, `offersChanged`.
 * - Sagas without keys never stand in a line. They are judged by what holds and by what waits in front, when asked.
 * - The work of one call is bounded by a budget of rows; the rest is kept as ripples, and done by the next claims.
 */
import type { Stage } from './store.js'

/** The parts of an unfinished saga that admission looks at. `d` is the number that the store gave to its definition, from 1. */
export interface Contender {
  readonly n: number
  readonly d: number
  readonly keys: readonly string[] | null
  readonly stage: Stage
  readonly stuck: boolean
}

export const holds = 0
/** Reserves, as far as anybody has looked. */
export const waits = 1
/** Does not reserve, because of a holder that is stuck or blocked / because nobody offers its definition. */
const behindSaga = (n: number): number => n + 1
const behindDefinition = (d: number): number => -d

/** One row of a line. */
export interface Spot {
  readonly place: number
  readonly n: number
}

/**
 * Work still to be done because something stopped being in the way. `cause` is a place: a definition's, for all sagas
 * that wait with it; a bad holder's, for those behind it in the line of `key`; or `waits`: the first of the line is to be woken.
 */
export interface Ripple {
  readonly cause: number
  readonly key: string
  readonly after: number
}

/** What a store lets admission see and change. */
export interface Lines {
  isOffered(d: number): boolean
  contender(n: number): Contender | undefined
  /** The first row of the key's line behind (place, n). */
  next(key: string, place: number, n: number): Spot | undefined
  /** Moves a waiting saga to this place in all its lines. */
  move(saga: Contender, place: number): void
  wake(n: number): void
  /** Wakes the first waiting sagas of this definition with keys above `after`; says how many these are, and the last one. */
  wakeAll(d: number, after: number, limit: number): { readonly count: number; readonly last: number }
  sleep(n: number): void
  /** Waiting sagas of this definition with keys, above `after`, in order. */
  waitingOf(d: number, after: number, limit: number): readonly Contender[]
  holdersOf(d: number): readonly Contender[]
  /** Whether any unfinished saga has no keys. */
  hasExclusive(): boolean
  holding(): 'nothing' | 'keyed' | 'exclusive'
  /** Whether a holding saga is stuck, or nobody offers its definition. */
  hasBadHolder(): boolean
  /** The first waiting saga whose definition is offered (`exclusive`: of those without keys); Infinity: none. */
  firstWaiting(exclusive: boolean): number
  ripple(): Ripple | undefined
  addRipple(ripple: Ripple): void
  removeRipple(ripple: Ripple): void
}

/** A saga in the way of another, and the key they share (null: one of them has none). */
export interface Obstruction {
  readonly n: number
  readonly key: string | null
}

const wholly = (n: number): Obstruction => ({ n, key: null })

export type Verdict = 'start' | 'wait' | 'ask again'

const lowest = -Number.MAX_SAFE_INTEGER
const highest = Number.MAX_SAFE_INTEGER
/** Rows that one claim looks at beyond the sagas it gives: about 20 ms on SQLite. */
const budgetOfCall = 500
/** So many are woken for one row of the budget: a claim that wakes a slice must stay within twice the time of one that need not. */
const wakesPerRow = 2

export class Admission {
  readonly #lines: Lines
  readonly #fullBudget: number
  #budget: number

  constructor(lines: Lines, budget = budgetOfCall) {
    this.#lines = lines
    this.#fullBudget = budget
    this.#budget = budget
  }

  /** Each write of a store begins with a full budget. */
  refill(): void {
    this.#budget = this.#fullBudget
  }

  /** May this waiting (or new) saga start now? */
  judge(saga: Contender): Verdict {
    if (saga.keys === null) return this.#mayStartAlone(saga.n) ? 'start' : 'wait'
    return saga.n < this.barrier() ? this.judgeKeys(saga) : 'wait'
  }

  /** The same for a saga with keys, by its keys alone: what decides whether it is awake. */
  judgeKeys(saga: Contender): Verdict {
    let verdict: Verdict = 'start'
    for (const key of saga.keys ?? []) {
      const first = this.#firstReserving(key, saga.n)
      if (first === undefined) verdict = 'ask again'
      else if (first < saga.n) return 'wait'
    }
    return verdict
  }

  /**
   * Starts those of the awake candidates (in order, below the barrier) that may start, up to `limit`; puts the others to sleep.
   * True: not all could be judged, ask again.
   */
  start<C extends Contender>(candidates: Iterable<C>, limit: number, start: (saga: C) => void): boolean {
    let left = limit
    let unsure = false
    for (const saga of candidates) {
      if (left <= 0) return unsure
      const verdict = this.judgeKeys(saga)
      if (verdict === 'start') {
        start(saga)
        left--
        continue
      }
      if (verdict === 'wait') this.#lines.sleep(saga.n)
      else unsure = true
      if (this.#budget-- <= 0) return true
    }
    return unsure
  }

  /** No saga with keys may start at or above this number, because of one without. */
  barrier(): number {
    const lines = this.#lines
    if (!lines.hasExclusive()) return Infinity
    if (lines.holding() === 'exclusive') return -Infinity
    return lines.hasBadHolder() ? Infinity : lines.firstWaiting(true)
  }

  /** Where a new waiting saga stands in its lines. */
  placeOf(saga: Contender): number {
    const lines = this.#lines
    if (!lines.isOffered(saga.d)) return behindDefinition(saga.d)
    for (const key of saga.keys ?? []) {
      const spot = lines.next(key, holds, -1)
      if (spot?.place === holds && this.#isBad(spot.n)) return behindSaga(spot.n)
    }
    return waits
  }

  /** A saga left these lines, or a waiting one stopped reserving: the first in each of them may start. */
  released(keys: readonly string[]): void {
    for (const key of keys) this.#wakeFirst(key)
  }

  /** A holding saga became stuck, or went over to a definition that nobody offers: those behind it no longer reserve. */
  turnedBad({ n, keys }: Contender): void {
    const lines = this.#lines
    for (const key of keys ?? []) {
      const hasWaiting = lines.next(key, holds, n) || lines.next(key, lowest, 0)?.place !== holds
      if (hasWaiting) lines.addRipple({ cause: behindSaga(n), key, after: 0 })
    }
  }

  /** The last live worker that offers this definition is gone, or the first one is there. */
  offersChanged(d: number): void {
    if (!this.#lines.isOffered(d)) for (const holder of this.#lines.holdersOf(d)) this.turnedBad(holder)
    this.#lines.addRipple({ cause: behindDefinition(d), key: '', after: 0 })
  }

  /** Does what is left to do, within the budget; true: there is more. */
  settle(): boolean {
    for (let ripple = this.#lines.ripple(); ripple; ripple = this.#lines.ripple()) {
      if (this.#budget <= 0) return true
      const rest = this.#spread(ripple)
      if (rest !== ripple) this.#lines.removeRipple(ripple)
      if (rest) this.#lines.addRipple(rest)
    }
    return false
  }

  /** What this waiting saga waits for, bad holders first, then holders, then those in front that reserve. `holders`: some of all. */
  obstacles(saga: Contender, holders: readonly number[]): Obstruction[] {
    // What the last write has left of its budget is not what a reader may look at: with none, nothing would be in the way.
    this.#budget = budgetOfCall
    const { keys, n } = saga
    const found =
      keys === null
        ? [...holders.map(wholly), ...this.#reserving(this.#lines.firstWaiting(false), n)]
        : [...this.#aloneInFront(n, holders), ...keys.flatMap((key) => this.#inFront(key, n))]
    const rank = (other: number) =>
      this.#isBad(other) ? 0 : this.#lines.contender(other)?.stage === 'holding' ? 1 : 2
    return found.sort((a, b) => rank(a.n) - rank(b.n) || a.n - b.n)
  }

  /** A saga without keys that holds, or that waits in front and reserves. */
  #aloneInFront(n: number, holders: readonly number[]): Obstruction[] {
    if (!this.#lines.hasExclusive()) return []
    if (this.#lines.holding() === 'exclusive') return holders.slice(0, 1).map(wholly)
    return this.#reserving(this.#lines.firstWaiting(true), n)
  }

  #inFront(key: string, n: number): Obstruction[] {
    const holder = this.#holderOf(key)
    if (holder !== undefined) return [{ n: holder, key }]
    return this.#reserving(this.#firstReserving(key, n) ?? Infinity, n).map((found) => ({ ...found, key }))
  }

  /** This saga, if it waits in front of `n` and reserves. */
  #reserving(first: number, n: number): Obstruction[] {
    const saga = first < n ? this.#lines.contender(first) : undefined
    if (!saga) return []
    const isAlone = saga.keys === null || this.#lines.holding() === 'exclusive'
    const reserves = isAlone ? !this.#lines.hasBadHolder() : this.placeOf(saga) === waits
    return reserves ? [wholly(first)] : []
  }

  #mayStartAlone(n: number): boolean {
    return this.#lines.holding() === 'nothing' && this.#lines.firstWaiting(false) >= n
  }

  #holderOf(key: string): number | undefined {
    const spot = this.#lines.next(key, holds, -1)
    return spot?.place === holds ? spot.n : undefined
  }

  #isBad(n: number): boolean {
    const saga = this.#lines.contender(n)
    return saga?.stage === 'holding' && (saga.stuck || !this.#lines.isOffered(saga.d))
  }

  /** Whether the sagas noted at this place are known not to reserve. */
  #stands(place: number): boolean {
    return place < 0 ? !this.#lines.isOffered(-place) : place > waits && this.#isBad(place - 1)
  }

  /**
   * The first waiting saga in the line that reserves, below `before`; `before` if there is none; -Infinity if
   * the key is held; undefined if the budget ran out (each try renews notes, so the next one comes further).
   */
  #firstReserving(key: string, before: number): number | undefined {
    const lines = this.#lines
    let best = before
    let spot = lines.next(key, lowest, 0)
    while (spot) {
      const { place } = spot
      if (place === holds) return -Infinity
      if (!this.#stands(place)) {
        const found = this.#walk(key, spot, best)
        if (found === undefined) return this.#holderOf(key) === undefined ? undefined : -Infinity
        best = found
      }
      spot = lines.next(key, place, highest)
    }
    return best
  }

  /** Looks at the rows of one place in order, until one reserves or reaches `best`. */
  #walk(key: string, from: Spot, best: number): number | undefined {
    const { place } = from
    for (
      let spot: Spot | undefined = from;
      spot?.place === place && spot.n < best;
      spot = this.#lines.next(key, place, spot.n)
    ) {
      const saga = this.#lines.contender(spot.n)
      if (!saga) continue
      const now = this.placeOf(saga)
      if (now !== place) {
        if (this.#budget-- <= 0) return undefined
        if (now === waits) this.#lines.move(saga, now)
        else this.#stepAside(saga, now)
      }
      if (now === waits) return spot.n
    }
    return best
  }

  #wakeFirst(key: string): void {
    const first = this.#firstReserving(key, Infinity)
    if (first === undefined) this.#lines.addRipple({ cause: waits, key, after: 0 })
    else if (Number.isFinite(first)) this.#lines.wake(first)
  }

  /** Does a part of a ripple. Returns what is left of it: nothing, or itself, or from where to go on. */
  #spread(ripple: Ripple): Ripple | undefined {
    const { cause } = ripple
    if (cause === waits) return this.#spreadKey(ripple)
    return cause < 0 ? this.#spreadDefinition(ripple, -cause) : this.#spreadHolder(ripple, cause - 1)
  }

  #spreadKey(ripple: Ripple): Ripple | undefined {
    const first = this.#firstReserving(ripple.key, Infinity)
    if (first === undefined) return ripple
    if (Number.isFinite(first)) this.#lines.wake(first)
    return undefined
  }

  /**
   * Those in this line that still count as reserving are noted as behind the bad holder. Who is noted so already, perhaps
   * from an earlier time, has not been in anybody's way since: whoever looks at it renews the note.
   */
  #spreadHolder(ripple: Ripple, n: number): Ripple | undefined {
    if (!this.#isBad(n)) return undefined
    const { key } = ripple
    const lines = this.#lines
    for (let spot = lines.next(key, lowest, 0); spot; ) {
      const { place } = spot
      if (place === holds || this.#stands(place)) {
        spot = lines.next(key, place, highest)
        continue
      }
      if (this.#budget-- <= 0) return ripple
      const saga = lines.contender(spot.n)
      if (saga) this.#stepAside(saga, this.placeOf(saga))
      spot = lines.next(key, place, spot.n)
    }
    return undefined
  }

  #spreadDefinition(ripple: Ripple, d: number): Ripple | undefined {
    const slice = Math.max(1, this.#budget)
    if (this.#lines.isOffered(d)) {
      const limit = slice * wakesPerRow
      const { count, last } = this.#lines.wakeAll(d, ripple.after, limit)
      this.#budget -= Math.ceil(count / wakesPerRow)
      return count < limit ? undefined : { ...ripple, after: last }
    }
    const sagas = this.#lines.waitingOf(d, ripple.after, slice)
    this.#budget -= sagas.length
    for (const saga of sagas) this.#stepAside(saga, this.placeOf(saga))
    const last = sagas.at(-1)
    return last && sagas.length === slice ? { ...ripple, after: last.n } : undefined
  }

  #stepAside(saga: Contender, place: number): void {
    this.#lines.move(saga, place)
    this.#wakeBehind(saga)
  }

  /** It no longer reserves: in each of its lines the first that does may be able to start. */
  #wakeBehind(saga: Contender | undefined): void {
    for (const key of saga?.keys ?? []) this.#lines.addRipple({ cause: waits, key, after: 0 })
  }
}
