/**
 * The execution of one saga by its present owner: replay, decide, write, call, settle, write.
 *
 * Invariants
 * - One write at a time; its entries follow what is stored, or nothing of it lands (token and seq).
 * - A call is made only after its intent is durable, and only while the lease holds.
 * - Whatever the store answers, it goes on from what is stored, never from memory: on a conflict it reads again,
 *   and judges what its calls did against that.
 * - It leaves exactly once: ended, parked (nobody owns the saga until it is due), or lost (somebody else may own it).
 */

import type { Chunk, Entry, Failed } from '../core/entry.js'
import {
  type Attempt,
  type Call,
  fold,
  isEnded,
  isStuck,
  openAttempts,
  replay,
  type State,
} from '../core/index.js'
import type { Definition } from '../definition/definition.js'
import type { AppendWrite, Result, StoredSaga, Summary, Tombstone } from '../store/store.js'
import { type CallHost, Calls, type Settled, type Subject } from './calls.js'
import type { Timer } from './clock.js'
import { Course, type Next } from './course.js'
import type { GroupCommit } from './group-commit.js'

export type Departure = 'ended' | 'parked' | 'lost'

/** What an execution needs of the worker that runs it. */
export interface Host extends CallHost {
  readonly commits: GroupCommit
  find(n: number): Promise<StoredSaga | Tombstone | undefined>
  /** The functions of the definition that the saga follows now, if this process has them. */
  definitionOf(saga: StoredSaga): Definition | undefined
  /** The saga has been moved to a definition that is not here. */
  giveBack(saga: StoredSaga, token: number): void
  /** These entries are durable now. */
  recorded(execution: Execution, entries: readonly Entry[], at: number): void
  /** The saga has just become stuck. */
  stuck(execution: Execution, failure: Failed): void
  /** The write just handed in gives the saga's place back, if it lands. */
  leaving(execution: Execution): void
  /** It did not land: the saga stays. */
  staying(execution: Execution): void
  left(execution: Execution, how: Departure): void
  /** The store refused what a saga has to say: it is tried again. */
  refused(execution: Execution, error: Error): void
}

/** How a saga begins in this process: what is stored of it, and what it means. */
export interface Begun {
  readonly n: number
  readonly id: string
  readonly token: number
  readonly state: State
  readonly tail: Chunk
  readonly summary: Summary
}

/** Never changed: what is added to is an array of its own. */
const none: Settled[] = []

/** Wait before the store is asked again for a saga that it could not give, or whose write it refused, in ms. */
const pauseBeforeReload = 500

export class Execution implements Subject {
  readonly n: number
  readonly id: string
  readonly token: number
  readonly #host: Host
  readonly #calls: Calls
  #course: Course
  tail: Chunk
  #summary: Summary
  #settled = none
  /** What the write under way says of calls. */
  #writing = none
  #busy = false
  #gone = false
  #stale = false
  #releasing = false
  /** False while it waits for its turn (a suspect): until then nothing makes it go on. */
  #begun = false
  /** What a former owner left open has not been recorded yet. */
  #inherited = false
  /** What was read may be flagged wrongly: a fact is judged by what its author read, and a chunk can be overwritten meanwhile. */
  #unsure = false
  #wake: Timer | undefined

  constructor(host: Host, definition: Definition, begun: Begun) {
    this.#host = host
    this.#calls = new Calls(host, this)
    this.#course = new Course(host.clock, this.#calls, definition, begun.state)
    this.n = begun.n
    this.id = begun.id
    this.token = begun.token
    this.tail = begun.tail
    this.#summary = begun.summary
  }

  get definition(): Definition {
    return this.#course.definition
  }

  /** With what is being written. */
  get state(): State {
    return this.#course.state
  }

  /** What the steps threw last, as long as this process remembers it. */
  get thrown(): ReadonlyMap<string, unknown> | undefined {
    return this.#calls.thrown
  }

  /** Makes the calls whose intents went down with the submit. */
  begin(calls: readonly Call[]): void {
    this.#begun = true
    this.#busy = true
    this.#calls.make(calls)
    this.#busy = false
    this.#advance()
  }

  /** Goes on where a former owner stopped: what he left open is in doubt. */
  resume(): void {
    const { clock } = this.#host
    const now = clock.now()
    const { deadline } = this.state
    // Claimed without its keys, only to be ended: not before its time, however the clocks differ.
    if (this.#summary.stage === 'waiting' && deadline !== undefined && now < deadline) {
      this.#wake = clock.timer(deadline - now, () => this.resume())
      return
    }
    this.#begun = true
    this.#inherited = true
    this.#unsure = true
    this.#advance(this.#stale ? [] : this.#orphans())
  }

  /** Somebody else added a fact: read it before going on. */
  notice(): void {
    this.#stale = true
    if (this.#begun) this.#advance()
  }

  /** The process closes down: stops calling, and says of each open attempt that it is neither a failure nor a crash. */
  release(): void {
    if (this.#gone) return
    this.#releasing = true
    this.#calls.forsake(closing)
    if (!this.#busy) this.#letGo()
  }

  #letGo(): void {
    const now = this.#host.clock.now()
    const entries: Entry[] = []
    // What is known of a call is not given up with the rest.
    this.#settleAll(entries, now)
    this.#course.release(entries, now)
    if (entries.length === 0 || isEnded(this.state)) return this.lose(closing)
    this.#write(entries, { calls: [], wakeAt: now }, 'parked', now)
  }

  /** Stops at once: somebody else owns the saga, or may. */
  lose(why: string): void {
    if (this.#gone) return
    this.#calls.forsake(why)
    this.#depart('lost')
  }

  // What to do next

  /** Adds to `entries`. */
  #advance(entries: Entry[] = []): void {
    if (this.#busy || this.#gone) return
    this.#wake?.cancel()
    if (this.#releasing) return this.#letGo()
    if (this.#stale) return this.#reload()
    const now = this.#host.clock.now()
    this.#settleAll(entries, now)
    const next = this.#course.decide(entries, now)
    const departure = this.#departure(next)
    if (entries.length > 0) return this.#write(entries, next, departure, now)
    if (departure === 'ended') return this.#depart('ended')
    this.#busy = true
    this.#calls.make(next.calls)
    this.#busy = false
    this.#rest(next)
  }

  /** Turns what the calls did into entries. */
  #settleAll(entries: Entry[], now: number): void {
    if (this.#settled.length === 0) return
    this.#writing = this.#settled
    this.#settled = none
    this.#course.settle(entries, this.#writing, now)
  }

  #departure(next: Next): Departure | undefined {
    if (isEnded(this.state)) return 'ended'
    const idle = this.#calls.size === 0 && next.calls.length === 0
    return idle && next.wakeAt !== Number.POSITIVE_INFINITY ? 'parked' : undefined
  }

  /** Nothing to write and nothing to call: until a call settles, or it is time. */
  #rest(next: Next): void {
    if (this.#gone || this.#busy) return
    if (this.#settled.length > 0 || this.#stale) return this.#advance()
    if (next.wakeAt !== Number.POSITIVE_INFINITY) {
      this.#wake = this.#host.clock.timer(next.wakeAt - this.#host.clock.now(), () => this.#advance())
    }
  }

  // Writing

  #write(entries: readonly Entry[], next: Next, departure: Departure | undefined, now: number): void {
    this.#busy = true
    const folded = fold(this.tail, entries)
    // A copy is exactly as long as it must be: a store in memory keeps it.
    const tail = { seq: this.tail.seq + (folded ? 0 : 1), at: now, entries: folded ?? entries.slice() }
    const summary = this.#summarise(entries, next, departure, now)
    const append: AppendWrite = {
      type: 'append',
      n: this.n,
      token: this.token,
      seq: tail.seq,
      at: now,
      entries: tail.entries,
      replace: folded !== undefined,
    }
    const write = summary ? { summary, keys: this.state.keys, ...append } : append
    this.#host.commits.add(write, (result, error) => {
      if (this.#gone) return
      if (!result) return this.lose(error?.message ?? 'the store is closed')
      if (result.type !== 'applied') return this.#notWritten(result, departure)
      this.tail = tail
      this.#inherited = false
      this.#unsure = false
      this.#writing = none
      this.#host.recorded(this, entries, now)
      if (summary) this.#summarised(summary, entries)
      this.#written(next, departure)
    })
    if (departure) this.#host.leaving(this)
  }

  #summarised(summary: Summary, entries: readonly Entry[]): void {
    const alarm = summary.stuck && !this.#summary.stuck
    this.#summary = summary
    const failure = alarm && entries.find((entry) => entry.type === 'failed' && entry.stuck)
    if (failure && failure.type === 'failed') this.#host.stuck(this, failure)
  }

  #written(next: Next, departure: Departure | undefined): void {
    if (departure) return this.#depart(departure)
    if (this.#releasing) return this.#letGo()
    this.#abortIfTurned()
    if (next.calls.length > 0) this.#calls.make(next.calls)
    this.#busy = false
    this.#rest(next)
  }

  #notWritten(result: Result, departure: Departure | undefined): void {
    if (departure) this.#host.staying(this)
    if (result.type === 'superseded') return this.lose('another process owns the saga')
    this.#settled = this.#writing.concat(this.#settled)
    this.#writing = none
    this.#stale = true
    if (result.type === 'refused') {
      this.#host.refused(this, result.error)
      this.#wake = this.#host.clock.timer(pauseBeforeReload, () => this.#reload())
      return
    }
    this.#reload()
  }

  /** What the row must say, or undefined where it says so already. */
  #summarise(
    entries: readonly Entry[],
    next: Next,
    departure: Departure | undefined,
    now: number,
  ): Summary | undefined {
    const { state } = this
    const { status, late } = state
    const before = this.#summary
    const maybe = before.stuck || this.#unsure || entries.some(({ type }) => type === 'failed')
    const stuck = maybe && isStuck(state)
    if (!departure && status === before.status && late === before.late && stuck === before.stuck)
      return undefined
    return {
      status,
      stage: departure === 'ended' ? 'done' : 'holding',
      stuck,
      late,
      dueIn: departure === 'parked' ? Math.max(0, next.wakeAt - now) : null,
    }
  }

  /** Reads what is stored, and goes on from there. */
  #reload(): void {
    this.#busy = true
    this.#stale = false
    this.#host.find(this.n).then(
      (saga) => this.#reloaded(saga),
      () => {
        if (this.#gone) return
        this.#wake = this.#host.clock.timer(pauseBeforeReload, () => this.#reload())
      },
    )
  }

  #reloaded(saga: StoredSaga | Tombstone | undefined): void {
    if (this.#gone) return
    const tail = saga && 'chunks' in saga ? saga.chunks.at(-1) : undefined
    if (!saga || !('chunks' in saga) || !tail || saga.token !== this.token) {
      return this.lose('another process owns the saga')
    }
    const definition = this.#host.definitionOf(saga)
    if (!definition) {
      this.#host.giveBack(saga, this.token)
      return this.lose(`this process has no definition of ${saga.definition.name}@${saga.definition.version}`)
    }
    this.#course = new Course(this.#host.clock, this.#calls, definition, replay(definition.plan, saga.chunks))
    this.tail = tail
    const { status, stage, stuck, late } = saga
    this.#summary = { status, stage, stuck, late, dueIn: null }
    this.#unsure = true
    this.#abortIfTurned()
    this.#busy = false
    // An intent that landed though its write was answered with a conflict has no call here: it is in doubt.
    this.#advance(this.#orphans())
  }

  /** Attempts that are open in what is stored, and that nobody here makes. */
  #orphans(): Entry[] {
    const now = this.#host.clock.now()
    const entries: Entry[] = []
    if (this.#inherited) {
      this.#course.inherit(entries, now)
      return entries
    }
    const known = (attempt: Attempt): boolean =>
      this.#calls.has(attempt.direction, attempt.step) ||
      this.#settled.some((settled) => 'attempt' in settled && settled.attempt.step === attempt.step)
    const orphans = openAttempts(this.state).filter((attempt) => !known(attempt))
    const released = orphans.map((attempt): Settled => ({ attempt, result: { is: 'released' } }))
    this.#course.settle(entries, released, now)
    return entries
  }

  settled(settled: Settled): void {
    if (this.#settled === none) this.#settled = [settled]
    else this.#settled.push(settled)
    this.#advance()
  }

  /** Cancelled, or past its deadline: what is still being called is told. A failed step does not abort its siblings. */
  #abortIfTurned(): void {
    const reason = this.state.wayBack?.reason
    if (reason === 'cancelled' || reason === 'deadline') this.#calls.abortCommits(reason)
  }

  #depart(how: Departure): void {
    this.#gone = true
    this.#wake?.cancel()
    if (how === 'lost') this.#reportUnwritten()
    else this.#calls.forsake('it has ended') // Only those of steps that were resolved by hand are still under way.
    this.#host.left(this, how)
  }

  /** A commit that succeeded, and whose success could not be written: only as a late success can it still be said. */
  #reportUnwritten(): void {
    for (const settled of [...this.#writing, ...this.#settled]) {
      if (!('attempt' in settled) || settled.attempt.direction !== 'commit') continue
      if (settled.result.is !== 'returned') continue
      const step = this.state.plan.steps[settled.attempt.step]?.name ?? ''
      this.#host.landedLate(this, step, settled.attempt.attempt, settled.result.output)
    }
  }
}

const closing = 'the process closes down'
