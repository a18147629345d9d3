/**
 * The axis of a timeline: where on the page a time is.
 *
 * Attempts take milliseconds, pauses minutes: true to scale, one would see nothing but pauses. So a long stretch in which nothing
 * is called is drawn shorter, with its length written in it, and each attempt gets room enough to be seen. Order and
 * simultaneity stay true for all lanes, because there is one axis. Whoever wants lengths true as well can have that.
 *
 * Invariants
 * - `at` never goes back when time goes on, and the whole span fits between 0 and the width.
 * - Of two stretches of the same kind the longer one is never drawn shorter.
 */
import type { Picture } from './model.js'

/** A stretch in which nothing is called, and which is drawn shorter than it was. */
export interface Break {
  readonly from: number
  readonly to: number
}

export interface Scale {
  readonly at: (time: number) => number
  readonly breaks: readonly Break[]
  readonly ticks: readonly Tick[]
}

export interface Tick {
  /** ms since the start. */
  readonly time: number
  readonly x: number
  /** ms between ticks of its kind: how exact it must be. */
  readonly step: number
}

interface Stretch {
  readonly from: number
  readonly to: number
  /** Something is called in it. */
  readonly busy: boolean
}

/** px that an attempt takes at least. */
const least = 9

export function scaleOf(picture: Picture, width: number, true_: boolean): Scale {
  const stretches = stretchesOf(picture)
  const widths = true_ ? trueWidths(stretches, width) : fairWidths(stretches, width)
  const shortened = true_ ? [] : shortenedOf(stretches, widths)
  const starts: number[] = []
  let x = 0
  for (const one of widths) {
    starts.push(x)
    x += one
  }
  const at = (time: number): number => {
    const index = Math.max(0, lastIndex(stretches, time))
    const stretch = stretches[index]
    if (!stretch) return 0
    const part = Math.min(1, Math.max(0, (time - stretch.from) / Math.max(1e-9, stretch.to - stretch.from)))
    return (starts[index] ?? 0) + part * (widths[index] ?? 0)
  }
  return { at, breaks: joined(shortened, picture.now), ticks: ticksOf(picture, at, width, shortened) }
}

/** The last stretch that begins at or before `time`. */
function lastIndex(stretches: readonly Stretch[], time: number): number {
  let [low, high] = [0, stretches.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((stretches[middle]?.from ?? 0) <= time) low = middle
    else high = middle - 1
  }
  return low
}

/** The span, cut wherever a call begins or ends. */
function stretchesOf({ start, end, now, lanes, turns }: Picture): Stretch[] {
  const calls = lanes.flatMap(({ blocks }) =>
    blocks.filter(({ kind }) => kind === 'attempt').map(({ from, to }) => [from, to ?? now ?? end] as const),
  )
  const cuts = new Set<number>([start, end, ...calls.flat(), ...turns.map(({ at }) => at)])
  for (const { blocks } of lanes) for (const { from, to } of blocks) cuts.add(from).add(to ?? end)
  if (now !== null) cuts.add(now)
  const times = [...cuts].filter((time) => time >= start && time <= end).sort((a, b) => a - b)
  if (times.length === 1) return [{ from: start, to: start + 1, busy: false }]
  const changes = new Map<number, number>()
  for (const [from, to] of calls) {
    changes.set(from, (changes.get(from) ?? 0) + 1)
    changes.set(to, (changes.get(to) ?? 0) - 1)
  }
  let open = 0
  return times.slice(1).map((to, index) => {
    const from = times[index] ?? to
    open += changes.get(from) ?? 0
    return { from, to, busy: open > 0 }
  })
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0)

const lengthOf = ({ from, to }: Stretch): number => to - from

function trueWidths(stretches: readonly Stretch[], width: number): number[] {
  const all = sumOf(stretches.map(lengthOf))
  return stretches.map((stretch) => (width * lengthOf(stretch)) / Math.max(all, 1e-9))
}

/** Pauses count at most as much as a third of all calls together, and every call gets what it needs to be seen. */
function fairWidths(stretches: readonly Stretch[], width: number): number[] {
  const busy = sumOf(stretches.filter((stretch) => stretch.busy).map(lengthOf))
  const most = Math.max(busy / 3, busy === 0 ? Number.POSITIVE_INFINITY : 1)
  const weigh = (stretch: Stretch): number =>
    stretch.busy ? lengthOf(stretch) : softened(lengthOf(stretch), most)
  const weights = stretches.map(weigh)
  const all = sumOf(weights)
  // An instant between two calls needs less room than a call.
  const wanted = stretches.map((stretch) => (stretch.busy ? least : 3))
  const share = Math.min(1, (width * 0.7) / Math.max(1, sumOf(wanted)))
  const floors = wanted.map((floor) => floor * share)
  const rest = width - sumOf(floors)
  return weights.map((weight, index) => (floors[index] ?? 0) + (rest * weight) / Math.max(all, 1e-9))
}

/** Grows with `length`, ever more slowly beyond `most`, so that of two long pauses the longer one is still drawn longer. */
const softened = (length: number, most: number): number =>
  length <= most ? length : most * (1 + Math.log10(length / most) / 2)

/** Idle stretches that are drawn at less than half of the scale of the calls. */
function shortenedOf(stretches: readonly Stretch[], widths: readonly number[]): Break[] {
  let [time, px] = [0, 0]
  stretches.forEach((stretch, index) => {
    if (!stretch.busy) return
    time += lengthOf(stretch)
    px += widths[index] ?? 0
  })
  if (time === 0) return []
  return stretches.filter(
    (stretch, index) => !stretch.busy && (widths[index] ?? 0) < (lengthOf(stretch) * px) / time / 2,
  )
}

/** Neighbours as one, but for what was and what is still to come. */
function joined(breaks: readonly Break[], now: number | null): Break[] {
  const found: Break[] = []
  for (const { from, to } of breaks) {
    const last = found.at(-1)
    if (last && last.to === from && from !== now) found[found.length - 1] = { from: last.from, to }
    else found.push({ from, to })
  }
  return found
}

const steps = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 12e5, 18e5, 36e5,
  72e5, 216e5, 432e5, 864e5, 6048e5,
]

/** px between two ticks at least: their labels must fit. */
const tickRoom = 64
/** px of a stretch that gets ticks of its own: between two breaks there may be no more than an instant. */
const leastRoom = 30
/** px of a step: what is finer gives odd numbers, and no more ticks. */
const leastStep = 13

/** ms between two times that read differently: nobody reads the seconds of a day. */
const exactness = (time: number): number =>
  time >= 864e5 ? 36e5 : time >= 36e5 ? 6e4 : time >= 6e4 ? 1_000 : 1

/** The roundest times first, then others where there is room; none inside of what is drawn shorter. */
function ticksOf(
  { start, end }: Picture,
  at: (time: number) => number,
  width: number,
  breaks: readonly Break[],
): Tick[] {
  const found: Tick[] = [{ time: 0, x: 0, step: 1 }]
  const add = (time: number, step: number): void => {
    const x = at(start + time)
    if (step < exactness(time) || x > width - tickRoom) return
    if (found.every((tick) => Math.abs(tick.x - x) >= tickRoom)) found.push({ time, x, step })
  }
  const edges = [start, ...breaks.flatMap(({ from, to }) => [from, to]), end].map((time) => time - start)
  for (const step of [...steps].reverse()) {
    for (let index = 0; index < edges.length; index += 2) {
      const [from = 0, to = 0] = edges.slice(index, index + 2)
      const px = at(start + to) - at(start + from)
      if (px < leastRoom || (step * px) / (to - from) < leastStep) continue
      for (let time = Math.max(step, Math.ceil(from / step) * step); time <= to; time += step) add(time, step)
    }
  }
  return found.sort((a, b) => a.time - b.time)
}
