/**
 * What is sampled of a process that must stay flat, and the judgement whether it did.
 *
 * Invariant: flat means that the second half of the run needs no more than the first, its warm-up left out: medians are compared,
 * with a tolerance that is written beside each.
 */
import { readdirSync, statSync } from 'node:fs'
import { median } from '../slices.js'

export interface Sample {
  /** s since the start of the load. */
  readonly at: number
  readonly heapMb: number
  readonly rssMb: number
  readonly descriptors: number
  readonly walMb: number
  readonly timers: number
  readonly running: number
  readonly ended: number
}

export type Measured = 'heapMb' | 'rssMb' | 'descriptors' | 'walMb' | 'timers'

/** How much more the second half may need: a share of the first, and something for what is small. */
const tolerances: Readonly<Record<Measured, readonly [share: number, more: number]>> = {
  heapMb: [0.1, 2],
  rssMb: [0.1, 10],
  descriptors: [0, 2],
  walMb: [0.1, 2],
  timers: [0.2, 20],
}

export const measured = Object.keys(tolerances) as readonly Measured[]

/** Without --expose-gc the heap would show when it was last collected, and not what is held. */
export function sample(file: string, start: number, running: number, ended: number): Sample {
  if (!globalThis.gc) throw new Error('run it with --expose-gc')
  globalThis.gc()
  const { heapUsed, rss } = process.memoryUsage()
  return {
    at: Math.round((performance.now() - start) / 1_000),
    heapMb: heapUsed / 1e6,
    rssMb: rss / 1e6,
    descriptors: readdirSync('/proc/self/fd').length,
    walMb: (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) / 1e6,
    timers: process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length,
    running,
    ended,
  }
}

export interface Verdict {
  readonly what: Measured
  readonly first: number
  readonly second: number
  readonly flat: boolean
}

export function judge(samples: readonly Sample[]): Verdict[] {
  const warm = samples.slice(Math.floor(samples.length / 10))
  const half = Math.floor(warm.length / 2)
  return measured.map((what) => {
    const first = median(warm.slice(0, half).map((one) => one[what]))
    const second = median(warm.slice(half).map((one) => one[what]))
    const [share, more] = tolerances[what]
    return { what, first, second, flat: second <= first * (1 + share) + more }
  })
}
