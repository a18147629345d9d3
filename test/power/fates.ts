/**
 * How the power goes, drawn from a seed: nothing of what is not durable is there, all of it, only the first or the last write of
 * each file, or any of them, whole or torn.
 */
import type { Fate } from './disk.js'
import type { Random } from './random.js'

export const hows = ['nothing', 'everything', 'first', 'last', 'some'] as const
export type How = (typeof hows)[number]

/** Mostly `some`: it has by far the most images. */
export const drawHow = (random: Random): How =>
  random.pick(['nothing', 'everything', 'first', 'last', 'some', 'some', 'some', 'some', 'some', 'some'])

export function fateOf(how: How, random: Random): Fate {
  const growth = random.pick<'none' | 'zeros' | 'junk'>(['none', 'zeros', 'junk'])
  const kept = random.pick([0.15, 0.5, 0.85])
  const torn = random.pick([0, 0.2, 0.6])
  const one = (isIt: boolean): 'kept' | 'lost' | 'torn' =>
    !isIt ? 'lost' : random.chance(0.3) ? 'torn' : 'kept'
  const writes: Record<How, Fate['write']> = {
    nothing: () => 'lost',
    everything: () => 'kept',
    first: (index) => one(index === 0),
    last: (index, count) => one(index === count - 1),
    some: () => (random.chance(torn) ? 'torn' : random.chance(kept) ? 'kept' : 'lost'),
  }
  const isExtreme = how === 'nothing' || how === 'everything'
  return {
    write: writes[how],
    sector: () => (isExtreme ? how === 'everything' : random.chance(0.5)),
    growth: () => (isExtreme ? 'none' : growth),
    truncation: () => (isExtreme ? how === 'everything' : random.chance(0.5)),
    names: (count) => (isExtreme ? (how === 'everything' ? count - 1 : 0) : random.below(count)),
    namesInOrder: isExtreme || random.chance(0.5),
  }
}
