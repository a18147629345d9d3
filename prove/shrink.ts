/**
 * Makes a failing history small: fewer sagas, fewer processes, fewer kinds of faults, fewer faults, as long as it breaks the same promise.
 *
 * Invariants
 * - The result fails by itself: it was run, and it can be run again by its seed and what is left.
 * - Faults are taken away by delta debugging (Zeller and Hildebrandt, 2002): halves first, single ones last.
 */
import { kindOf } from './faults.js'
import { type HistoryOptions, type Report, simulate } from './history.js'
import type { Smaller } from './setting.js'

/** So many histories are run at most: some seconds. */
const most = 600

export type Simulate = (seed: number, options: HistoryOptions) => Promise<Report>

export interface Shrunk {
  readonly report: Report
  readonly smaller: Required<Smaller>
  readonly runs: number
}

/** The promise that was broken first. */
export const promiseOf = ({ wrong }: Report): string => wrong[0]?.split(':')[0] ?? ''

/** `first` has failed. Undefined where it does not fail again: then it is not deterministic. */
export async function shrink(
  first: Report,
  options: HistoryOptions = {},
  run: Simulate = simulate,
): Promise<Shrunk | undefined> {
  const shrinking = new Shrinking(first, options, run)
  if (!(await shrinking.try({}))) return undefined
  await shrinking.kinds()
  await shrinking.sagas()
  await shrinking.workers()
  await shrinking.faults()
  await shrinking.sagas()
  return { report: shrinking.report, smaller: shrinking.smaller, runs: shrinking.runs }
}

class Shrinking {
  smaller: Required<Smaller>
  report: Report
  runs = 0
  readonly #promise: string
  readonly #options: HistoryOptions
  readonly #run: Simulate

  constructor(first: Report, options: HistoryOptions, run: Simulate) {
    this.report = first
    this.#promise = promiseOf(first)
    this.#options = { ...options, store: first.store }
    this.#run = run
    this.smaller = { sagas: first.sagas, workers: first.workers, faults: first.faults }
  }

  /** Keeps the change if the same promise is still broken. */
  async try(change: Smaller): Promise<boolean> {
    if (this.runs >= most) return false
    this.runs++
    const candidate = { ...this.smaller, ...change }
    const report = await this.#run(this.report.seed, { ...this.#options, ...candidate })
    if (!report.wrong.some((what) => what.startsWith(`${this.#promise}:`))) return false
    // What no longer happens need not be named.
    this.smaller = { ...candidate, faults: report.faults } as Required<Smaller>
    this.report = report
    return true
  }

  async kinds(): Promise<void> {
    for (const kind of new Set((this.smaller.faults ?? []).map(kindOf)))
      await this.try({ faults: (this.smaller.faults ?? []).filter((name) => kindOf(name) !== kind) })
  }

  sagas(): Promise<void> {
    return this.#minimise(
      () => this.smaller.sagas ?? [],
      (sagas) => this.try({ sagas }),
    )
  }

  faults(): Promise<void> {
    return this.#minimise(
      () => this.smaller.faults ?? [],
      (faults) => this.try({ faults }),
    )
  }

  async workers(): Promise<void> {
    while ((this.smaller.workers ?? 1) > 1 && (await this.try({ workers: (this.smaller.workers ?? 1) - 1 })));
  }

  /** Takes away parts, ever smaller ones, as long as that works. */
  async #minimise<T>(
    items: () => readonly T[],
    keep: (rest: readonly T[]) => Promise<boolean>,
  ): Promise<void> {
    for (let size = Math.ceil(items().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < items().length; ) {
        const rest = items().filter((_, i) => i < from || i >= from + size)
        if (rest.length === items().length || !(await keep(rest))) from += size
      }
    }
  }
}

/** How to see it again. */
export function replayOf({ seed, store }: Report, smaller?: Smaller): string {
  const { sagas, workers, faults } = smaller ?? {}
  return [
    `npm run prove -- --seed ${seed} --store ${store}`,
    ...(sagas ? [`--sagas ${sagas.join(',')}`] : []),
    ...(workers === undefined ? [] : [`--workers ${workers}`]),
    ...(faults ? [`--faults ${faults.length > 0 ? faults.join(',') : 'none'}`] : []),
    '--trace',
  ].join(' ')
}
