/**
 * The code that a process runs: which definitions it knows, with functions that reach the world.
 *
 * Invariant: two processes that know a definition of one name, version and shape have the same functions, bound to their process.
 */
import { type Definition, none, type Saga, saga, step } from 'backstep'
import type { Plan } from '#dist/core/plan.js'
import type { DefinitionRef } from '#dist/store/store.js'
import type { Told } from './calls.js'
import type { Dice } from './dice.js'
import type { Machine } from './machine.js'
import { refText } from './observer.js'
import type { Family, Spec, StepSpec } from './shapes.js'
import type { World } from './world.js'

export interface Input {
  readonly keys: readonly string[]
  readonly number: number
}

/** Which version of the program a process runs, by family: the shapes that it offers. */
export type Release = readonly Spec[]

/** Everything that any process of this history may know. */
export class Code {
  readonly families: readonly Family[]
  readonly #plans = new Map<string, Plan>()
  readonly #specs = new Map<string, Spec>()

  constructor(families: readonly Family[], world: () => World) {
    this.families = families
    for (const spec of families.flatMap(({ v1, v2, changed }) => [v1, v2, changed])) {
      const { plan } = define(spec, undefined, world)
      this.#plans.set(refText(plan), plan)
      this.#specs.set(refText(plan), spec)
    }
  }

  planOf(ref: DefinitionRef): Plan {
    const plan = this.#plans.get(refText(ref))
    if (!plan) throw new Error(`no process of this history knows ${refText(ref)}`)
    return plan
  }

  specOf(ref: DefinitionRef): Spec | undefined {
    return this.#specs.get(refText(ref))
  }

  /** What everybody should run in the end: all versions; the changed shapes need a process of their own. */
  get whole(): Release {
    return this.families.flatMap(({ v1, v2 }) => [v1, v2])
  }

  get strayed(): Release {
    return this.families.map(({ changed }) => changed)
  }

  /** A careless deploy. */
  deployed(dice: Dice): Release {
    return this.families.flatMap(({ v1, v2, changed }) =>
      dice.pick([[v1, v2], [v1], [v2], [changed], [changed, v2], [], [v1]]),
    )
  }
}

/** For a process, or (without one) only to look at. */
export function define(spec: Spec, machine: Machine | undefined, world: () => World): Definition<Input> {
  const { contention } = spec
  const keys =
    contention === 'serial' ? {} : { keys: contention === 'free' ? () => [] : (input: Input) => input.keys }
  const start = saga<Input>(spec.name, {
    version: spec.version,
    stuck: { attempts: spec.stuckAfter },
    ...keys,
  })
  // The builder's types follow literal names; these are made up.
  let built = start as unknown as Saga<Input, Input, Record<string, never>>
  const last = spec.steps.at(-1)?.position ?? 0
  for (let position = 0; position <= last; position++) {
    const members = spec.steps.filter((member) => member.position === position)
    const [first] = members
    if (!first) continue
    const made = members.map((member) => [member.name, optionsOf(spec, member, machine, world)] as const)
    const grown: unknown =
      members.length === 1
        ? built.step(first.name as never, made[0]?.[1] as never)
        : built.parallel(
            Object.fromEntries(made.map(([name, options]) => [name, step(options as never)])) as never,
          )
    built = grown as typeof built
  }
  return built
}

function optionsOf(spec: Spec, member: StepSpec, machine: Machine | undefined, world: () => World): object {
  const { attempts, min, max, timeout, throws, pivot, pastPivot, hasRollback, hasVerify, when } = member
  const at = machine as Machine
  return {
    commit: (told: Told) => world().commit(at, spec, member, told),
    ...(pastPivot
      ? {}
      : {
          rollback: hasRollback
            ? (told: Told) => world().rollback(at, member, told)
            : none('nothing to undo'),
        }),
    ...(hasVerify ? { verify: (told: Told) => world().verify(at, member, told) } : {}),
    // Not told for which saga: its input says it.
    ...(when === undefined
      ? {}
      : { when: ({ input }: { input: Input }) => world().when(`s${input.number}`, member) }),
    timeout,
    throws,
    retry: pastPivot ? { min, max } : { attempts, min, max },
    rollbackRetry: { min, max },
    ...(pivot ? { pivot } : {}),
  }
}
