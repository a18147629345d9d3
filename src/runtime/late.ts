/**
 * Commits that took effect after they had been given up: each is told to the journal, however often the store must be asked.
 *
 * Invariants
 * - Nobody else knows of it. It is told until it is stored, or means nothing any more, or the store is about to be closed.
 * - What could not be told is reported; none is dropped in silence.
 */
import type { Json } from '../core/entry.js'
import { ClosedError, SagaStateError } from '../core/errors.js'
import type { Subject } from './calls.js'
import type { Clock, Timer } from './clock.js'
import { type Added, type Facts, lateFact } from './facts.js'

export interface LateListener {
  /** It is about to be journaled: the saga may run once more. */
  reopening(saga: Subject): void
  added(added: Added): void
  lost(sagaId: string, step: string, attempt: number, error: unknown): void
}

interface Success {
  readonly saga: Subject
  readonly step: string
  readonly attempt: number
  readonly output: Json | undefined
  pause?: Timer
}

/** Before a success that the store could not take is told again, in ms. */
const pauseBeforeRetry = 500

export class LateSuccesses {
  readonly #facts: Facts
  readonly #clock: Clock
  readonly #listener: LateListener
  readonly #untold = new Set<Success>()
  #isClosing = false
  #allTold: (() => void) | undefined

  constructor(facts: Facts, clock: Clock, listener: LateListener) {
    this.#facts = facts
    this.#clock = clock
    this.#listener = listener
  }

  tell(saga: Subject, step: string, attempt: number, output: Json | undefined): void {
    const success: Success = { saga, step, attempt, output }
    this.#untold.add(success)
    this.#try(success)
  }

  /** Gives what is still untold so many ms to be stored; what is left is reported as lost, and so is all that comes later. */
  async close(within: number): Promise<void> {
    if (this.#untold.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.timer(within, resolve)
        this.#allTold = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    this.#isClosing = true
    for (const success of this.#untold) {
      success.pause?.cancel()
      if (success.pause) this.#lose(success, new ClosedError('a late success was not journaled'))
    }
  }

  #try(success: Success): void {
    const { saga, step, attempt, output } = success
    delete success.pause
    this.#facts
      .add({ n: saga.n }, (state) => {
        const answer = lateFact(state, step, attempt, output)
        if ('entries' in answer && answer.entries.length > 0) this.#listener.reopening(saga)
        return answer
      })
      .then(
        (added) => {
          this.#forget(success)
          this.#listener.added(added)
        },
        (error: unknown) => this.#failed(success, error),
      )
  }

  #failed(success: Success, error: unknown): void {
    if (this.#isClosing || error instanceof SagaStateError || error instanceof ClosedError) {
      return this.#lose(success, error)
    }
    success.pause = this.#clock.timer(pauseBeforeRetry, () => this.#try(success))
  }

  #lose(success: Success, error: unknown): void {
    this.#forget(success)
    this.#listener.lost(success.saga.id, success.step, success.attempt, error)
  }

  #forget(success: Success): void {
    this.#untold.delete(success)
    if (this.#untold.size === 0) this.#allTold?.()
  }
}
