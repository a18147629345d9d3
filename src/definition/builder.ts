/**
 * The builder behind `saga(…)`: an immutable definition to which steps can be added.
 *
 * Invariants
 * - Adding returns a new builder; the old one stays what it was, also when both go on from there.
 * - A chain of n steps costs n: builders of one chain share a track, and only a second branch copies it.
 * - Without a step it is no definition yet: reading its plan is refused.
 */
import { indexPositions, maxSteps, type Plan, type StepPlan, shapeOf } from '../core/plan.js'
import type { Definition, StepFunctions } from './definition.js'
import { article, type Options, refuse } from './lint.js'
import type { SagaHead } from './lint-saga.js'
import { type LintedStep, lintStep, type Standing } from './lint-step.js'

/** The steps of a chain of builders. Only the builder at its end may add to it. */
class Track {
  readonly names: Set<string>

  constructor(readonly steps: LintedStep[] = []) {
    this.names = new Set(steps.map((step) => step.plan.name))
  }
}

export class Builder implements Definition {
  // Declared only: a field that is not given must not exist, not even as undefined.
  declare readonly keys?: (input: never) => unknown
  declare readonly schema?: NonNullable<Definition['schema']>
  declare readonly deadline?: number
  readonly anonymous: boolean
  readonly #head: SagaHead
  readonly #track: Track
  /** How many steps of the track are this builder's. */
  readonly #count: number
  readonly #positions: number
  readonly #pastPivot: boolean
  #plan: Plan | undefined
  #functions: readonly StepFunctions[] | undefined

  private constructor(head: SagaHead, track: Track, positions: number, pastPivot: boolean) {
    this.anonymous = head.anonymous
    if (head.keys) this.keys = head.keys
    if (head.schema) this.schema = head.schema
    if (head.deadline !== undefined) this.deadline = head.deadline
    this.#head = head
    this.#track = track
    this.#count = track.steps.length
    this.#positions = positions
    this.#pastPivot = pastPivot
  }

  static begin(head: SagaHead): Builder {
    return new Builder(head, new Track(), 0, false)
  }

  get plan(): Plan {
    this.#plan ??= planOf(this.#head, this.#track.steps.slice(0, this.#count))
    return this.#plan
  }

  get functions(): readonly StepFunctions[] {
    this.#functions ??= this.#track.steps.slice(0, this.#count).map((step) => step.functions)
    return this.#functions
  }

  step(name: unknown, options: unknown): Builder {
    return this.#add([[name, options]], 'step')
  }

  /** A step of a list, which may carry its name among its options. */
  item(index: number, options: unknown): Builder {
    const name =
      typeof options === 'object' && options !== null && 'name' in options ? options.name : undefined
    return this.#add([[name ?? `step-${index + 1}`, options]], 'item')
  }

  parallel(members: unknown): Builder {
    const place = { saga: this.#head.name }
    if (typeof members !== 'object' || members === null || Array.isArray(members)) {
      return refuse(
        place,
        `.parallel takes an object, not ${article(members)}`,
        'write .parallel({ hotel: step({ … }), car: step({ … }) })',
      )
    }
    const entries = Object.entries(members as Options)
    if (entries.length === 0) {
      return refuse(place, 'a parallel group has no steps', 'remove it, or add step({ … }) to it')
    }
    return this.#add(entries, 'member')
  }

  #add(members: readonly (readonly [name: unknown, options: unknown])[], as: Standing['as']): Builder {
    const { name: saga, throws } = this.#head
    const standing = { saga, throws, as, position: this.#positions, pastPivot: this.#pastPivot }
    const added = members.map(([name, options]) => lintStep(name, options, standing))
    if (this.#count + added.length > maxSteps) {
      return refuse({ saga }, `it has more than ${maxSteps} steps`, 'split it into several sagas')
    }
    const track = this.#ownTrack()
    const twice = added.find(({ plan }) => track.names.has(plan.name))
    if (twice) {
      const place = { saga, step: twice.plan.name }
      return refuse(place, 'there is a step of this name already', 'give each step a name of its own')
    }
    for (const step of added) {
      track.names.add(step.plan.name)
      track.steps.push(step)
    }
    return new Builder(
      this.#head,
      track,
      this.#positions + 1,
      this.#pastPivot || added.some((step) => step.plan.pivot),
    )
  }

  /** The shared track if it ends here; a copy if another branch has gone on from here. */
  #ownTrack(): Track {
    return this.#track.steps.length === this.#count
      ? this.#track
      : new Track(this.#track.steps.slice(0, this.#count))
  }
}

function planOf(head: SagaHead, linted: readonly LintedStep[]): Plan {
  const { name, version, stuck } = head
  if (linted.length === 0) {
    refuse({ saga: name }, 'it has no steps', "add one: .step('name', { commit, rollback })")
  }
  const steps = linted.map((step) => step.plan)
  const positions = indexPositions(steps)
  const shape = shapeOf(positions.map((members) => members.map((index) => steps[index] as StepPlan)))
  return { name, version, shape, steps, positions, stuck }
}
