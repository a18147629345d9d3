/**
 * All histories of a small saga: every move at every moment, to the very end.
 *
 * Invariants
 * - A moment that was reached before, in whatever way, is not explored again: what can follow is the same.
 *   Its key holds all that the future depends on: the state, the chunk that may yet be overwritten and what was before it,
 *   the calls under way, the world, the time and what may still happen.
 * - A history is a path of different moments from the submit to an end; two that pass the same moments are one.
 *   They are counted (as paths of the graph), not listed: there are far too many.
 * - A law that is broken is reported with the moves that led to it and the journal that they left.
 */
import { hash } from 'node:crypto'
import type { Plan } from '#dist/core/plan.js'
import type { State } from '#dist/core/state.js'
import { type Budget, type Core, core, Driver, isOver, type Moment, noBudget, type See } from './driver.js'
import { movesOf, type Rules } from './moves.js'
import type { When } from './world.js'

export interface Scenario extends Rules {
  readonly name: string
  readonly plan: Plan
  readonly deadline?: true
  readonly single?: true
  readonly budget: Partial<Budget>
  readonly deep?: Partial<Budget>
  /** Moves after which it counts as endless. Default: none, since the time of a test bounds it, too. */
  readonly mostMoves?: number
}

export interface Explored {
  /** Distinct histories, from the submit to an end. */
  readonly histories: number
  /** Distinct moments. */
  readonly moments: number
  /** Moves made, each with its laws judged. */
  readonly moves: number
}

/** Far beyond the time of any wait here: the deadline passes only where a move says so. */
export const farDeadline = 1_000_000

export function explore(scenario: Scenario, under: Core = core, see?: See): Explored {
  return new Explorer(scenario, new Driver(under, scenario.single === true, see)).run()
}

class Explorer {
  readonly #scenario: Scenario
  readonly #driver: Driver
  /** How many histories go on from each moment; undefined while they are being counted. */
  readonly #known = new Map<string, number | undefined>()
  readonly #trail: string[] = []
  #moves = 0

  constructor(scenario: Scenario, driver: Driver) {
    this.#scenario = scenario
    this.#driver = driver
  }

  run(): Explored {
    const { plan, deadline, budget } = this.#scenario
    let histories = 0
    for (const whens of answersOf(plan)) {
      const at = deadline ? farDeadline : undefined
      histories += this.#follow(
        () => this.#driver.submit(plan, at, whens, { ...noBudget, ...budget }),
        `when: ${whens}`,
      )
    }
    return { histories, moments: this.#known.size, moves: this.#moves }
  }

  /** How many histories go on from where `make` leads. */
  #follow(make: () => Moment, name: string, seen?: Set<string>): number {
    this.#trail.push(name)
    if (++this.#moves > (this.#scenario.mostMoves ?? Infinity)) fail('P2: it goes on for ever')
    const moment = this.#attempt(make)
    const key = keyOf(moment)
    let count = 0
    if (!seen?.has(key)) {
      seen?.add(key)
      count = this.#known.get(key) ?? this.#count(moment, key)
    }
    this.#trail.pop()
    return count
  }

  #count(moment: Moment, key: string): number {
    if (this.#known.has(key)) this.#attempt(() => fail('P2: it comes back to where it was'))
    this.#known.set(key, undefined)
    const moves = this.#attempt(() => movesOf(this.#driver, this.#scenario, moment))
    if (moves.length === 0 && !isOver(moment.state))
      this.#attempt(() => fail('P2: nothing can happen any more'))
    const seen = new Set([key])
    let count = isOver(moment.state) ? 1 : 0
    for (const { name, make } of moves) count += this.#follow(make, name, seen)
    this.#known.set(key, count)
    return count
  }

  #attempt<T>(what: () => T): T {
    try {
      return what()
    } catch (error) {
      if (!(error instanceof Error) || error.cause !== undefined) throw error
      const { name } = this.#scenario
      throw new Error(`${name}: ${this.#trail.join(' > ')}\n${error.message}`, { cause: error })
    }
  }
}

function fail(law: string): never {
  throw new Error(law)
}

/** Every way in which the conditions of a plan can answer. */
function answersOf(plan: Plan): When[][] {
  return plan.steps.reduce<When[][]>(
    (before, { conditional }) =>
      before.flatMap((whens) => (conditional ? anyAnswer : ['yes' as const]).map((when) => [...whens, when])),
    [[]],
  )
}

const anyAnswer: readonly When[] = ['yes', 'no', 'throws', 'throws, then no']

const texts = new WeakMap<State, string>()

function textOf(state: State): string {
  let text = texts.get(state)
  if (text === undefined) {
    const { plan, ...rest } = state
    text = `${plan.version} ${JSON.stringify(rest)}`
    texts.set(state, text)
  }
  return text
}

const foldable = new Set(['started', 'failed', 'pending', 'verified'])

function keyOf(moment: Moment): string {
  const { chunks, state, base, calls, wakeAt, unseen, ghosts, world, now, left } = moment
  const tail = chunks.at(-1)
  const mayFold = tail?.entries.every(({ type }) => foldable.has(type)) === true
  const overwritten = mayFold && base ? textOf(base) + JSON.stringify(tail) : ''
  // The laws read of the journal what the state may have wrong.
  const said = chunks.flatMap(({ entries }) =>
    entries.flatMap((entry) =>
      entry.type === 'skipped' ? entry.step : entry.type === 'rolling_back' ? '!' : [],
    ),
  )
  const rest = JSON.stringify([calls, wakeAt, unseen, ghosts, world, now, left, said])
  return hash('md5', textOf(state) + overwritten + rest, 'base64')
}
