/**
 * One call of a user's function: bounded by its timeout, given a grace after it, and never heard twice.
 *
 * Invariants
 * - `settled` is called exactly once, however often and in whatever way the function answers.
 * - After the timeout (or an abort) the signal is aborted, then the call has a bounded grace to say how it ended.
 * - A success after that grace is reported once through `late`; a failure after it is dropped, without an unhandled rejection.
 * - No timer outlives the call and its grace.
 */
import type { Call } from '../core/decide.js'
import { read } from '../core/hostile.js'
import type { StepPlan } from '../core/plan.js'
import type { Clock, Timer } from './clock.js'
import { LazySignal } from './context.js'

export type Overrun = 'timeout' | 'aborted'

/** What the function did, before anybody judges it. */
export type Heard =
  | { readonly is: 'returned'; readonly value: unknown; readonly overrun: Overrun | undefined }
  | { readonly is: 'threw'; readonly thrown: unknown; readonly overrun: Overrun | undefined }
  /** Nothing, until the grace was over. */
  | { readonly is: 'silent'; readonly overrun: Overrun }

export interface CallListener {
  settled(call: RunningCall, heard: Heard): void
  late(call: RunningCall, value: unknown): void
}

/** What a signal is aborted with when a call exceeds its timeout. */
export class StepTimeoutError extends Error {
  readonly code = 'TIMEOUT'
  override readonly name = 'StepTimeoutError'
}

export class RunningCall {
  readonly call: Call
  readonly signal = new LazySignal()
  readonly #clock: Clock
  readonly #grace: number
  readonly #listener: CallListener
  #timer: Timer | undefined
  #overrun: Overrun | undefined
  #over = false

  /** `grace` in ms. */
  constructor(call: Call, clock: Clock, grace: number, listener: CallListener) {
    this.call = call
    this.#clock = clock
    this.#grace = grace
    this.#listener = listener
  }

  start(fn: (context: never) => unknown, context: unknown, { name, timeout }: StepPlan): void {
    let answer: unknown
    try {
      answer = fn(context as never)
    } catch (thrown) {
      return this.#hear({ is: 'threw', thrown, overrun: undefined })
    }
    if (!isThenable(answer)) return this.#hear({ is: 'returned', value: answer, overrun: undefined })
    this.#timer = this.#clock.timer(timeout, () => {
      const what = `the ${this.call.kind} of step ${name}`
      this.#giveUp('timeout', new StepTimeoutError(`${what} took longer than ${timeout} ms`))
    })
    // Promise.resolve hears a thenable once, whatever it calls; a native promise passes through it as it is.
    Promise.resolve(answer).then(
      (value) => this.#hear({ is: 'returned', value, overrun: this.#overrun }),
      (thrown) => this.#hear({ is: 'threw', thrown, overrun: this.#overrun }),
    )
  }

  /** Aborts the signal; the call has its grace to say how it ended. */
  abort(reason: Error): void {
    if (!this.#over && !this.#overrun) this.#giveUp('aborted', reason)
  }

  /** Aborts the signal and stops listening: nobody may write what it did any more. */
  forsake(reason: Error): void {
    this.#over = true
    this.#timer?.cancel()
    this.signal.abort(reason)
  }

  #giveUp(overrun: Overrun, reason: Error): void {
    this.#overrun = overrun
    this.#timer?.cancel()
    this.#timer = this.#clock.timer(this.#grace, () => this.#hear({ is: 'silent', overrun }))
    this.signal.abort(reason)
  }

  #hear(heard: Heard): void {
    if (this.#over) {
      if (heard.is === 'returned') this.#listener.late(this, heard.value)
      return
    }
    this.#over = true
    this.#timer?.cancel()
    this.#listener.settled(this, heard)
  }
}

/** One that cannot be looked at is none: the call has returned, and what it returned cannot be stored. */
const isThenable = (value: unknown): boolean =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof read(value, 'then') === 'function'
