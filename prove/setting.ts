/**
 * What a seed stands for, before anything happens: how many processes, which sagas, how fast the store is.
 *
 * Invariant: each part draws from a stream of its own, so that leaving out a saga or a process changes nothing about the others.
 */
import { Dice } from './dice.js'
import type { Faults } from './faults.js'
import { type Contention, type Family, familyOf } from './shapes.js'
import type { Character } from './world.js'

export interface SagaPlan {
  readonly number: number
  readonly id: string
  readonly family: number
  readonly keys: readonly string[]
  /** ms from the beginning. */
  readonly at: number
  /** ms from submission. */
  readonly deadline: number | undefined
  readonly character: Character
}

export interface Setting {
  readonly places: number
  readonly families: readonly Family[]
  readonly sagas: readonly SagaPlan[]
  readonly lease: number
  readonly concurrency: number
  readonly latency: number
  readonly poll: number
  readonly hasSkew: boolean
  /** A dead process is known to be dead at once, by its lock. */
  readonly hasLocks: boolean
  readonly outlives: boolean
  readonly hints: boolean
  /** This family is offered by nobody until the very end. */
  readonly gone: number | undefined
}

/** What makes a history smaller. */
export interface Smaller {
  /** Only these sagas, by their numbers. */
  readonly sagas?: readonly number[] | undefined
  /** At most so many processes. */
  readonly workers?: number | undefined
  /** Only these faults. */
  readonly faults?: readonly string[] | undefined
}

const mixes: readonly (readonly Contention[])[] = [
  ['keyed'],
  ['keyed'],
  ['serial'],
  ['keyed', 'serial', 'free'],
  ['keyed', 'free'],
  ['keyed', 'keyed', 'keyed', 'serial'],
]

export function settingOf(seed: number, faults: Faults, smaller: Smaller): Setting {
  const dice = new Dice(seed, 'setting')
  const contentions = dice.pick(mixes)
  const families = Array.from({ length: dice.whole(1, 3) }, (_, i) =>
    familyOf(new Dice(seed, 'family', i), i, dice.pick(contentions)),
  )
  const pool = dice.whole(1, 5)
  const count = dice.whole(3, 14)
  const every = dice.pick([0, 10, 60, 250])
  const setting = {
    places: Math.min(dice.whole(1, 5), smaller.workers ?? 5),
    families,
    lease: dice.pick([300, 900, 900, 3_000]),
    concurrency: dice.pick([1, 2, 4, 16]),
    latency: dice.pick([0, 0, 3, 20]),
    poll: dice.pick([50, 200, 200, 1_000]),
    hasSkew: dice.chance(0.3),
    hasLocks: dice.chance(0.5),
    outlives: dice.chance(0.5),
    hints: dice.chance(0.3),
  }
  let at = 0
  const sagas: SagaPlan[] = []
  for (let number = 0; number < count; number++) {
    const own = new Dice(seed, 'saga', number)
    at += own.next() * 2 * every
    if (faults.at('idle', `s${number}`)) at += own.next() * 10_000
    sagas.push(sagaOf(own, number, Math.round(at), families, pool, faults))
  }
  const gone = faults.at('gone', 'history') ? new Dice(seed, 'gone').whole(0, families.length - 1) : undefined
  return {
    ...setting,
    gone,
    sagas: smaller.sagas ? sagas.filter(({ number }) => smaller.sagas?.includes(number)) : sagas,
  }
}

function sagaOf(
  dice: Dice,
  number: number,
  at: number,
  families: readonly Family[],
  pool: number,
  faults: Faults,
): SagaPlan {
  const id = `s${number}`
  const family = dice.whole(0, families.length - 1)
  const keys = Array.from({ length: dice.whole(0, 2) }, () => `k${dice.whole(1, pool)}`)
  const names = (families[family]?.v1.steps ?? [])
    .filter(({ pastPivot }) => !pastPivot)
    .map(({ name }) => name)
  const step = dice.pick(names)
  const direction = dice.chance(0.7) ? 'commit' : 'rollback'
  const wait = dice.pick([0, 50, 300, 2_000])
  const poison = faults.at('poison', id)
  const stuck = faults.at('stuck', id)
  const deadline = faults.at('deadline', id)
  return {
    number,
    id,
    family,
    keys,
    at,
    deadline: deadline ? wait : undefined,
    character: { ...(poison ? { poison: { step, direction } } : {}), ...(stuck ? { stuck: step } : {}) },
  }
}
