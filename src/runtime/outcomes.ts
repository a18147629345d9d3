/**
 * How one saga came out: asked of what runs here, looked up in the store, or waited for.
 *
 * Invariants
 * - Whoever waits is on the list before the saga can end, so no end is missed.
 * - A store that does not answer for a while ends no wait.
 */
import { formatDuration } from '../core/duration.js'
import { SagaUnfinishedError, StoreError } from '../core/errors.js'
import type { Store } from '../store/store.js'
import type { Clock } from './clock.js'
import { causeOf, type OnEnd, type Outcome, outcomeOfPruned } from './ending.js'
import type { Execution } from './execution.js'
import type { OnStored, SagaName, Stored } from './submitter.js'
import { stateOf } from './view.js'
import { readOutcome, type Waits } from './waits.js'

export class Outcomes {
  readonly #store: Store
  readonly #clock: Clock
  readonly #waits: Waits
  readonly #running: (n: number) => Execution | undefined
  #closing = false

  constructor(store: Store, clock: Clock, waits: Waits, running: (n: number) => Execution | undefined) {
    this.#store = store
    this.#clock = clock
    this.#waits = waits
    this.#running = running
  }

  /** From now on nothing is looked up: who asks waits, until `Waits` says that it is over. */
  close(): void {
    this.#closing = true
  }

  /** The end of what `submit` stores. `wait` bounds the wait, in ms: throws SagaUnfinishedError when it is over. */
  ofSubmit(submit: (onStored: OnStored) => Promise<Stored>, wait: number | undefined): Promise<Outcome> {
    return new Promise<Outcome>((resolve, reject) => {
      const submitted = submit((saga, here) => this.#waits.add(saga, { resolve, reject }, here))
      submitted.then((stored) => {
        if (stored.n === undefined) resolve(outcomeOfPruned(stored.tombstone))
        else if (wait !== undefined) this.#bound(stored, wait, reject)
      }, reject)
    })
  }

  /** The end of what was stored before. `onEnd` is called first, if it ends here. */
  async of(stored: Stored, onEnd?: OnEnd): Promise<Outcome> {
    if (stored.n === undefined) return outcomeOfPruned(stored.tombstone)
    const here = this.#running(stored.n) !== undefined
    const ended = here || this.#closing ? undefined : await this.#tryRead(stored)
    return ended ?? this.#waits.wait(stored, here, onEnd)
  }

  /** The wait is over after so many ms, the saga is not. */
  #bound(saga: SagaName, wait: number, reject: (error: Error) => void): void {
    const timer = this.#clock.timer(wait, () => {
      this.#causeSoFar(saga.n).then(
        (cause) => reject(new SagaUnfinishedError(saga.id, formatDuration(wait), cause)),
        reject,
      )
    })
    const stop = (): void => timer.cancel()
    this.#waits.wait(saga, true).then(stop, stop)
  }

  async #causeSoFar(n: number): Promise<unknown> {
    const execution = this.#running(n)
    if (execution) return causeOf(execution.state, execution.thrown)
    const saga = await this.#store.find({ n })
    return saga && 'chunks' in saga ? causeOf(stateOf(saga)) : undefined
  }

  async #tryRead(saga: SagaName): Promise<Outcome | undefined> {
    try {
      return await readOutcome(this.#store, saga)
    } catch (error) {
      if (error instanceof StoreError && error.code === 'STORE_UNAVAILABLE') return undefined
      throw error
    }
  }
}
