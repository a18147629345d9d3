/**
 * What a step's functions may answer besides an output: that a commit is still going on, and what became of one in doubt.
 *
 * Invariants
 * - A pending answer is told by a brand, not by its class: a step may have loaded another copy of this package.
 */
import { type Duration, duration } from '../core/duration.js'
import { BadInputError, InDoubt } from '../core/errors.js'
import { read } from '../core/hostile.js'

const pendingBrand = Symbol.for('backstep.pending')

/** The commit is still going on: call it again, with the same key, in `checkAfter` ms. */
export interface Pending {
  readonly [pendingBrand]: true
  readonly checkAfter: number
}

/**
 * Returned by a commit: it is still going on. Nothing is held in memory; the commit is called again, with the same key.
 *
 * @example return charge.settled ? charge : pending({ checkAfter: '30s' })
 * @throws InDoubt for a bad duration: the commit may well have begun something, so its rollback must run
 */
export function pending(options: { readonly checkAfter: Duration }): Pending {
  const checkAfter = duration(options?.checkAfter, 'checkAfter of pending()', (message, hint) => {
    throw new InDoubt(message, { cause: new BadInputError(message, hint) })
  })
  return { [pendingBrand]: true, checkAfter }
}

/** True for what `pending()` returned. Never throws. */
export function isPending(value: unknown): value is Pending {
  return typeof value === 'object' && value !== null && read(value, pendingBrand) === true
}

/**
 * What `verify` answers about a commit in doubt:
 * `{ committed: output }` if it took effect, `'never'` if it did not and never will (the service refuses its key from now on),
 * `'unknown'` if the service cannot tell. Only `'never'` spares the step its rollback.
 */
export type Verdict<Output> = { readonly committed: Output } | 'never' | 'unknown'

/** Reads what `verify` returned; undefined for what is no verdict. Never throws. */
export function readVerdict(value: unknown): Verdict<unknown> | undefined {
  if (value === 'never' || value === 'unknown') return value
  if (typeof value !== 'object' || value === null) return undefined
  try {
    return 'committed' in value ? { committed: value.committed } : undefined
  } catch {
    return undefined
  }
}
