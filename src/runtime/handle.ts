/**
 * The handle of a stored saga: what its submitter holds, and by which a failing test finds the saga's journal.
 *
 * Invariant: where a handle came from is not seen on it: neither printed, nor compared, nor to be reached by a user.
 */
import type { StoredSaga } from '../store/store.js'
import type { Ended, OnEnd, Outcome } from './ending.js'
import { type JournalEntry, type SagaView, viewOf, viewOfEnd } from './view.js'

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

type Wait<Outputs> = (onEnd?: OnEnd) => Promise<Outcome<Outputs>>

class Handle<Outputs> implements SagaHandle<Outputs> {
  readonly id: string
  readonly outcome: () => Promise<Outcome<Outputs>>
  readonly #wait: Wait<Outputs>
  readonly #looker: Looker
  readonly #created: Created

  constructor(id: string, created: Created, looker: Looker, wait: Wait<Outputs>) {
    this.id = id
    this.#created = created
    this.outcome = () => wait()
    this.#wait = wait
    this.#looker = looker
  }

  get created(): boolean {
    return this.#created !== undefined
  }

  static viewOf(handle: object): SagaView | undefined {
    const saga = #created in handle ? handle.#created?.() : undefined
    return saga && viewOf(saga, [])
  }

  static async endOf(handle: SagaHandle<unknown>): Promise<(() => SagaView | undefined) | undefined> {
    if (!(#wait in handle)) return void (await handle.outcome())
    const ends: Ended[] = []
    await handle.#wait((ended) => ends.push(ended))
    const [ended] = ends
    const saga = handle.#created?.()
    return saga && ended && (() => viewOfEnd(saga, ended))
  }

  static lookerOf(handle: object): Looker | undefined {
    return #looker in handle ? handle.#looker : undefined
  }
}

export const handleOf = <Outputs>(
  id: string,
  created: Created,
  looker: Looker,
  wait: Wait<Outputs>,
): SagaHandle<Outputs> => new Handle(id, created, looker, wait)

/** Where the saga of this handle can be looked at; undefined for a handle that Backstep did not make. */
export const lookerOf = (handle: object): Looker | undefined => Handle.lookerOf(handle)

/** The saga as it was when this submit stored it, without asking the store again; undefined where it was there already. */
export const createdViewOf = (handle: object): SagaView | undefined => Handle.viewOf(handle)

/**
 * Waits for the end as `outcome` does. What it answers makes views of the saga as it is then, without asking the store again; undefined
 * where it ended in another process, or was there before this submit.
 */
export const endOf = (handle: SagaHandle<unknown>): Promise<(() => SagaView | undefined) | undefined> =>
  Handle.endOf(handle)
