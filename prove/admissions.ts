/**
 * P7, judged at the moment at which a saga is given its keys: nobody who conflicts holds, and nobody in front was passed.
 *
 * Invariant: it is the rule of store.ts (contract, 5 and 6) written down once more, as plainly as it can be said.
 */
import type { Complain, Mirror } from './mirror.js'

export function conflict(a: readonly string[] | null, b: readonly string[] | null): boolean {
  if (a === null || b === null) return true
  return a.some((key) => b.includes(key))
}

export class Admissions {
  readonly #sagas: ReadonlyMap<number, Mirror>
  readonly #isOffered: (saga: Mirror) => boolean
  readonly #complain: Complain

  constructor(sagas: ReadonlyMap<number, Mirror>, isOffered: (saga: Mirror) => boolean, complain: Complain) {
    this.#sagas = sagas
    this.#isOffered = isOffered
    this.#complain = complain
  }

  /** It holds from now on. */
  grant(saga: Mirror): void {
    for (const other of this.#sagas.values()) {
      if (other === saga || other.stage === 'done' || !conflict(saga.keys, other.keys)) continue
      if (other.stage === 'holding')
        this.#complain('P7', `${saga.id} begins before ${other.id} has ended, and they conflict`)
      else if (other.n < saga.n && this.#reserves(other))
        this.#complain('P7', `${saga.id} begins before ${other.id}, which was submitted first`)
    }
    saga.stage = 'holding'
  }

  #reserves(saga: Mirror): boolean {
    if (!this.#isOffered(saga)) return false
    for (const holder of this.#sagas.values()) {
      if (holder.stage !== 'holding' || !conflict(saga.keys, holder.keys)) continue
      if (holder.stuck || !this.#isOffered(holder)) return false
    }
    return true
  }
}
