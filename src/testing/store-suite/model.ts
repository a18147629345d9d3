/**
 * Points 5 and 6 of the store's contract, written down as they are read: slow, and too simple to be wrong.
 *
 * Invariant: it shares no line with the admission rule that the stores share; else both could be wrong alike.
 */
import type { DefinitionRef, Stage } from '../../store/store.js'

export class ModelSaga {
  readonly n: number
  definition: DefinitionRef
  readonly keys: readonly string[] | null
  stage: Stage = 'waiting'
  stuck = false

  constructor(n: number, definition: DefinitionRef, keys: readonly string[] | null) {
    this.n = n
    this.definition = definition
    this.keys = keys
  }

  end(): void {
    this.stage = 'done'
    this.stuck = false
  }
}

export class Model {
  readonly sagas: ModelSaga[] = []
  /** What each live worker offers. */
  readonly workers = new Map<string, readonly DefinitionRef[]>()

  isBlocked({ definition }: ModelSaga): boolean {
    return ![...this.workers.values()].some((offers) => offers.includes(definition))
  }

  conflict(a: ModelSaga, b: ModelSaga): boolean {
    if (a === b) return false
    if (a.keys === null || b.keys === null) return true
    return a.keys.some((key) => b.keys?.includes(key))
  }

  in(stage: Stage): ModelSaga[] {
    return this.sagas.filter((saga) => saga.stage === stage)
  }

  reserves(saga: ModelSaga): boolean {
    if (this.isBlocked(saga)) return false
    return !this.in('holding').some(
      (holder) => this.conflict(saga, holder) && (holder.stuck || this.isBlocked(holder)),
    )
  }

  mayStart(saga: ModelSaga): boolean {
    if (this.in('holding').some((holder) => this.conflict(saga, holder))) return false
    return !this.in('waiting').some(
      (other) => other.n < saga.n && this.conflict(saga, other) && this.reserves(other),
    )
  }

  /** Two that hold never conflict. */
  overlaps(): [ModelSaga, ModelSaga][] {
    const holders = this.in('holding')
    return holders.flatMap((a) =>
      holders.filter((b) => a.n < b.n && this.conflict(a, b)).map((b): [ModelSaga, ModelSaga] => [a, b]),
    )
  }
}
