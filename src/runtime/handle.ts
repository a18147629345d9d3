/**
 * The handle of a stored saga: what its submitter holds, and by which a failing test finds the saga's journal.
 *
 * Invariant: where a handle came from is not seen on it: neither printed, nor compared, nor to be reached by a user.
 */
import type { Outcome } from './ending.js'
import type { JournalEntry, SagaView } from './view.js'

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

class Handle<Outputs> implements SagaHandle<Outputs> {
  readonly id: string
  readonly created: boolean
  readonly outcome: () => Promise<Outcome<Outputs>>
  readonly #looker: Looker

  constructor(id: string, created: boolean, looker: Looker, outcome: () => Promise<Outcome<Outputs>>) {
    this.id = id
    this.created = created
    this.outcome = outcome
    this.#looker = looker
  }

  static lookerOf(handle: object): Looker | undefined {
    return #looker in handle ? handle.#looker : undefined
  }
}

export const handleOf = <Outputs>(
  id: string,
  created: boolean,
  looker: Looker,
  outcome: () => Promise<Outcome<Outputs>>,
): SagaHandle<Outputs> => new Handle(id, created, looker, outcome)

/** Where the saga of this handle can be looked at; undefined for a handle that Backstep did not make. */
export const lookerOf = (handle: object): Looker | undefined => Handle.lookerOf(handle)
