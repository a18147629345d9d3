/**
 * A tiny synchronous executor: decide, write the intents, call, settle, write. What the runtime does, without time or I/O.
 *
 * Invariants
 * - A moment is immutable: everything that is durable, everything that is under way, and the world outside.
 * - Every write is checked: what is stored gives the live state. Where a chunk was overwritten, it is replayed upon the state before
 *   it; and at every end and every takeover the whole journal is replayed.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Call, type Decision, decide, intentOf } from '#dist/core/decide.js'
import type { Chunk, Entry } from '#dist/core/entry.js'
import { begin, evolve } from '#dist/core/evolve.js'
import { fold } from '#dist/core/fold.js'
import type { Plan } from '#dist/core/plan.js'
import { interrupt, release, settle, settleCondition, settleVerify } from '#dist/core/settle.js'
import type { State } from '#dist/core/state.js'
import { judgeCall, judgeEnd, judgeWrite, Violation } from './laws.js'
import { change, service, type When, type World } from './world.js'

/** The functions under test. Planted bugs replace some of them. */
export const core = { begin, evolve, decide, settle, settleCondition, settleVerify, interrupt, release, fold }
export type Core = typeof core

/** A commit that was given up, by a process that still hears of it. */
export interface Ghost {
  readonly step: number
  readonly attempt: number
}

/** How often each of these may still happen. */
export interface Budget {
  readonly faults: number
  readonly kills: number
  readonly freezes: number
  readonly closes: number
  readonly cancels: number
  readonly retries: number
  readonly resolves: number
  readonly rebinds: number
}

export interface Moment {
  readonly plan: Plan
  readonly chunks: readonly Chunk[]
  readonly state: State
  /** Before the last chunk, which may yet be overwritten. */
  readonly base: State | undefined
  /** What the living process is calling. */
  readonly calls: readonly Call[]
  readonly wakeAt: number
  /** The journal has grown, and its owner has not looked yet. */
  readonly unseen: boolean
  readonly ghosts: readonly Ghost[]
  readonly world: World
  readonly now: number
  readonly left: Budget
}

export const isOver = ({ status }: State): boolean => status === 'committed' || status === 'rolled_back'

export const noBudget: Budget = {
  faults: 0,
  kills: 0,
  freezes: 0,
  closes: 0,
  cancels: 0,
  retries: 0,
  resolves: 0,
  rebinds: 0,
}

/** More decisions without a write than any saga here has need of. */
const manyDecisions = 100

/** Told of every entry, and of the states before and after it. */
export type See = (entry: Entry, before: State, after: State) => void

export class Driver {
  constructor(
    readonly core: Core,
    /** Each fact is a write of its own: a crash may come between any two. Otherwise as the runtime: all that is known is one write. */
    readonly single: boolean,
    readonly see: See = () => {},
  ) {}

  submit(plan: Plan, deadline: number | undefined, whens: readonly When[], left: Budget): Moment {
    const entry: Entry = {
      type: 'submitted',
      uid: 'u',
      input: null,
      keys: null,
      ...(deadline === undefined ? {} : { deadline }),
    }
    const chunks = [{ seq: 0, at: 0, entries: [entry] }]
    return {
      plan,
      chunks,
      state: this.replay(plan, chunks),
      base: undefined,
      calls: [],
      wakeAt: 0,
      unseen: true,
      ghosts: [],
      world: plan.steps.map((_, index) => service(whens[index])),
      now: 0,
      left,
    }
  }

  evolveAll(state: State, entries: readonly Entry[], at: number): State {
    return entries.reduce((before, entry) => this.core.evolve(before, entry, at), state)
  }

  /** The same, in sight of those who collect the transitions. */
  #stored(state: State, entries: readonly Entry[], at: number): State {
    return entries.reduce((before, entry) => {
      const after = this.core.evolve(before, entry, at)
      this.see(entry, before, after)
      return after
    }, state)
  }

  replay(plan: Plan, chunks: readonly Chunk[]): State {
    const first = chunks[0]?.entries[0]
    if (first?.type !== 'submitted') throw new Violation('the journal has no beginning', chunks)
    return chunks.reduce(
      (state, chunk) => this.evolveAll(state, chunk.entries, chunk.at),
      this.core.begin(plan, first),
    )
  }

  /** Writes `entries`, which the owner of the saga says (folding where it can), or somebody else. */
  write(moment: Moment, entries: readonly Entry[], by: 'owner' | 'other'): Moment {
    if (entries.length === 0) return moment
    const { now, chunks } = moment
    const tail = chunks.at(-1)
    const folded = by === 'owner' ? this.core.fold(tail, entries) : undefined
    const kept = folded ? chunks.slice(0, -1) : chunks
    const after = [...kept, { seq: kept.length, at: now, entries: folded ?? entries }]
    const state = this.#stored(moment.state, entries, now)
    if (folded && moment.base && !isDeepStrictEqual(this.#stored(moment.base, folded, now), state))
      throw new Violation('replaying the folded chunk gives another state', after)
    judgeWrite(moment.state, state, after)
    return { ...moment, chunks: after, state, base: folded ? moment.base : moment.state }
  }

  /** A fact by somebody else: it lands in the journal, and the owner has yet to look. */
  tell(moment: Moment, entries: readonly Entry[]): Moment {
    return { ...this.write(moment, entries, 'other'), unseen: true }
  }

  /** Says what is known, decides, writes it all down, and makes the calls. */
  advance(moment: Moment, said: readonly Entry[] = []): Moment {
    const seen = { ...moment, unseen: false }
    if (this.single && said.length > 0) return { ...this.write(seen, said, 'owner'), unseen: true }
    const entries = [...said]
    let { world } = moment
    let state = this.evolveAll(moment.state, said, moment.now)
    const say = (more: readonly Entry[]): boolean => {
      entries.push(...more)
      state = this.evolveAll(state, more, moment.now)
      return this.single && more.length > 0
    }
    for (let i = 0; i < manyDecisions; i++) {
      const decision = this.core.decide(state, moment.now)
      if (decision.do === 'end') return this.#over(this.write({ ...seen, world }, entries, 'owner'))
      if (decision.do === 'record') {
        if (say([decision.entry])) return { ...this.write(seen, entries, 'owner'), unseen: true }
        continue
      }
      const calls = decision.calls.filter((call) => !isMade(call, moment.calls))
      const asked = this.#ask(state, world, calls, moment.now)
      if (asked) {
        world = asked.world
        if (say(asked.entries)) return { ...this.write({ ...seen, world }, entries, 'owner'), unseen: true }
        continue
      }
      say(calls.filter(({ kind }) => kind !== 'verify').map((call) => intentOf(call, state)))
      return this.#call(this.write({ ...seen, world }, entries, 'owner'), calls, decision)
    }
    throw new Violation('it decides for ever', moment.chunks)
  }

  /** Asks the conditions of the steps to be called; undefined once all of them are wanted. */
  #ask(
    state: State,
    world: World,
    calls: readonly Call[],
    now: number,
  ): { entries: Entry[]; world: World } | undefined {
    for (const { conditional, step } of calls) {
      if (!conditional || world[step]?.when === 'yes') continue
      if (world[step]?.when === 'no')
        return { entries: [{ type: 'skipped', step: state.plan.steps[step]?.name ?? '' }], world }
      const when = world[step]?.when === 'throws, then no' ? 'no' : 'yes'
      const entries = this.core.settleCondition(state, step, whenThrew, now, 0)
      return { entries, world: change(world, step, { when }) }
    }
    return undefined
  }

  #call(moment: Moment, calls: readonly Call[], decision: Decision & { do: 'act' }): Moment {
    const { plan, chunks } = moment
    let { world } = moment
    for (const call of calls) {
      judgeCall(plan, chunks, world, moment.calls, call)
      if (call.kind === 'commit') world = change(world, call.step, { commits: call.attempt })
      if (call.kind === 'rollback') world = change(world, call.step, { rollbacks: call.attempt })
    }
    const made = [...moment.calls, ...calls]
    if (made.length === 0 && decision.wakeAt === Number.POSITIVE_INFINITY)
      throw new Violation('P2: it waits for nothing', chunks)
    return { ...moment, calls: made, wakeAt: decision.wakeAt, world }
  }

  #over(moment: Moment): Moment {
    this.#replayed(moment)
    judgeEnd(moment.plan, moment.state, moment.chunks, moment.world)
    return { ...moment, calls: [], wakeAt: Number.POSITIVE_INFINITY }
  }

  /** Another process goes on from what is stored. */
  recover(moment: Moment): Moment {
    const state = this.#replayed(moment)
    const fresh = { ...moment, state, calls: [], unseen: true }
    return this.advance(
      fresh,
      this.core.interrupt(state, moment.now, () => 0),
    )
  }

  #replayed({ plan, chunks, state: live }: Moment): State {
    const state = this.replay(plan, chunks)
    if (!isDeepStrictEqual(state, live))
      throw new Violation('replaying the journal gives another state', chunks)
    return state
  }
}

const isMade = (call: Call, calls: readonly Call[]): boolean =>
  calls.some((other) => other.kind === call.kind && other.step === call.step)

const whenThrew = { name: 'Error', message: 'the when threw' }
