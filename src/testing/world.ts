/**
 * The world of a test: what a saga's steps act upon, fresh each time.
 */
import { BadInputError } from '../core/errors.js'

/** A world that is used again and again: `reset` brings it back to how it was. */
export interface Resettable {
  reset(): unknown
}

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
      if (isMade) return await world()
      await (world as Resettable).reset()
      return world
    } catch (cause) {
      const hint = isMade ? 'mend the function `world`' : 'mend its reset()'
      throw new BadInputError(`${where}: the world could not be made anew: ${said(cause)}`, hint, { cause })
    }
  }
}

/** What was thrown, in a line. */
export const said = (thrown: unknown): string =>
  thrown instanceof Error ? `${thrown.name}: ${thrown.message.split('\n')[0]}` : String(thrown)
