/**
 * The handle of a stored saga: what its submitter holds, and by which a failing test finds the saga's journal.
 *
 * Invariant: where a handle came from is not seen on it: neither printed, nor compared, nor to be reached by a user.
 */
import type { StoredSaga } from '../store/store.js'
import type { Outcome } from './ending.js'
import { type JournalEntry, type SagaView, viewOf } from './view.js'

/** A saga that is stored: it will end, whoever holds this. */
export interface SagaHandle<Outputs> {
  readonly id: string
  /** False where a saga of this id and input was there already. */
  readonly created: boolean
  /** Resolves when the saga has ended, all rollbacks included. Rejects with ClosedError if the orchestrator closes first. */
  outcome(): Promise<Outcome<Outputs>>
}

/** Where sagas can be looked at. */
export interface Looker {
  get(id: string): Promise<SagaView | undefined>
  journal(id: string): Promise<readonly JournalEntry[] | undefined>
}

/** What was stored; undefined where it was there already. */
type Created = (() => StoredSaga) | undefined

class Handle<Outputs> implements SagaHandle<Outputs> {
  readonly id: string
  readonly outcome: () => Promise<Outcome<Outputs>>
  readonly #looker: Looker
  readonly #created: Created

  constructor(id: string, created: Created, looker: Looker, outcome: () => Promise<Outcome<Outputs>>) {
    this.id = id
    this.#created = created
    this.outcome = outcome
    this.#looker = looker
  }

  get created(): boolean {
    return this.#created !== undefined
  }

  static viewOf(handle: object): SagaView | undefined {
    const saga = #created in handle ? handle.#created?.() : undefined
    return saga && viewOf(saga, [])
  }

  static lookerOf(handle: object): Looker | undefined {
    return #looker in handle ? handle.#looker : undefined
  }
}

export const handleOf = <Outputs>(
  id: string,
  created: Created,
  looker: Looker,
  outcome: () => Promise<Outcome<Outputs>>,
): SagaHandle<Outputs> => new Handle(id, created, looker, outcome)

/** Where the saga of this handle can be looked at; undefined for a handle that Backstep did not make. */
export const lookerOf = (handle: object): Looker | undefined => Handle.lookerOf(handle)

/** The saga as it was when this submit stored it, without asking the store again; undefined where it was there already. */
export const createdViewOf = (handle: object): SagaView | undefined => Handle.viewOf(handle)
