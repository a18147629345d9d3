/**
 * What a case comes to, and how it is judged.
 *
 * Invariant
 * - A bar is a comparison that was made, with the value that was measured: `met` is never set by hand.
 */

export interface Bar {
  readonly what: string
  readonly bar: string
  readonly value: number
  readonly met: boolean
}

/** One line of `--json`. A figure that a case does not measure is null. */
export interface Result {
  readonly name: string
  readonly sagasPerSecond: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly limitPerSecond: number | null
  /** The median of the ratios of neighbouring slices. */
  readonly ofLimit: number | null
  /** Processor time of all threads of the process under test, the load included. */
  readonly cpuSecondsPer1000: number | null
  readonly rssMb: number
  /** All bars in words. */
  readonly bar: string
  /** Whether all of them are met. */
  readonly met: boolean
  readonly bars: readonly Bar[]
}

export type Figures = Partial<Omit<Result, 'name' | 'bar' | 'met' | 'bars'>>

export const atLeast = (what: string, value: number, bar: number, unit = ''): Bar => ({
  what,
  bar: `${what} ≥ ${number(bar)}${unit}`,
  value: rounded(value),
  met: value >= bar,
})

export const atMost = (what: string, value: number, bar: number, unit = ''): Bar => ({
  what,
  bar: `${what} ≤ ${number(bar)}${unit}`,
  value: rounded(value),
  met: value <= bar,
})

export function resultOf(name: string, figures: Figures, bars: readonly Bar[]): Result {
  const { sagasPerSecond, p50Ms, p99Ms, limitPerSecond, ofLimit, cpuSecondsPer1000, rssMb } = figures
  return {
    name,
    sagasPerSecond: whole(sagasPerSecond),
    p50Ms: orNull(p50Ms),
    p99Ms: orNull(p99Ms),
    limitPerSecond: whole(limitPerSecond),
    ofLimit: orNull(ofLimit),
    cpuSecondsPer1000: orNull(cpuSecondsPer1000),
    rssMb: rounded(rssMb ?? process.memoryUsage.rss() / 1e6),
    bar: bars.map(({ bar }) => bar).join(', '),
    met: bars.every(({ met }) => met),
    bars,
  }
}

const whole = (value: number | null | undefined): number | null =>
  value === undefined || value === null ? null : Math.round(value)

const orNull = (value: number | null | undefined): number | null =>
  value === undefined || value === null ? null : rounded(value)

/** Four digits that mean something. */
const rounded = (value: number): number => Number(value.toPrecision(4))

const number = (value: number): string => value.toLocaleString('en')
