/**
 * The plot of a soak: one small picture for each thing that must stay flat, all on one axis of time, as SVG.
 *
 * Invariant: every axis begins at 0, so that what looks flat is flat.
 */
import type { Measured, Sample } from './sample.js'

const titles: Readonly<Record<Measured | 'running', string>> = {
  heapMb: 'heap after collection, MB',
  rssMb: 'memory of the process (RSS), MB',
  descriptors: 'file descriptors',
  walMb: 'write-ahead log, MB',
  timers: 'timers',
  running: 'sagas under way',
}

const panel = { width: 360, height: 110, left: 44, top: 26, gap: 26 }
const columns = 2

const number = (value: number): string =>
  value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)))

function drawPanel(what: keyof typeof titles, samples: readonly Sample[], index: number): string {
  const { width, height, left, top, gap } = panel
  const x0 = left + (index % columns) * (width + left)
  const y0 = top + Math.floor(index / columns) * (height + top + gap)
  const end = samples.at(-1)?.at ?? 1
  const most = Math.max(1, ...samples.map((one) => one[what])) * 1.15
  const points = samples.map(
    (one) =>
      `${(x0 + (one.at / end) * width).toFixed(1)},${(y0 + height * (1 - one[what] / most)).toFixed(1)}`,
  )
  const minutes = Math.round(end / 60)
  return [
    `<text class="title" x="${x0}" y="${y0 - 8}">${titles[what]}</text>`,
    `<path class="axis" d="M${x0} ${y0}v${height}h${width}"/>`,
    `<polyline class="line" points="${points.join(' ')}"/>`,
    `<text class="tick" x="${x0 - 6}" y="${y0 + 8}" text-anchor="end">${number(most)}</text>`,
    `<text class="tick" x="${x0 - 6}" y="${y0 + height}" text-anchor="end">0</text>`,
    `<text class="tick" x="${x0 + width}" y="${y0 + height + 14}" text-anchor="end">${minutes} min</text>`,
  ].join('\n')
}

/** `caption` says what ran. */
export function plot(samples: readonly Sample[], caption: string): string {
  const names = Object.keys(titles) as (keyof typeof titles)[]
  const rows = Math.ceil(names.length / columns)
  const width = columns * (panel.width + panel.left) + 20
  const height = rows * (panel.height + panel.top + panel.gap) + 20
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${caption}">
<style>
text{font:11px system-ui,sans-serif;fill:#333}.title{font-weight:600}.tick{fill:#777}
.axis{fill:none;stroke:#bbb}.line{fill:none;stroke:#2563eb;stroke-width:1.5}
@media (prefers-color-scheme:dark){text{fill:#ddd}.tick{fill:#999}.axis{stroke:#555}.line{stroke:#7aa2ff}}
</style>
${names.map((what, index) => drawPanel(what, samples, index)).join('\n')}
<text class="tick" x="${panel.left}" y="${height - 8}">${caption}</text>
</svg>
`
}
