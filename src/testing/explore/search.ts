/**
 * The search: all histories without a fault, then with one, with two, and so on, as many as the limit lets.
 *
 * Invariants
 * - A history is its faults, in order. Those with one fault more are made by adding one behind the last, so each comes once.
 * - A level begins only when the one before is done: what it finds first has no shorter one. Of its findings the shortest is kept.
 * - A level that does not fit into the limit is sampled without repeats, by the seed, and said to be.
 */
import { FakeClock } from '../clock.js'
import { type Fault, type FaultKind, faultAt, isDeadline, type Point } from './faults.js'
import type { History } from './history.js'

/** Runs the history with these faults. `before`: the points of the one that it grew from. */
export type RunFaults = (faults: readonly Fault[], before?: readonly Point[]) => Promise<History>

export interface Searched {
  readonly histories: number
  /** How many histories there are with up to this many faults, the last level by its sample's parents. */
  readonly possible: number
  /** With how many faults every history was run. */
  readonly complete: number
  readonly kinds: Readonly<Partial<Record<FaultKind, number>>>
  readonly failing: History | undefined
  /** Virtual ms. */
  readonly took: number
}

export interface Limits {
  readonly faults: number
  readonly histories: number
  readonly seed: number
}

export class Search {
  readonly #run: RunFaults
  readonly #limits: Limits
  readonly #kinds: Partial<Record<FaultKind, number>> = {}
  #histories = 0
  #possible = 1
  #complete = -1
  #took = 0
  #failing: History | undefined

  constructor(run: RunFaults, limits: Limits) {
    this.#run = run
    this.#limits = limits
  }

  async all(): Promise<Searched> {
    let level = [await this.#take([])]
    this.#complete = 0
    // Below a sample nothing is whole any more, and there is no room left either.
    for (
      let depth = 1;
      depth <= this.#limits.faults && !this.#failing && this.#complete === depth - 1;
      depth++
    ) {
      level = await this.#deepen(level, depth)
    }
    return {
      histories: this.#histories,
      possible: this.#possible,
      complete: this.#complete,
      kinds: this.#kinds,
      failing: this.#failing,
      took: this.#took,
    }
  }

  /** Those with one fault more. */
  async #deepen(parents: readonly History[], depth: number): Promise<History[]> {
    const counts = parents.map(childrenOf)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const room = this.#limits.histories - this.#histories
    const wanted = total <= room ? undefined : sample(total, room, this.#limits.seed + depth)
    this.#possible += total
    const level: History[] = []
    let number = 0
    for (const parent of parents) {
      for (const fault of nextFaults(parent)) {
        if (!wanted || wanted.has(number))
          level.push(await this.#take([...parent.faults, fault], parent.points))
        number++
      }
    }
    if (!wanted) this.#complete = depth
    return level
  }

  async #take(faults: readonly Fault[], before?: readonly Point[]): Promise<History> {
    const history = await this.#run(faults, before)
    this.#histories++
    this.#took += history.took
    for (const { kind } of faults) this.#kinds[kind] = (this.#kinds[kind] ?? 0) + 1
    if (history.verdict.is !== 'holds' && isShorter(history, this.#failing)) this.#failing = history
    return history
  }
}

const isShorter = (history: History, than: History | undefined): boolean =>
  !than ||
  history.faults.length < than.faults.length ||
  (history.faults.length === than.faults.length && history.points.length < than.points.length)

/** A saga has one deadline. */
function kindsAfter({ faults }: History, { kinds }: Point): readonly FaultKind[] {
  return faults.some(({ kind }) => isDeadline(kind)) ? kinds.filter((kind) => !isDeadline(kind)) : kinds
}

function* nextFaults(history: History): Generator<Fault> {
  const first = (history.faults.at(-1)?.point ?? -1) + 1
  for (let number = first; number < history.points.length; number++) {
    const point = history.points[number] as Point
    for (const kind of kindsAfter(history, point)) yield faultAt(number, kind, point)
  }
}

function childrenOf(history: History): number {
  const first = (history.faults.at(-1)?.point ?? -1) + 1
  return history.points.slice(first).reduce((sum, point) => sum + kindsAfter(history, point).length, 0)
}

/** `count` of the numbers below `total`, each as likely: Floyd's algorithm (Bentley, Communications of the ACM 30/9, 1987). */
function sample(total: number, count: number, seed: number): ReadonlySet<number> {
  const { random } = new FakeClock({ seed })
  const chosen = new Set<number>()
  for (let i = total - Math.max(0, count); i < total; i++) {
    const number = Math.floor(random() * (i + 1))
    chosen.add(chosen.has(number) ? i : number)
  }
  return chosen
}
