/**
 * The simulation's only reader of time and chance.
 *
 * Chance decides nothing but the default seed, the name of a run, and which process is killed when: what fails is drawn from the seed.
 */
import { randomBytes, randomInt } from 'node:crypto'

/** ms that no change of the wall clock moves. */
export const monotonic = (): number => performance.now()

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A pause that does not keep the process alive: for bounds on what should come sooner. */
export const patience = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms).unref())

/** Calls `tick` every `ms`, without keeping the process alive; returns how to stop it. */
export function every(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms).unref()
  return () => clearInterval(timer)
}

/** Short enough to be typed again. */
export const randomSeed = (): number => randomInt(1, 1_000_000)

/** Makes the saga ids of one run its own, so that many runs can share a store. */
export const randomName = (): string => randomBytes(4).toString('hex')

/** A whole number in [0, most]. */
export const randomUpTo = (most: number): number => randomInt(0, most + 1)
