/**
 * Figures of the last hour of this process, in buckets of ten seconds: what the page draws.
 *
 * Invariant: bounded: so many buckets, and of each at most so many latencies, taken by chance from all of them.
 */
import type { Orchestrator } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { meter } from './meter.js'

export const bucketMs = 10_000
const buckets = 360
/** Enough for a p99 that means something. */
const sample = 500

export interface StatsBucket {
  /** When it begins, ms since 1970. */
  readonly at: number
  readonly committed: number
  readonly rolledBack: number
  readonly attempts: number
  /** Attempts that were rejected, in doubt or failed. */
  readonly failures: number
  /** From submit to end, ms; null where none was seen from its submit. */
  readonly p50: number | null
  readonly p99: number | null
}

class Bucket {
  committed = 0
  rolledBack = 0
  attempts = 0
  failures = 0
  #seen = 0
  readonly #latencies: number[] = []
  readonly at: number

  constructor(at: number) {
    this.at = at
  }

  took(ms: number): void {
    this.#seen++
    if (this.#latencies.length < sample) this.#latencies.push(ms)
    else {
      // Each of those seen so far stays with the same chance (reservoir sampling).
      const place = Math.floor(systemClock.random() * this.#seen)
      if (place < sample) this.#latencies[place] = ms
    }
  }

  get shown(): StatsBucket {
    const { at, committed, rolledBack, attempts, failures } = this
    const sorted = this.#latencies.toSorted((a, b) => a - b)
    return {
      at,
      committed,
      rolledBack,
      attempts,
      failures,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
    }
  }
}

const quantile = (sorted: readonly number[], q: number): number | null =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? null

const failed = new Set(['rejected', 'in_doubt', 'failed'])

export class Stats {
  readonly #ring: Bucket[] = []

  constructor(orchestrator: Orchestrator) {
    meter(orchestrator, {
      attempt: ({ outcome }) => {
        const bucket = this.#now()
        bucket.attempts++
        if (failed.has(outcome)) bucket.failures++
      },
      ended: ({ status, ms }) => {
        const bucket = this.#now()
        if (status === 'committed') bucket.committed++
        else bucket.rolledBack++
        if (ms !== undefined) bucket.took(ms)
      },
    })
  }

  /** The oldest first; times in which nothing happened are left out. */
  get shown(): { readonly bucketMs: number; readonly buckets: readonly StatsBucket[] } {
    const oldest = systemClock.now() - bucketMs * buckets
    return { bucketMs, buckets: this.#ring.filter(({ at }) => at > oldest).map((bucket) => bucket.shown) }
  }

  #now(): Bucket {
    const at = Math.floor(systemClock.now() / bucketMs) * bucketMs
    const last = this.#ring.at(-1)
    if (last?.at === at) return last
    const bucket = new Bucket(at)
    this.#ring.push(bucket)
    if (this.#ring.length > buckets) this.#ring.shift()
    return bucket
  }
}
