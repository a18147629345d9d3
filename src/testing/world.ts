/**
 * The world of a test: what a saga's steps act upon, fresh each time; and patience with what users write.
 *
 * Invariants
 * - Whatever of the user's is waited for has a bound in real time: a test that hangs says nothing.
 * - The real timers are taken when this is loaded, so that faked ones do not stop it.
 */
import { describe } from '../core/described-error.js'
import { BadInputError } from '../core/errors.js'
import { read } from '../core/hostile.js'
import { errorLine } from '../runtime/why.js'

/** A world that is used again and again: `reset` brings it back to how it was. */
export interface Resettable {
  reset(): unknown
}

/** How long anything of the user's may take in real time, in ms. */
export const patience = 5_000

const { setTimeout: setTimer, clearTimeout: clearTimer } = globalThis

/** What `given` resolves to; BadInputError if it has not settled for seconds. */
export async function patiently<T>(given: T | PromiseLike<T>, what: string): Promise<T> {
  if (!isThenable(given)) return given as T
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<never>((_, reject) => {
    const error = new BadInputError(
      `${what} has not settled for ${patience / 1_000} s`,
      'keep the world in memory, without timers; what hangs on purpose need not be written, since that is one of the faults',
    )
    timer = setTimer(() => reject(error), patience)
  })
  try {
    return await Promise.race([given, tooLong])
  } finally {
    clearTimer(timer)
  }
}

/** Promises of another realm, and whatever else can be awaited. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof read(value, 'then') === 'function'

/** Makes the world anew. Throws BadInputError (`where` names the function) for one that cannot be. */
export function freshWorld(where: string, world: unknown): () => Promise<unknown> {
  const isMade = typeof world === 'function'
  const resets = typeof (world as Partial<Resettable> | undefined)?.reset === 'function'
  if (!isMade && !resets)
    throw new BadInputError(
      `${where}: the world cannot be reset`,
      'pass a function that makes a new one, world: () => new World(), or an object with reset()',
    )
  return async () => {
    try {
      if (isMade) return await patiently(world(), `${where}: the function world`)
      await patiently((world as Resettable).reset(), `${where}: the reset() of the world`)
      return world
    } catch (cause) {
      if (cause instanceof BadInputError) throw cause
      const hint = isMade ? 'mend the function `world`' : 'mend its reset()'
      throw new BadInputError(`${where}: the world could not be made anew: ${said(cause)}`, hint, { cause })
    }
  }
}

/** What was thrown, in a line. */
export const said = (thrown: unknown): string => errorLine(describe(thrown))
