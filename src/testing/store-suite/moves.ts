/**
 * Random histories as lists of moves, drawn from a seed.
 *
 * Invariant: the same seed draws the same moves, on every machine and for ever within one version of Backstep.
 */
import { FakeClock } from '../clock.js'

export const definitions = 3
export const workers = 2
const keys = ['p', 'q', 'r', 's']
const shortest = 5
const longest = 120

/** What can happen to one saga. */
export type Change = 'end' | 'cancel' | 'stick' | 'park' | 'late' | 'rebind'

export type Move =
  | {
      readonly do: 'submit'
      readonly definition: number
      readonly keys: readonly string[] | null
      readonly start: boolean
    }
  | { readonly do: Change; readonly pick: number }
  | { readonly do: 'join'; readonly worker: number; readonly offers: readonly number[] }
  | { readonly do: 'leave'; readonly worker: number }
  | { readonly do: 'settle' }
  | { readonly do: 'claim'; readonly worker: number; readonly limit: number }

/** How often each kind of move comes, of all. */
const weights: Readonly<Record<Move['do'], number>> = {
  submit: 12,
  end: 6,
  claim: 5,
  stick: 5,
  settle: 4,
  join: 4,
  leave: 1,
  cancel: 0.5,
  park: 0.5,
  late: 0.5,
  rebind: 0.5,
}
const allWeights = Object.values(weights).reduce((sum, weight) => sum + weight, 0)

class Dice {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = new FakeClock({ seed }).random
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end)
  }

  /** Up to `most` of them, each at most once. */
  some<T>(all: readonly T[], most: number): T[] {
    const left = [...all]
    return Array.from({ length: this.below(most + 1) }, () => left.splice(this.below(left.length), 1)).flat()
  }

  kind(): Move['do'] {
    let at = this.#random() * allWeights
    for (const [kind, weight] of Object.entries(weights) as [Move['do'], number][]) {
      at -= weight
      if (at < 0) return kind
    }
    return 'settle'
  }
}

/**
 * What the sagas of one history want. In half of the histories all have keys: one without keys overlaps with nothing, so that
 * whatever takes three sagas side by side is found far less often where there are any.
 */
interface Manner {
  readonly keys: readonly string[]
  readonly isKeyed: boolean
}

export function drawMoves(seed: number): Move[] {
  const dice = new Dice(seed)
  const manner = { keys: keys.slice(0, 2 + dice.below(keys.length - 1)), isKeyed: dice.below(2) === 0 }
  return Array.from({ length: shortest + dice.below(longest - shortest + 1) }, () => drawMove(dice, manner))
}

function drawMove(dice: Dice, { keys, isKeyed }: Manner): Move {
  const kind = dice.kind()
  switch (kind) {
    case 'submit': {
      const wanted = !isKeyed && dice.below(7) === 0 ? null : dice.some(keys, 2)
      return { do: kind, definition: dice.below(definitions), keys: wanted, start: dice.below(2) === 0 }
    }
    case 'join': {
      const offers = dice.some([...Array(definitions).keys()], definitions)
      return { do: kind, worker: dice.below(workers), offers }
    }
    case 'leave':
      return { do: kind, worker: dice.below(workers) }
    case 'settle':
      return { do: kind }
    case 'claim':
      return { do: kind, worker: dice.below(workers), limit: 1 + dice.below(4) }
    default:
      return { do: kind, pick: dice.below(1_000) }
  }
}

/** One move a line, as a person reads it. */
export function movesText(moves: readonly Move[]): string {
  return moves
    .map(({ do: what, ...more }, i) => {
      const words = Object.entries(more).map(([name, value]) => `${name} ${JSON.stringify(value)}`)
      return `${String(i + 1).padStart(4)}. ${[what, ...words].join(', ')}`
    })
    .join('\n')
}
