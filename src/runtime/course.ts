/**
 * The course of one saga: what its calls did becomes entries, and from the entries follows what to do next.
 *
 * Invariants
 * - The state is that of all that was said, also of what is not stored yet. So after a conflict a course begins anew, from what is
 *   stored.
 * - Nothing is written and nothing called here, but for the `when` of steps that are about to begin.
 */
import { describe } from '../core/described-error.js'
import type { Entry } from '../core/entry.js'
import {
  type Call,
  decide,
  evolve,
  intentOf,
  interrupt,
  release,
  type State,
  settle,
  settleCondition,
  settleVerify,
} from '../core/index.js'
import type { Definition } from '../definition/definition.js'
import type { Calls, Settled } from './calls.js'
import type { Clock } from './clock.js'
import { isWanted } from './condition.js'

export interface Next {
  readonly calls: readonly Call[]
  /** Infinity: nothing is waited for but calls. */
  readonly wakeAt: number
}

/** Each of its methods adds what is to be said to `entries`. */
export class Course {
  readonly definition: Definition
  state: State
  readonly #clock: Clock
  readonly #calls: Calls

  constructor(clock: Clock, calls: Calls, definition: Definition, state: State) {
    this.#clock = clock
    this.#calls = calls
    this.definition = definition
    this.state = state
  }

  /** What the calls did. */
  settle(entries: Entry[], all: readonly Settled[], now: number): void {
    for (const settled of all) {
      const said =
        'attempt' in settled
          ? settle(this.state, settled.attempt, settled.result, now, this.#clock.random())
          : settleVerify(this.state, settled.verified, settled.answer)
      this.#say(entries, said, now)
    }
  }

  /** What a former owner left open is in doubt. */
  inherit(entries: Entry[], now: number): void {
    this.#say(entries, interrupt(this.state, now, this.#clock.random), now)
  }

  /** Of each open attempt: neither a failure nor a crash. */
  release(entries: Entry[], now: number): void {
    this.#say(entries, release(this.state, now), now)
  }

  /** Goes on until there is something to call or to wait for; intents are said on the way. */
  decide(entries: Entry[], now: number): Next {
    const wanted: number[] = []
    for (;;) {
      const decision = decide(this.state, now)
      if (decision.do === 'end') return { calls: [], wakeAt: Number.POSITIVE_INFINITY }
      if (decision.do === 'record') {
        this.#say(entries, [decision.entry], now)
        continue
      }
      const calls = this.#calls.notYetOf(decision.calls)
      // All conditions first: should one of them fail, no sibling may have been started.
      if (this.#skip(calls, wanted, entries, now)) continue
      for (const call of calls)
        if (call.kind !== 'verify') this.#say(entries, [intentOf(call, this.state)], now)
      return calls === decision.calls ? decision : { calls, wakeAt: decision.wakeAt }
    }
  }

  #say(entries: Entry[], said: readonly Entry[], now: number): void {
    for (const entry of said) {
      entries.push(entry)
      this.state = evolve(this.state, entry, now)
    }
  }

  /** Asks the `when` of steps that have not begun. True if one of them is not to be called. */
  #skip(calls: readonly Call[], wanted: number[], entries: Entry[], now: number): boolean {
    let skipped = false
    for (const { conditional, step } of calls) {
      if (!conditional || wanted.includes(step)) continue
      const said = this.#ask(step, now)
      if (said.length === 0) wanted.push(step)
      else skipped = true
      this.#say(entries, said, now)
    }
    return skipped
  }

  #ask(index: number, now: number): Entry[] {
    const step = this.state.plan.steps[index]?.name ?? ''
    try {
      return isWanted(this.definition, this.state, index) ? [] : [{ type: 'skipped', step }]
    } catch (thrown) {
      this.#calls.threw(step, thrown)
      return settleCondition(this.state, index, describe(thrown), now, this.#clock.random())
    }
  }
}
