/**
 * Matchers for Vitest and Jest, whose `expect.extend` take the same ones: `expect.extend(sagaMatchers)`.
 *
 * Invariants
 * - Neither is imported, nor its types: a project with one of them, or with none, compiles and runs.
 * - All of them wait, so all of them are awaited.
 */

import type { Direction } from '../core/entry.js'
import { BadInputError } from '../core/errors.js'
import { lookerOf } from '../runtime/handle.js'
import type { JournalEntry } from '../runtime/view.js'
import { journalText } from './ended.js'
import {
  actualOf,
  type ExpectOptions,
  judgeCommitted,
  judgeRolledBack,
  messageOf,
  type RolledBackOptions,
  type Verdict,
} from './expect.js'

/**
 * What `expect(…)` can do once it knows `sagaMatchers`. Told to TypeScript in one line, for Vitest or for Jest:
 *
 * @example
 * declare module 'vitest' { interface Matchers<T> extends SagaMatchers {} }
 * @example
 * declare module 'expect' { interface Matchers<R, T> extends SagaMatchers {} }
 */
export interface SagaMatchers {
  /** The saga (an outcome, a handle, a promise of one, or that of `run`) has committed. @example await expect(trip).toBeCommitted() */
  toBeCommitted(options?: ExpectOptions): Promise<void>
  /** It has been rolled back. @example await expect(trip).toBeRolledBack({ step: 'payment', reason: 'rejected' }) */
  toBeRolledBack(options?: RolledBackOptions): Promise<void>
  /**
   * So many calls of a step, by the saga's handle or its journal; without `times`: at least one.
   *
   * @example await expect(trip).toHaveCalled('rollback', 'flight', 1)
   * @example await expect(await orchestrator.journal('order-7')).not.toHaveCalled('commit', 'payment')
   */
  toHaveCalled(direction: Direction, step: string, times?: number): Promise<void>
}

/** What a matcher answers, to Vitest as to Jest. */
export interface MatcherAnswer {
  readonly pass: boolean
  readonly message: () => string
  readonly actual?: unknown
  readonly expected?: unknown
}

export const sagaMatchers = {
  async toBeCommitted(given: unknown, options?: ExpectOptions): Promise<MatcherAnswer> {
    return answer(await judgeCommitted({ given }, options), 'not to be committed')
  },

  async toBeRolledBack(given: unknown, options?: RolledBackOptions): Promise<MatcherAnswer> {
    const { reason, step } = options ?? {}
    const by = `${step === undefined ? '' : ` by step ${step}`}${reason === undefined ? '' : ` for the reason ${reason}`}`
    return answer(await judgeRolledBack({ given }, options), `not to be rolled back${by}`)
  },

  async toHaveCalled(
    given: unknown,
    direction: Direction,
    step: string,
    times?: number,
  ): Promise<MatcherAnswer> {
    if (direction !== 'commit' && direction !== 'rollback')
      throw new BadInputError(`a step has no ${String(direction)}`, "name 'commit' or 'rollback'")
    if (times !== undefined && !(Number.isSafeInteger(times) && times >= 0))
      throw new BadInputError(`it cannot be called ${times} times`, 'give a whole number, or none')
    const journal = await journalOf(given, step)
    const calls = callsOf(journal, direction, step)
    const wanted = times === undefined ? 'at least once' : often(times)
    const message = (not: string): string =>
      [
        `expected the ${direction} of ${step} ${not}to have been called ${wanted}, and it was called ${often(calls)}`,
        '  journal:',
        journalText(journal).replace(/^/gm, '    '),
      ].join('\n')
    const pass = times === undefined ? calls > 0 : calls === times
    return {
      pass,
      message: () => message(pass ? 'not ' : ''),
      ...(times === undefined ? {} : { actual: calls, expected: times }),
    }
  },
}

async function answer(verdict: Verdict, not: string): Promise<MatcherAnswer> {
  const text = await messageOf(verdict, not)
  return {
    pass: verdict.complaint === undefined,
    message: () => text,
    actual: actualOf(verdict.ended),
    expected: verdict.expected,
  }
}

const often = (times: number): string =>
  times === 0 ? 'never' : times === 1 ? 'once' : times === 2 ? 'twice' : `${times} times`

/** Of a handle's saga, or as it is given. A step that the saga does not have was never called: more likely it is misspelt. */
async function journalOf(given: unknown, step: string): Promise<readonly JournalEntry[]> {
  const settled = await given
  if (Array.isArray(settled)) return settled
  const looker = typeof settled === 'object' && settled !== null ? lookerOf(settled) : undefined
  const id = looker && (settled as { readonly id: string }).id
  const [view, journal] = id === undefined ? [] : await Promise.all([looker?.get(id), looker?.journal(id)])
  if (!view || !journal) {
    throw new BadInputError(
      'there is no journal of calls in it',
      'pass the handle of a saga that is not pruned, or what orchestrator.journal(id) returned',
    )
  }
  const names = view.steps.map(({ name }) => name)
  if (names.includes(step)) return journal
  throw new BadInputError(`saga ${view.id} has no step ${step}`, `it has: ${names.join(', ')}`)
}

/** The attempts of one direction are numbered through, also over rounds, and the last number survives every fold. */
function callsOf(journal: readonly JournalEntry[], direction: Direction, step: string): number {
  const attempts = journal.map((entry) =>
    'attempt' in entry && entry.step === step && directionOf(entry) === direction ? entry.attempt : 0,
  )
  return Math.max(0, ...attempts)
}

const directionOf = (entry: JournalEntry): Direction =>
  'direction' in entry ? entry.direction : entry.type === 'rolled_back' ? 'rollback' : 'commit'
