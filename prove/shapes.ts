/**
 * What sagas look like in a history: shapes, policies and keys, drawn from the seed.
 *
 * Invariants
 * - A shape has 1 to 5 positions, at most one pivot, and none in a parallel group. Version 2 begins like version 1; a `changed`
 *   shape has another step under the same version.
 * - Times are short, so that a history of seconds holds many of them, and differ from shape to shape.
 */
import type { Dice } from './dice.js'

export interface StepSpec {
  readonly name: string
  readonly position: number
  readonly pivot: boolean
  readonly pastPivot: boolean
  readonly hasRollback: boolean
  readonly hasVerify: boolean
  /** `false`: its `when` says no. */
  readonly when: boolean | undefined
  readonly throws: 'rejected' | 'in_doubt'
  readonly attempts: number
  readonly min: number
  readonly max: number
  readonly timeout: number
  /** A service that remembers nothing but keys it has seen, or one behind a barrier. */
  readonly service: 'plain' | 'barrier'
}

export type Contention = 'serial' | 'keyed' | 'free'

export interface Spec {
  readonly name: string
  readonly version: string
  readonly contention: Contention
  readonly stuckAfter: number
  readonly steps: readonly StepSpec[]
}

/** The versions of one definition. */
export interface Family {
  readonly v1: Spec
  readonly v2: Spec
  /** Version 1 with another step: what a careless deploy brings. */
  readonly changed: Spec
}

const letters = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'] as const

export function familyOf(dice: Dice, index: number, contention: Contention): Family {
  const positions = dice.pick([1, 1, 2, 2, 3, 3, 4, 5])
  const pivotAt = positions > 1 && dice.chance(0.25) ? dice.whole(0, positions - 1) : -1
  const service = dice.chance(0.5) ? 'plain' : 'barrier'
  const timeout = dice.pick([40, 80, 200, 500])
  const steps: StepSpec[] = []
  for (let position = 0; position < positions; position++) {
    const pivot = position === pivotAt
    const members = !pivot && dice.chance(0.25) ? dice.whole(2, 3) : 1
    for (let member = 0; member < members; member++) {
      const name = letters[steps.length] ?? `s${steps.length}`
      steps.push(stepOf(dice, name, position, pivot, pivotAt >= 0 && position > pivotAt, service, timeout))
    }
  }
  const name = `saga-${index}`
  const v1: Spec = { name, version: '1', contention, stuckAfter: dice.pick([2, 3, 10]), steps }
  const more = stepOf(dice, 'added', positions, false, pivotAt >= 0, service, timeout)
  const last = steps.at(-1) as StepSpec
  return {
    v1,
    v2: { ...v1, version: '2', steps: [...steps, more] },
    changed: {
      ...v1,
      steps: dice.chance(0.5)
        ? [...steps.slice(0, -1), { ...last, name: 'renamed' }]
        : [
            {
              ...(steps[0] as StepSpec),
              name: 'inserted',
              pivot: false,
              pastPivot: false,
              hasRollback: true,
            },
            ...steps.map((step) => ({ ...step, position: step.position + 1 })),
          ],
    },
  }
}

function stepOf(
  dice: Dice,
  name: string,
  position: number,
  pivot: boolean,
  pastPivot: boolean,
  service: 'plain' | 'barrier',
  timeout: number,
): StepSpec {
  return {
    name,
    position,
    pivot,
    pastPivot,
    hasRollback: pastPivot ? false : dice.chance(0.92),
    hasVerify: dice.chance(0.2),
    when: dice.chance(0.15) && !pivot ? dice.chance(0.5) : undefined,
    throws: dice.chance(0.1) ? 'in_doubt' : 'rejected',
    attempts: dice.pick([1, 1, 2, 3, 5]),
    min: dice.pick([1, 5, 20]),
    max: dice.pick([30, 100, 400]),
    timeout,
    service,
  }
}
