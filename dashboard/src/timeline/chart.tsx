/**
 * The timeline of one saga: all its steps on one axis of time.
 *
 * Commits point forward and rollbacks back. What stands in the world meanwhile is the line below a lane: solid while the step's effect
 * stands, broken while nobody knows. Dots are pauses.
 */
import type { JournalEntry, StepView } from 'backstep'
import { useMemo, useState } from 'preact/hooks'
import { safe } from '#dist/runtime/text.js'
import { useWidth } from '../hooks.js'
import { lasting, plural } from '../words.js'
import { type Attempt, type Folded, type Lane, type Picture, pictureOf } from './model.js'
import { type Scale, scaleOf } from './scale.js'
import { BlockShape, clipped, Hatch } from './shapes.js'
import { blockText, entryWords, tickText, turnText } from './words.js'

interface Props {
  readonly journal: readonly JournalEntry[]
  readonly steps: readonly StepView[]
  readonly now: number
  /** Pauses are not shortened. */
  readonly true_: boolean
}

/** px */
interface Layout {
  readonly width: number
  /** Where the axis begins and how long it is. */
  readonly left: number
  readonly span: number
  readonly top: number
  readonly lane: number
  /** From the top of a lane to the middle of its bars. */
  readonly middle: number
  readonly height: number
}

const right = 14

function layoutOf(width: number, lanes: number): Layout {
  const narrow = width < 600
  const left = narrow ? 6 : 152
  const [top, lane, middle] = [58, narrow ? 56 : 44, narrow ? 33 : 21]
  return {
    width,
    left,
    span: Math.max(80, width - left - right),
    top,
    lane,
    middle,
    height: top + lane * lanes + 8,
  }
}

export function Timeline({ journal, steps, now, true_ }: Props) {
  const [place, width] = useWidth<HTMLDivElement>()
  const picture = useMemo(() => pictureOf(journal, steps, now), [journal, steps, now])
  const blocks = useMemo(
    () => picture.lanes.flatMap((lane) => lane.blocks).sort((a, b) => a.from - b.from),
    [picture],
  )
  const [picked, pick] = useState<number | null>(null)
  const chosen = picked === null ? undefined : blocks[picked]
  const layout = layoutOf(width, picture.lanes.length)
  const move = (event: KeyboardEvent): void => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (by === undefined) return
    event.preventDefault()
    pick(Math.min(blocks.length - 1, Math.max(0, (picked ?? (by > 0 ? -1 : blocks.length)) + by)))
  }
  const point = (event: PointerEvent): void => {
    const target = event.target instanceof Element ? event.target.closest('[data-block]') : null
    if (target) pick(Number(target.getAttribute('data-block')))
  }
  return (
    <figure class="timeline">
      {/* biome-ignore lint/a11y/useSemanticElements: there is no element for a picture whose parts are read by arrow keys */}
      <div
        ref={place}
        class="canvas"
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has only a keyboard must get to it
        tabIndex={0}
        aria-label={`Timeline: ${plural(blocks.length, 'call')} of ${plural(steps.length, 'step')}. Arrow keys read them one by one.`}
        onKeyDown={move}
        onPointerOver={point}
        onPointerDown={point}
      >
        {width > 0 && <Drawing {...{ picture, layout, blocks, chosen, true_ }} />}
      </div>
      <figcaption aria-live="polite" class={chosen ? 'reading' : 'reading idle'}>
        {chosen
          ? safe(blockText(chosen, picture.now ?? picture.end))
          : 'Point at a call or tap it, or use the arrow keys, to read what it did.'}
      </figcaption>
    </figure>
  )
}

interface DrawingProps {
  readonly picture: Picture
  readonly layout: Layout
  readonly blocks: readonly (Attempt | Folded)[]
  readonly chosen: Attempt | Folded | undefined
  readonly true_: boolean
}

function Drawing({ picture, layout, blocks, chosen, true_ }: DrawingProps) {
  const scale = useMemo(() => scaleOf(picture, layout.span, true_), [picture, layout.span, true_])
  const indexes = useMemo(() => new Map(blocks.map((block, index) => [block, index])), [blocks])
  const x = (time: number): number => layout.left + scale.at(time)
  const { width, height, top, lane } = layout
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <Hatch />
      <Axis {...{ picture, layout, scale }} />
      {picture.lanes.map((one, index) => (
        <LaneShape
          key={one.step}
          y={top + index * lane}
          {...{ layout, x, chosen, indexes, lane: one, end: picture.now ?? picture.end, saga: picture }}
        />
      ))}
      <Turns {...{ picture, layout, x }} />
    </svg>
  )
}

/** Ticks, what is drawn shorter, and now. */
function Axis({ picture, layout, scale }: { picture: Picture; layout: Layout; scale: Scale }) {
  const { left, top, height } = layout
  const bottom = height - 8
  const last = scale.at(picture.now ?? picture.end)
  return (
    <g class="axis">
      {scale.breaks.map(({ from, to }) => {
        const [x, w] = [left + scale.at(from), scale.at(to) - scale.at(from)]
        return (
          <g key={from} class="break">
            <title>{`${lasting(to - from)}, drawn shorter than it was`}</title>
            <rect x={x} y={top - 8} width={Math.max(1, w)} height={bottom - top + 8} />
            {w > 46 && (picture.now === null || from < picture.now) && (
              <text x={x + w / 2} y={top - 12}>
                {lasting(to - from)}
              </text>
            )}
          </g>
        )
      })}
      {scale.ticks.map(({ time, x, step }) => (
        <g key={time}>
          <line x1={left + x} x2={left + x} y1={top - 8} y2={bottom} />
          {(x > last + 20 || x < last - (picture.now === null ? 110 : 66)) && (
            <text class="tick" x={left + x} y={12}>
              {tickText({ time, step })}
            </text>
          )}
        </g>
      ))}
      <g class={picture.now === null ? 'end' : 'now'}>
        <line x1={left + last} x2={left + last} y1={18} y2={bottom} />
        <text class="tick" x={left + last} y={12}>
          {picture.now === null ? tickText({ time: picture.end - picture.start, step: 1 }) : 'now'}
        </text>
      </g>
    </g>
  )
}

/** Facts of the saga as a whole: lines through all lanes, each with a flag where there is room for one. */
function Turns({ picture, layout, x }: { picture: Picture; layout: Layout; x: (time: number) => number }) {
  let free = -1
  const { width, height } = layout
  return (
    <g class="turns">
      {picture.turns.map(({ at, entry }, index) => {
        const text = turnText(entry)
        const room = text.length * 6.2 + 12
        const here = x(at)
        const before = here + room > width - 4
        const from = before ? here - room : here
        const fits = from >= free && from >= 0
        if (fits) free = from + room
        return (
          <g key={`${entry.seq}/${index}`} class={`turn ${entry.type}`}>
            <title>{entryWords(entry, picture.start)}</title>
            <line x1={here} x2={here} y1={fits ? 18 : 50} y2={height - 8} />
            {fits && (
              <text x={before ? here - 5 : here + 5} y={28} text-anchor={before ? 'end' : 'start'}>
                {text}
              </text>
            )}
          </g>
        )
      })}
    </g>
  )
}

interface LaneProps {
  readonly lane: Lane
  readonly saga: Picture
  readonly layout: Layout
  readonly y: number
  readonly x: (time: number) => number
  /** Until when open things are drawn. */
  readonly end: number
  readonly chosen: Attempt | Folded | undefined
  readonly indexes: ReadonlyMap<Attempt | Folded, number>
}

function LaneShape({ lane, saga, layout, y, x, end, chosen, indexes }: LaneProps) {
  const middle = y + layout.middle
  const narrow = layout.left < 100
  return (
    <g class="lane">
      <line class="ground" x1={0} x2={layout.width} y1={y + layout.lane} y2={y + layout.lane} />
      <text class="step" x={narrow ? layout.left : 0} y={narrow ? y + 16 : middle + 4}>
        <title>{lane.step}</title>
        {clipped(lane.step, narrow ? 40 : 19)}
        {lane.pivot && <tspan class="pivot"> pivot</tspan>}
      </text>
      {lane.effects.map(({ kind, from, to }) => (
        <line
          key={`${kind}${from}`}
          class={`effect ${kind}`}
          x1={x(from)}
          x2={Math.max(x(from) + 2, x(to ?? end))}
          y1={middle + 14}
          y2={middle + 14}
        />
      ))}
      {lane.pauses.map((pause) => (
        <PauseShape key={pause.from} {...{ pause, x, middle, end }} />
      ))}
      {lane.blocks.map((block) => {
        const [from, to] = [x(block.from), x(block.to ?? end)]
        const index = indexes.get(block) ?? 0
        return <BlockShape key={index} {...{ block, from, to, middle, index }} chosen={block === chosen} />
      })}
      {lane.moments.map(({ at, type, entry }) => (
        <g key={`${entry.seq}${type}`} class={`moment ${type}`}>
          <title>{entryWords(entry, saga.start)}</title>
          <path d={`M${x(at)} ${middle - 9}l9 9-9 9-9-9z`} />
          <text x={x(at)} y={middle + 4}>
            {{ late: '!', verified: '?', resolved: '✓', skipped: '–' }[type]}
          </text>
        </g>
      ))}
    </g>
  )
}

interface PauseProps {
  readonly pause: Lane['pauses'][number]
  readonly x: (time: number) => number
  readonly middle: number
  readonly end: number
}

function PauseShape({ pause: { direction, from, to, goesOn }, x, middle, end }: PauseProps) {
  const [start, due] = [x(from), x(to)]
  const now = goesOn ? Math.min(due, x(end)) : due
  const isAhead = goesOn && to > end
  const text = isAhead ? `in ${lasting(to - end)}` : goesOn ? 'due' : lasting(to - from)
  // What is still to come is said of that part only.
  const [left, right] = isAhead ? [now, due] : [start, now]
  return (
    <g class={`pause ${direction}${goesOn ? ' on' : ''}`}>
      <title>{`waited ${lasting(Math.min(to, end) - from)} for the next attempt`}</title>
      <line x1={start + 3} x2={Math.max(start + 3, now - 2)} y1={middle} y2={middle} />
      {isAhead && <line class="ahead" x1={now + 3} x2={due - 5} y1={middle} y2={middle} />}
      {goesOn && <circle cx={due} cy={middle} r={4} />}
      {right - left > text.length * 6.4 + 12 && (
        <text x={(left + right) / 2} y={middle - 6}>
          {text}
        </text>
      )}
    </g>
  )
}
