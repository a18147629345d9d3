/**
 * How a history has ended, and whether that is as the user says it must be.
 *
 * Invariant: what an invariant answers is never guessed at: an answer that is none is refused.
 */

import { describe } from '../../core/described-error.js'
import { BadInputError } from '../../core/errors.js'
import type { State } from '../../core/state.js'
import { errorLine } from '../../runtime/why.js'
import { patiently } from '../world.js'

export type Verdict =
  | { readonly is: 'holds' }
  /** The invariant does not hold. */
  | { readonly is: 'broken'; readonly why: string; readonly cause: unknown }
  /** It has not ended, and as far as can be seen never will. */
  | { readonly is: 'endless'; readonly why: string }

export async function judge(invariant: (end: never) => unknown, end: object): Promise<Verdict> {
  let answer: unknown
  try {
    answer = await patiently(invariant(end as never), 'explore: the invariant')
  } catch (cause) {
    if (cause instanceof BadInputError) throw cause
    const { name, message } = describe(cause)
    // An assertion speaks for itself, and in several lines.
    return {
      is: 'broken',
      why: name.startsWith('Assertion') ? message : `it threw ${name}: ${message}`,
      cause,
    }
  }
  if (answer === undefined || answer === true || answer === '') return { is: 'holds' }
  if (answer === false) return { is: 'broken', why: 'the invariant said false', cause: undefined }
  if (typeof answer === 'string') return { is: 'broken', why: answer, cause: undefined }
  throw new BadInputError(
    `explore: the invariant answered ${answer === null ? 'null' : typeof answer === 'object' ? 'an object' : `a ${typeof answer}`}, which says neither yes nor no`,
    'let it throw an assertion, or return true, false, a text that says what is wrong, or nothing',
  )
}

/** What never succeeds, of a saga that is stuck. */
export function stuckText({ plan, steps }: State): string {
  const index = steps.findIndex(
    ({ undoFailures, commitFailures }) => undoFailures.stuck || commitFailures.stuck,
  )
  const step = steps[index]
  const isBack = step?.undoFailures.stuck === true
  const failures = isBack ? step.undoFailures : step?.commitFailures
  const last = failures?.last ? `, the last one: ${errorLine(failures.last)}` : ''
  return `the ${isBack ? 'rollback' : 'commit'} of ${plan.steps[index]?.name ?? 'a step'} fails each time: ${failures?.failures ?? 0} attempts${last}`
}
