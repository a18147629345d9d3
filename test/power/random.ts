/** Chance that a seed repeats. */
import { FakeClock } from 'backstep/testing'

export class Random {
  /** At least 0, less than 1. */
  readonly next: () => number

  constructor(seed: number) {
    this.next = new FakeClock({ seed }).random
  }

  /** A whole number from 0, less than `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  chance(likelihood: number): boolean {
    return this.next() < likelihood
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.below(from.length)] ?? from[0]
  }
}
