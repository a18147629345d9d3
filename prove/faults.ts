/**
 * Faults: what can go wrong in a history, how often, and whether it does this time.
 *
 * Invariants
 * - Each kind of fault at each place draws from a stream of its own, so that leaving one out changes no other draw.
 * - A fault has a name (`answer-lost/3/17`: the 18th draw of this kind in process 3). A history can be run with given ones only.
 * - The mood: each seed switches each kind on or off and picks its rate, so that rare combinations happen and none drowns
 *   the others (Groce et al., "Swarm Testing", ISSTA 2012).
 */
import { Dice, hashOf, mix } from './dice.js'

/** The usual rate of each, per draw; what a draw is stands at the place that draws. */
const rates = {
  // What the store does, per call of one process.
  'slow-write': 0.05,
  'slow-answer': 0.05,
  'slow-read': 0.05,
  'write-not-made': 0.03,
  'answer-lost': 0.03,
  'partly-written': 0.02,
  'sent-twice': 0.05,
  'sorted-by-kind': 0.2,
  'read-failed': 0.04,
  outage: 0.01,
  // What happens to a process; per call of the store, per call of a step, per quarter of a second, per life.
  'crash-before-write': 0.006,
  'crash-after-write': 0.01,
  'crash-in-call': 0.02,
  crash: 0.015,
  'crash-at-start': 0.15,
  close: 0.01,
  stop: 0.012,
  suspend: 0.012,
  'stop-after-write': 0.004,
  'suspend-after-write': 0.006,
  deploy: 0.4,
  // What services do, per call of a step.
  rejected: 0.08,
  refused: 0.03,
  'in-doubt': 0.09,
  hang: 0.04,
  late: 0.08,
  slow: 0.15,
  pending: 0.08,
  unstorable: 0.015,
  'when-threw': 0.03,
  'rollback-failed': 0.25,
  'rollback-hang': 0.04,
  'rollback-late': 0.04,
  'rollback-pending': 0.05,
  'verify-unknown': 0.4,
  // What a saga is, per saga.
  poison: 0.12,
  stuck: 0.12,
  deadline: 0.2,
  idle: 0.08,
  // What people do, per saga (`prune`: per half second).
  cancel: 0.2,
  retry: 0.25,
  resolve: 0.3,
  rebind: 0.3,
  duplicate: 0.2,
  conflict: 0.15,
  prune: 0.1,
  // Of the history as a whole: a definition that is gone until the very end.
  gone: 0.5,
} as const

export type Kind = keyof typeof rates

export const kinds = Object.keys(rates) as readonly Kind[]

/** A fault that happens. */
export class Fault {
  readonly name: string
  readonly dice: Dice

  constructor(name: string, dice: Dice) {
    this.name = name
    this.dice = dice
  }
}

/** What a seed means by itself, before anybody makes it smaller. */
export interface Mood {
  readonly rates: ReadonlyMap<Kind, number>
}

export function moodOf(seed: number): Mood {
  const dice = new Dice(seed, 'mood')
  const share = dice.pick([0.15, 0.35, 0.6])
  const chosen = new Map<Kind, number>()
  for (const kind of kinds) {
    const on = dice.chance(share)
    const strength = dice.pick([0.3, 1, 1, 2])
    if (on) chosen.set(kind, Math.min(0.6, rates[kind] * strength))
  }
  return { rates: chosen }
}

/** Of one kind at one place. */
interface Stream {
  readonly hash: number
  draws: number
}

export class Faults {
  /** Only these may happen; undefined: all. */
  readonly #only: ReadonlySet<string> | undefined
  readonly #mood: Mood
  readonly #seed: number
  readonly #streams = new Map<Kind, Map<string | number, Stream>>()
  /** What has happened. */
  readonly happened: string[] = []
  readonly counts = new Map<Kind, number>()
  /** No more faults. */
  calm = false
  onFault: (fault: Fault) => void = () => {}

  constructor(seed: number, mood: Mood, only?: readonly string[]) {
    this.#seed = seed
    this.#mood = mood
    this.#only = only && new Set(only)
  }

  /** Draws: does this kind of fault happen here, now? */
  at(kind: Kind, place: string | number): Fault | undefined {
    const rate = this.#mood.rates.get(kind)
    if (rate === undefined || this.calm) return undefined
    const stream = this.#streamOf(kind, place)
    const draw = stream.draws++
    const dice = new Dice(mix(this.#seed, draw), stream.hash)
    if (!dice.chance(rate)) return undefined
    const name = `${kind}/${place}/${draw}`
    if (this.#only && !this.#only.has(name)) return undefined
    const fault = new Fault(name, dice)
    this.happened.push(name)
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    this.onFault(fault)
    return fault
  }

  #streamOf(kind: Kind, place: string | number): Stream {
    const places = this.#streams.get(kind) ?? new Map<string | number, Stream>()
    const known = places.get(place)
    if (known) return known
    const stream = { hash: hashOf(`${kind}/${place}`), draws: 0 }
    this.#streams.set(kind, places.set(place, stream))
    return stream
  }

  /** True where this kind can happen at all. */
  may(kind: Kind): boolean {
    return this.#mood.rates.has(kind)
  }
}

export const kindOf = (name: string): Kind => name.slice(0, name.indexOf('/')) as Kind
