/**
 * The shapes of calls. Commits point to the right, rollbacks to the left; what failed has a cross, what is in doubt is hatched and has
 * a broken edge; many failures in one entry are a pile. So nobody has to tell colours apart.
 */
import type { Attempt, Folded } from './model.js'

/** Half the height of a bar, px. */
const half = 9

export const Hatch = () => (
  <defs>
    <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect class="paper" width="6" height="6" />
      <rect class="ink" width="2.5" height="6" />
    </pattern>
  </defs>
)

export function clipped(text: string, most: number): string {
  const characters = [...text.replace(/\s+/g, ' ')]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}

/** A bar with a point at the side that it goes to. */
function arrow(from: number, to: number, middle: number, forward: boolean): string {
  const head = Math.min(7, (to - from) / 2)
  const [tail, neck, tip] = forward ? [from, to - head, to] : [to, from + head, from]
  const [above, below] = [middle - half, middle + half]
  return `M${tail} ${above}H${neck}L${tip} ${middle}L${neck} ${below}H${tail}z`
}

interface Props {
  readonly block: Attempt | Folded
  readonly from: number
  readonly to: number
  readonly middle: number
  readonly index: number
  readonly chosen: boolean
}

export function BlockShape({ block, from, to: given, middle, index, chosen }: Props) {
  const to = Math.max(given - 1, from + 5)
  const forward = block.direction === 'commit'
  const look = block.kind === 'folded' ? `folded ${foldedLook(block)}` : block.end
  return (
    <g class={`block ${block.direction} ${look}${chosen ? ' chosen' : ''}`} data-block={index}>
      {/* Easier to hit than a bar that is five pixels wide. */}
      <rect class="target" x={from - 3} y={middle - 15} width={to - from + 6} height={30} />
      {block.kind === 'folded' && <Pile {...{ from, to, middle }} />}
      <path class="bar" d={arrow(from, to, middle, forward)} />
      <Inside {...{ block, from, to, middle }} />
    </g>
  )
}

const foldedLook = ({ entry, doubt }: Folded): string =>
  entry.type === 'pending' ? 'pending' : doubt ? 'in_doubt' : ''

function Pile({ from, to, middle }: Pick<Props, 'from' | 'to' | 'middle'>) {
  return (
    <path
      class="pile"
      d={`M${from + 3} ${middle - half - 2}H${to - 3}M${from + 6} ${middle - half - 4.5}H${to - 6}`}
    />
  )
}

function Inside({ block, from, to, middle }: Pick<Props, 'block' | 'from' | 'to' | 'middle'>) {
  const centre = (from + to) / 2 + (block.direction === 'commit' ? -2 : 2)
  const room = to - from
  if (block.kind === 'folded') {
    const text = `×${block.count}`
    return room > text.length * 7 + 10 ? (
      <text x={centre} y={middle + 4}>
        {text}
      </text>
    ) : null
  }
  if (block.end === 'rejected' || (block.end === 'in_doubt' && block.direction === 'rollback')) {
    const size = Math.min(3.5, room / 4)
    return (
      <path
        class="cross"
        d={`M${centre - size} ${middle - size}l${2 * size} ${2 * size}m0 ${-2 * size}l${-2 * size} ${2 * size}`}
      />
    )
  }
  if (block.end === 'in_doubt' && room > 12)
    return (
      <text class="question" x={centre} y={middle + 4.5}>
        ?
      </text>
    )
  return block.attempt > 1 && room > 26 ? (
    <text x={centre} y={middle + 4}>
      {block.attempt}
    </text>
  ) : null
}
