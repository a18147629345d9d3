/**
 * What a user hands to `explore`, checked before the first history.
 *
 * Invariant: what is refused names the option and the remedy; nothing has been called by then, neither world nor saga.
 */

import { BadInputError } from '../../core/errors.js'
import type { Definition } from '../../definition/definition.js'
import { anonymous, type ListStep } from '../../definition/saga.js'
import type { JournalEntry } from '../../index.js'
import { checkNames, isDefinition } from '../../runtime/options.js'
import { freshWorld, type Resettable, said } from '../world.js'
import { parseName } from './faults.js'

/** How a history has ended, for the invariant. */
export interface End<Input, Outputs, World> {
  readonly world: World
  readonly status: 'committed' | 'rolled_back'
  /** As it was stored, and as the steps saw it. */
  readonly input: Input
  /** What the steps returned whose commit is known to have succeeded. */
  readonly outputs: Partial<Outputs>
  readonly journal: readonly JournalEntry[]
}

// biome-ignore lint/suspicious/noConfusingVoidType: what an assertion returns.
export type InvariantAnswer = boolean | string | void

interface AnyExploreOptions<Input, Outputs, World> {
  /**
   * What the steps act upon: an object with `reset()`, or a function that makes a new one for each history. It is best kept in
   * memory: it is used thousands of times.
   */
  readonly world: (Resettable & World) | (() => World | Promise<World>)
  /**
   * What must hold at the end of every history. Where it does not, it throws (an assertion), or returns `false` or a text that says
   * what is wrong; where it does, it returns `true`, nothing or an empty text.
   *
   * @example ({ world, status }) => assert.equal(world.bookings.size, status === 'committed' ? 1 : 0)
   */
  readonly invariant: (end: End<Input, Outputs, World>) => InvariantAnswer | Promise<InvariantAnswer>
  /** How many faults a history may have: 0 to 4. Default 2: faults in pairs. */
  readonly faults?: number
  /** How many histories at most; where there are more, the last level is sampled by `seed`. Default 10,000. */
  readonly histories?: number
  /** Of the sample. Default 1. */
  readonly seed?: number
  /** One history only, by the name that a report gave it. */
  readonly replay?: string
  /**
   * Also commits that land after they were given up without anybody hearing of it. No orchestrator can see these: only a
   * participant that refuses a commit after its rollback stands them (`backstep/barrier`). Default false.
   */
  readonly unseen?: boolean
}

export type ExploreOptions<Input, Outputs, World> = AnyExploreOptions<Input, Outputs, World> &
  (undefined extends Input ? { readonly input?: Input } : { readonly input: Input })

/**
 * A definition, a bare list of steps, or a function that makes either for a world. The function is called for each process of a
 * history: what only the process remembers is then forgotten when it dies, as it would be.
 */
export type Explorable<Input, Outputs, World> =
  | Definition<Input, Outputs>
  | readonly ListStep<Input>[]
  | ((world: World) => Definition<Input, Outputs> | readonly ListStep<Input>[])

/** The options of any saga, with what was left out. */
export interface Checked {
  readonly input: unknown
  readonly definitionFor: (world: unknown) => Definition
  readonly freshWorld: () => Promise<unknown>
  readonly invariant: (end: never) => unknown
  readonly faults: number
  readonly histories: number
  readonly seed: number
  readonly replay: string | undefined
  readonly unseen: boolean
}

const names = ['input', 'world', 'invariant', 'faults', 'histories', 'seed', 'replay', 'unseen'] as const

const bad = (message: string, hint: string, cause?: unknown): BadInputError =>
  new BadInputError(`explore: ${message}`, hint, cause === undefined ? {} : { cause })

/** Throws BadInputError. */
export function checkExploreOptions(saga: unknown, options: unknown): Checked {
  checkNames(options, names, 'explore')
  const { input, world, invariant, ...numbers } = options as {
    [name in (typeof names)[number]]?: unknown
  }
  if (typeof invariant !== 'function')
    throw bad(
      'there is no invariant',
      'pass what must hold at the end: { invariant: ({ world, status }) => … }',
    )
  return {
    input,
    definitionFor: definitionFor(saga),
    freshWorld: freshWorld('explore', world),
    invariant: invariant as Checked['invariant'],
    ...checkNumbers(numbers),
  }
}

function checkNumbers(
  given: {
    readonly [name in 'faults' | 'histories' | 'seed' | 'replay' | 'unseen']?: unknown
  },
): Pick<Checked, 'faults' | 'histories' | 'seed' | 'replay' | 'unseen'> {
  const { faults = 2, histories = 10_000, seed = 1, replay, unseen = false } = given
  if (replay !== undefined && (typeof replay !== 'string' || !parseName(replay)))
    throw bad('replay names no history', "pass the name that a report gave, such as replay: '4l.9b'")
  if (typeof unseen !== 'boolean') throw bad('unseen is neither true nor false', 'use true or false')
  return {
    faults: wholeNumber('faults', faults, 0, 4),
    histories: wholeNumber('histories', histories, 1, 100_000_000),
    seed: wholeNumber('seed', seed, 0, Number.MAX_SAFE_INTEGER),
    replay,
    unseen,
  }
}

function wholeNumber(name: string, value: unknown, least: number, most: number): number {
  if (Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most) return Number(value)
  throw bad(`${name} is no whole number from ${least} to ${most}`, `leave it out, or use one`)
}

function definitionFor(saga: unknown): (world: unknown) => Definition {
  if (typeof saga !== 'function') {
    const definition = toDefinition(saga)
    return () => definition
  }
  return (world) => {
    try {
      return toDefinition(saga(world))
    } catch (cause) {
      if (cause instanceof BadInputError) throw cause
      throw bad(`the function that makes the saga threw: ${said(cause)}`, 'it gets the world', cause)
    }
  }
}

function toDefinition(saga: unknown): Definition {
  if (isDefinition(saga)) return saga
  if (Array.isArray(saga)) {
    const { plan, functions } = anonymous(saga)
    // Each list that is made has a name of its own; here it must be found again by the next process.
    return { plan: { ...plan, name: 'list' }, functions, anonymous: true }
  }
  throw bad(
    'this is no saga',
    'pass what saga(…) made, a list of steps, or a function of the world that makes one',
  )
}
