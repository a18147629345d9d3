/**
 * Slices: short runs of two things in turn, so that whatever else the machine does falls on both alike.
 *
 * Invariants
 * - While one of the two runs the other is idle: nothing of it is in flight.
 * - Neighbours are compared with each other, never one average with another.
 */

/** Runs for about so many seconds; resolves to how many a second. Nothing is in flight before or after. */
export type Slice = (seconds: number) => number | Promise<number>

export interface Pairs {
  readonly first: number
  readonly second: number
  /** The median of `second / first`, pair by pair. */
  readonly ratio: number
}

export interface Plan {
  readonly seconds: number
  readonly rounds: number
}

/**
 * They take turns: first, second, second, first, first … so that a drift favours neither.
 * Ends early when `second` answers NaN: it has nothing left to run.
 */
export async function inTurn({ seconds, rounds }: Plan, first: Slice, second: Slice): Promise<Pairs> {
  const one: number[] = []
  const two: number[] = []
  for (let round = 0; round < rounds; round++) {
    const before = round % 2 === 0 ? await first(seconds) : undefined
    const value = await second(seconds)
    if (Number.isNaN(value)) break
    two.push(value)
    one.push(before ?? (await first(seconds)))
  }
  const ratios = two.map((value, i) => value / (one[i] ?? Number.NaN))
  return { first: median(one), second: median(two), ratio: median(ratios) }
}

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** NaN where there is nothing to look at: it meets no bar. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
