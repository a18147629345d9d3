/**
 * The world outside of Backstep: what really took effect at the services, whatever the saga believes.
 *
 * Invariants
 * - The services are the least helpful that a user may bring: they tell a repeated call by its key, and nothing more.
 *   A rollback that was called before with the same key does nothing, also if the commit landed in between;
 *   a commit that lands after its rollback takes effect.
 * - `unsure` is kept here on its own, by what the calls did: true as long as an effect may stand that no rollback has taken back.
 */
export interface Service {
  readonly effect: boolean
  readonly unsure: boolean
  /** It answered `never`: it refuses the commit from now on. */
  readonly refuses: boolean
  /** Rounds whose rollback it has carried out. */
  readonly undone: readonly number[]
  /** Numbers of the last attempts that reached it. */
  readonly commits: number
  readonly rollbacks: number
  /** What its `when` answers next. */
  readonly when: When
}

export type When = 'yes' | 'no' | 'throws' | 'throws, then no'

/** By the index of the step. */
export type World = readonly Service[]

export const service = (when: When = 'yes'): Service => ({
  effect: false,
  unsure: false,
  refuses: false,
  undone: [],
  commits: 0,
  rollbacks: 0,
  when,
})

export const change = (world: World, index: number, to: Partial<Service>): World =>
  world.map((one, i) => (i === index ? { ...one, ...to } : one))

/** The commit takes effect, unless the service refuses it. */
export function land(world: World, index: number): World {
  const refused = world[index]?.refuses === true
  return refused ? world : change(world, index, { effect: true, unsure: true })
}

/** The rollback takes effect, unless it was carried out before under the same key. */
export function undo(world: World, index: number, round: number): World {
  const undone = world[index]?.undone ?? []
  return undone.includes(round) ? world : change(world, index, { effect: false, undone: [...undone, round] })
}
