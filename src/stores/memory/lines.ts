/**
 * The lines of the memory store: who holds a key and who waits for it.
 *
 * Invariants
 * - A waiting or holding saga with keys stands in the line of each of them, at `saga.place`; all others stand in none.
 * - The sets of a definition and the counts of holders change only here.
 */
import type { Contender, Lines, Ripple, Spot } from '../../store/admission.js'
import { holds } from '../../store/admission.js'
import { NumberSet } from './ordered.js'
import type { MemoryDefinition, MemorySaga } from './rows.js'

interface Line {
  /** 0: nobody. */
  holder: number
  places: Map<number, NumberSet> | undefined
}

export class MemoryLines implements Lines {
  readonly #sagas: ReadonlyMap<number, MemorySaga>
  readonly #definitions: readonly MemoryDefinition[]
  readonly #lines = new Map<string, Line>()
  readonly #ripples = new Map<string, Ripple>()
  /** Unfinished sagas without keys, and holding sagas of either kind. */
  #exclusive = 0
  #holders = 0
  #exclusiveHolders = 0
  #stuckHolders = 0

  constructor(sagas: ReadonlyMap<number, MemorySaga>, definitions: readonly MemoryDefinition[]) {
    this.#sagas = sagas
    this.#definitions = definitions
  }

  /** A saga begins to wait, at this place. */
  enter(saga: MemorySaga, place: number): void {
    saga.stage = 'waiting'
    const { definition, keys, n } = saga
    if (saga.deadline !== null) definition.deadlines.push(saga.deadline, n)
    if (keys === null) {
      this.#exclusive++
      definition.alone.add(n)
      return
    }
    definition.waiting.add(n)
    saga.place = place
    for (const key of keys) this.#put(key, place, n)
  }

  /** A new saga begins to hold without having waited. */
  enterHolding(saga: MemorySaga): void {
    if (saga.keys === null) this.#exclusive++
    this.#hold(saga)
  }

  /** A waiting saga begins to hold. */
  start(saga: MemorySaga): void {
    this.#leaveWaiting(saga)
    this.#hold(saga)
  }

  /** A saga ends: it wants nothing any more. */
  leave(saga: MemorySaga): void {
    if (saga.keys === null) this.#exclusive--
    if (saga.stage === 'waiting') this.#leaveWaiting(saga)
    else {
      this.#holders--
      if (saga.stuck) this.#stuckHolders--
      saga.definition.holders.delete(saga)
      if (saga.keys === null) this.#exclusiveHolders--
      else for (const key of saga.keys) this.#take(key, holds, saga.n)
    }
    saga.stage = 'done'
    saga.place = null
  }

  /** The saga follows another definition from now on. */
  rebind(saga: MemorySaga, definition: MemoryDefinition): void {
    const { n, stage } = saga
    for (const name of ['waiting', 'alone', 'awake'] as const) {
      if (!saga.definition[name].delete(n)) continue
      definition[name].add(n)
    }
    if (saga.definition.holders.delete(saga)) definition.holders.add(saga)
    if (stage === 'waiting' && saga.deadline !== null) definition.deadlines.push(saga.deadline, n)
    saga.definition = definition
  }

  someHolders(limit: number): number[] {
    const found: number[] = []
    for (const { holders } of this.#definitions) {
      for (const { n } of holders) if (found.push(n) >= limit) return found
    }
    return found
  }

  setStuck(saga: MemorySaga, stuck: boolean): void {
    if (saga.stage === 'holding' && stuck !== saga.stuck) this.#stuckHolders += stuck ? 1 : -1
    saga.stuck = stuck
  }

  isOffered(d: number): boolean {
    return this.#definitions[d - 1]?.offered ?? false
  }

  contender(n: number): MemorySaga | undefined {
    return this.#sagas.get(n)
  }

  next(key: string, place: number, n: number): Spot | undefined {
    const line = this.#lines.get(key)
    if (!line) return undefined
    let best: Spot | undefined
    if (line.holder !== 0 && (place < holds || (place === holds && line.holder > n)))
      best = { place: holds, n: line.holder }
    if (line.places === undefined) return best
    for (const [at, set] of line.places) {
      if (at < place || (best && at > best.place)) continue
      const first = at === place ? set.after(n) : set.first
      if (first !== undefined) best = { place: at, n: first }
    }
    return best
  }

  move(saga: Contender, place: number): void {
    const moved = this.#sagas.get(saga.n)
    if (!moved || moved.place === null || moved.place === place) return
    for (const key of moved.keys ?? []) {
      this.#put(key, place, moved.n)
      this.#take(key, moved.place, moved.n)
    }
    moved.place = place
  }

  wake(n: number): void {
    const saga = this.#sagas.get(n)
    if (saga?.stage === 'waiting' && saga.keys !== null) saga.definition.awake.add(n)
  }

  wakeAll(d: number, after: number, limit: number) {
    const sagas = this.waitingOf(d, after, limit)
    for (const { n } of sagas) this.wake(n)
    return { count: sagas.length, last: sagas.at(-1)?.n ?? after }
  }

  sleep(n: number): void {
    this.#sagas.get(n)?.definition.awake.delete(n)
  }

  waitingOf(d: number, after: number, limit: number): readonly Contender[] {
    const set = this.#definitions[d - 1]?.waiting
    const found: Contender[] = []
    for (let n = set?.after(after); n !== undefined && found.length < limit; n = set?.after(n)) {
      const saga = this.#sagas.get(n)
      if (saga) found.push(saga)
    }
    return found
  }

  holdersOf(d: number): readonly Contender[] {
    return [...(this.#definitions[d - 1]?.holders ?? [])]
  }

  hasExclusive(): boolean {
    return this.#exclusive > 0
  }

  holding(): 'nothing' | 'keyed' | 'exclusive' {
    if (this.#holders === 0) return 'nothing'
    return this.#exclusiveHolders > 0 ? 'exclusive' : 'keyed'
  }

  hasBadHolder(): boolean {
    return (
      this.#stuckHolders > 0 || this.#definitions.some(({ offered, holders }) => !offered && holders.size > 0)
    )
  }

  firstWaiting(exclusive: boolean): number {
    let first = Infinity
    for (const { offered, alone, waiting } of this.#definitions) {
      if (!offered) continue
      first = Math.min(first, alone.first ?? Infinity, exclusive ? Infinity : (waiting.first ?? Infinity))
    }
    return first
  }

  ripple(): Ripple | undefined {
    for (const ripple of this.#ripples.values()) return ripple
    return undefined
  }

  addRipple(ripple: Ripple): void {
    this.#ripples.set(`${ripple.cause} ${ripple.key}`, ripple)
  }

  removeRipple(ripple: Ripple): void {
    this.#ripples.delete(`${ripple.cause} ${ripple.key}`)
  }

  #hold(saga: MemorySaga): void {
    saga.stage = 'holding'
    saga.place = holds
    this.#holders++
    if (saga.stuck) this.#stuckHolders++
    saga.definition.holders.add(saga)
    if (saga.keys === null) this.#exclusiveHolders++
    else for (const key of saga.keys) this.#put(key, holds, saga.n)
  }

  #leaveWaiting({ definition, keys, place, n }: MemorySaga): void {
    if (keys === null) {
      definition.alone.delete(n)
      return
    }
    definition.waiting.delete(n)
    definition.awake.delete(n)
    if (place !== null) for (const key of keys) this.#take(key, place, n)
  }

  #put(key: string, place: number, n: number): void {
    const line = this.#lines.get(key) ?? this.#openLine(key)
    if (place === holds) {
      line.holder = n
      return
    }
    line.places ??= new Map()
    const set = line.places.get(place)
    if (set) set.add(n)
    else line.places.set(place, new NumberSet(n))
  }

  #openLine(key: string): Line {
    const line = { holder: 0, places: undefined }
    this.#lines.set(key, line)
    return line
  }

  #take(key: string, place: number, n: number): void {
    const line = this.#lines.get(key)
    if (!line) return
    if (place === holds) line.holder = 0
    else {
      const set = line.places?.get(place)
      set?.delete(n)
      if (set?.size === 0) line.places?.delete(place)
    }
    if (line.holder === 0 && !line.places?.size) this.#lines.delete(key)
  }
}
