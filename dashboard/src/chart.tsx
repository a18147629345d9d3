/**
 * A small chart over time: bars on top of each other, or lines.
 */
import { useState } from 'preact/hooks'
import { useWidth } from './hooks.js'
import { timeText } from './words.js'

export interface Series {
  readonly label: string
  /** The class that colours it. */
  readonly look: string
  /** null: nothing is known for that time. */
  readonly values: readonly (number | null)[]
}

interface Props {
  readonly title: string
  readonly kind: 'bars' | 'lines'
  readonly series: readonly Series[]
  readonly times: readonly number[]
  /** ms that one value stands for. */
  readonly step: number
  readonly now: number
  readonly height: number
  readonly text: (value: number) => string
}

/** A small round number times a power of ten: where an axis ends well, and so does its half. */
export function ceiling(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 3, 4, 6, 8, 10].find((one) => one * power >= value) ?? 10) * power
}

const highest = (kind: Props['kind'], series: readonly Series[], length: number): number =>
  Math.max(
    0,
    ...Array.from({ length }, (_, index) => {
      const values = series.map(({ values: all }) => all[index] ?? 0)
      return kind === 'bars' ? values.reduce((sum, one) => sum + one, 0) : Math.max(...values)
    }),
  )

export function Chart({ title, kind, series, times, step, now, height, text }: Props) {
  const [place, width] = useWidth<HTMLDivElement>()
  const [pointed, point] = useState<number | null>(null)
  const last = times.length - 1
  const shown = Math.min(pointed ?? last, last)
  const peak = highest(kind, series, times.length)
  const top = ceiling(peak)
  const slot = width / Math.max(1, times.length)
  const y = (value: number): number => height - 1 - (value / top) * (height - 12)
  const at = times[shown]
  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <span class="when">{at === undefined || pointed === null ? '' : timeText(at, now)}</span>
        {series.map(({ label, look, values }) => {
          const value = values[shown]
          return (
            <span key={label} class={`key ${look}`}>
              {label} <b>{value === null || value === undefined ? '–' : text(value)}</b>
            </span>
          )
        })}
      </figcaption>
      <div
        ref={place}
        class="plot"
        onPointerMove={(event) => point(Math.max(0, Math.min(last, Math.floor(event.offsetX / slot))))}
        onPointerLeave={() => point(null)}
      >
        {width > 0 && (
          <svg
            width={width}
            height={height}
            viewBox={`0 0 ${width} ${height}`}
            role="img"
            aria-label={`${title}, the last ${times.length} times ${step / 1_000} seconds`}
          >
            <line class="grid" x1={0} x2={width} y1={y(top)} y2={y(top)} />
            <line class="grid" x1={0} x2={width} y1={y(top / 2)} y2={y(top / 2)} />
            <line class="grid base" x1={0} x2={width} y1={height - 0.5} y2={height - 0.5} />
            {peak > 0 && (
              <text x={width} y={y(top) - 3}>
                {text(top)}
              </text>
            )}
            {kind === 'bars' ? <Bars {...{ series, slot, y, height }} /> : <Lines {...{ series, slot, y }} />}
            {pointed !== null && (
              <rect class="pointer" x={shown * slot} y={0} width={Math.max(1, slot)} height={height} />
            )}
          </svg>
        )}
      </div>
    </figure>
  )
}

interface Drawn {
  readonly series: readonly Series[]
  readonly slot: number
  readonly y: (value: number) => number
}

function Bars({ series, slot, y, height }: Drawn & { readonly height: number }) {
  const gap = slot > 4 ? 1 : 0
  const bases: number[] = []
  return (
    <>
      {series.map(({ label, look, values }) => (
        <path
          key={label}
          class={`bars ${look}`}
          d={values
            .map((value, index) => {
              const base = bases[index] ?? 0
              bases[index] = base + (value ?? 0)
              if (!value) return ''
              const [from, to] = [Math.min(height - 1, y(base)), y(base + value)]
              return `M${(index * slot).toFixed(1)} ${from.toFixed(1)}V${to.toFixed(1)}h${Math.max(0.6, slot - gap).toFixed(1)}V${from.toFixed(1)}z`
            })
            .join('')}
        />
      ))}
    </>
  )
}

function Lines({ series, slot, y }: Drawn) {
  return (
    <>
      {series.map(({ label, look, values }) => {
        let pen = 'M'
        const path = values.map((value, index) => {
          if (value === null) {
            pen = 'M'
            return ''
          }
          const move = `${pen}${((index + 0.5) * slot).toFixed(1)} ${y(value).toFixed(1)}`
          // A value by itself is a dot: a line of no length with round ends.
          const dot = pen === 'M' ? 'h0.01' : ''
          pen = 'L'
          return move + dot
        })
        return <path key={label} class={`line ${look}`} d={path.join('')} />
      })}
    </>
  )
}
