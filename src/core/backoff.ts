/**
 * Backoff: the growing wait between two attempts.
 *
 * Invariant: for every n ≥ 1 and random in [0, 1) the wait is finite and within [min, max].
 */
import type { Backoff } from './plan.js'

/** The last moment that a Date can name; no due time lies beyond it. */
const endOfTime = 8.64e15

/** The wait before attempt n + 1, in ms: min + random * (capped - min), where capped = min(max, min * factor^(n-1)). */
export function backoff(policy: Backoff, n: number, random: number): number {
  const { min, max, factor } = policy
  // 0 * Infinity is NaN, and a NaN timer fires at once: a wait of 0 stays 0.
  const grown = min === 0 ? 0 : min * factor ** (n - 1)
  const capped = Math.min(max, grown)
  return Math.round(min + random * (capped - min))
}

/** `at + wait`, kept within the time that can be named. */
export const later = (at: number, wait: number): number => Math.min(endOfTime, at + wait)
