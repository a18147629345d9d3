/**
 * Answers as JSON text.
 *
 * Invariants
 * - The first call returns the same copy as every duplicate will: what was stored, never what was handed in.
 * - What JSON would change in silence (a Date, a Map, NaN) is refused by its path, and the effect is taken back with it.
 */
import { BadInputError } from '../core/errors.js'
import { storable } from '../core/json.js'

/** As it is kept (null: there was nothing to keep), and as it is returned. */
export interface Answer {
  readonly text: string | null
  readonly value: unknown
}

export function encode(answer: unknown): Answer {
  const stored = storable(answer, 'answer')
  if (!stored.ok) {
    throw new BadInputError(
      `${stored.path} ${stored.reason}`,
      'return plain JSON; the effect has been taken back with it',
    )
  }
  return stored.value === undefined
    ? { text: null, value: undefined }
    : { text: JSON.stringify(stored.value), value: stored.value }
}

export const decode = (text: string | null): unknown => (text === null ? undefined : JSON.parse(text))
