/**
 * checkStep: whether one commit and its rollback are what a saga needs of them.
 *
 * Invariants
 * - Each property is tried on a fresh world, and all are tried: one that fails hides no other.
 * - A property is judged by what the world shows (`state`), never by what the functions say.
 */
import { isDeepStrictEqual } from 'node:util'
import { BackstepError, BadInputError } from '../core/errors.js'
import { storable } from '../core/json.js'
import type { Definition, StepFunctions } from '../definition/definition.js'
import { anonymous, type ListStep } from '../definition/saga.js'
import type { Member, StepOptions } from '../definition/step.js'
import { commitKeyOf, rollbackKeyOf } from '../runtime/context.js'
import { silent } from '../runtime/log.js'
import { checkNames, isDefinition } from '../runtime/options.js'
import { freshWorld, type Resettable, said } from './world.js'

/** A step as it is written, or as a member of a parallel group. */
export type CheckableStep<Input, Outputs, Result> =
  | StepOptions<Input, Outputs, Result, boolean>
  | Member<Input, Outputs, unknown, never>

interface AnyCheckOptions<Input, World> {
  /** What the step acts upon: an object with `reset()`, or a function that makes a new one for each property. */
  readonly world: (Resettable & World) | (() => World | Promise<World>)
  /** What of the world shows the step's effect; compared deeply. Default: the world itself, as far as it can be copied. */
  readonly state?: (world: World) => unknown
  /** The outputs of the earlier steps. */
  readonly outputs?: Readonly<Record<string, unknown>>
  /** Which step, where a saga is given. */
  readonly step?: string
  /** Properties that this step need not have, by name. Say why beside it. */
  readonly except?: readonly PropertyName[]
  /** Also that a commit which arrives after its rollback is refused: what `backstep/barrier` does. Default false. */
  readonly unseen?: boolean
  readonly input?: Input
}

export type CheckStepOptions<Input, World> = AnyCheckOptions<Input, World> &
  (undefined extends Input ? unknown : { readonly input: Input })

/** One world, one step, one saga's calls of it. */
interface Trial {
  commit(saga?: string): Promise<unknown>
  /** `output` absent: the commit is in doubt. `round`: 2 where it runs again because the commit landed late. */
  rollback(given?: {
    readonly output?: unknown
    readonly round?: number
    readonly saga?: string
  }): Promise<unknown>
  /** A copy of what the world shows. */
  state(): unknown
}

interface Property {
  /** What must hold. */
  readonly says: string
  readonly hint: string
  /** A text where it does not hold. */
  readonly fails: (trial: Trial) => Promise<string | undefined>
}

const asBefore = (before: unknown, after: unknown, what: string): string | undefined =>
  isDeepStrictEqual(before, after)
    ? undefined
    : `${what} left ${show(after)}, where there was ${show(before)}`

const properties = {
  effect: {
    says: 'the commit has an effect that the world shows',
    hint: 'give `state` what the commit changes, or the step `rollback: none(…)` if it changes nothing',
    fails: async (trial) => {
      const before = trial.state()
      await trial.commit()
      return isDeepStrictEqual(before, trial.state()) ? `the world is as before: ${show(before)}` : undefined
    },
  },
  storable: {
    says: 'what the commit returns can be stored as JSON',
    hint: 'return plain data: an output that cannot be stored puts the step in doubt',
    fails: async (trial) => {
      const stored = storable(await trial.commit(), 'output')
      return stored.ok ? undefined : `${stored.path} ${stored.reason}`
    },
  },
  commitTwice: {
    says: 'a commit that is called twice with one key takes effect once',
    hint: 'remember `idempotencyKey` with the effect, and answer the second call as the first',
    fails: async (trial) => {
      const first = await trial.commit()
      const once = trial.state()
      const second = await trial.commit()
      return (
        asBefore(once, trial.state(), 'the second call') ??
        (isDeepStrictEqual(first, second)
          ? undefined
          : `it answered ${show(first)} first, and then ${show(second)}`)
      )
    },
  },
  rollback: {
    says: 'the rollback undoes the commit',
    hint: 'undo all that the commit did',
    fails: async (trial) => {
      const before = trial.state()
      const output = await trial.commit()
      await trial.rollback({ output })
      return asBefore(before, trial.state(), 'commit and rollback')
    },
  },
  rollbackInDoubt: {
    says: 'the rollback undoes the commit also without its output, when nobody knows whether it took effect',
    hint: 'find what to undo by `commitKey`: `output` is absent where the answer of the commit was lost',
    fails: async (trial) => {
      const before = trial.state()
      await trial.commit()
      await trial.rollback()
      return asBefore(before, trial.state(), 'commit and rollback without output')
    },
  },
  rollbackTwice: {
    says: 'a rollback that is called twice is as one that is called once',
    hint: 'let it succeed where there is nothing left to undo',
    fails: async (trial) => {
      const before = trial.state()
      const output = await trial.commit()
      await trial.rollback({ output })
      await trial.rollback({ output })
      return asBefore(before, trial.state(), 'the second rollback')
    },
  },
  rollbackOfNothing: {
    says: 'the rollback of a commit that never took effect does nothing, and succeeds',
    hint: 'let it succeed where there is nothing to undo: a commit in doubt may never have arrived',
    fails: async (trial) => {
      const before = trial.state()
      await trial.rollback()
      return asBefore(before, trial.state(), 'the rollback')
    },
  },
  crash: {
    says: 'a commit that is called again after a crash is undone by one rollback',
    hint: 'remember `idempotencyKey` with the effect, so that the second call adds nothing',
    fails: async (trial) => {
      const before = trial.state()
      await trial.commit()
      await trial.commit()
      await trial.rollback()
      return asBefore(before, trial.state(), 'two commits and a rollback')
    },
  },
  others: {
    says: 'the rollback leaves alone what other sagas did',
    hint: 'undo what `commitKey` did, and nothing else: never put back what was there before',
    fails: async (trial) => {
      await trial.commit('another')
      const before = trial.state()
      const output = await trial.commit()
      await trial.rollback({ output })
      const alone = asBefore(before, trial.state(), 'the rollback, with another saga done before,')
      if (alone !== undefined) return alone
      const first = await trial.commit('first')
      const second = await trial.commit('second')
      await trial.rollback({ output: first, saga: 'first' })
      await trial.rollback({ output: second, saga: 'second' })
      return asBefore(before, trial.state(), 'two sagas, rolled back in the order of their commits,')
    },
  },
  late: {
    says: 'a commit that arrives after its rollback is undone by rolling back again',
    hint: 'the second rollback has a key of its own: do not take it for the first one repeated',
    fails: async (trial) => {
      const before = trial.state()
      await trial.rollback()
      const output = await trial.commit().catch(() => undefined)
      await trial.rollback({ output, round: 2 })
      return asBefore(before, trial.state(), 'rollback, commit and rollback')
    },
  },
  refused: {
    says: 'a commit that arrives after its rollback is refused',
    hint: 'put a barrier before it: `backstep/barrier` remembers which keys were rolled back',
    fails: async (trial) => {
      const before = trial.state()
      await trial.rollback()
      await trial.commit().catch(() => {})
      return asBefore(before, trial.state(), 'the commit')
    },
  },
} as const satisfies Readonly<Record<string, Property>>

export type PropertyName = keyof typeof properties

const propertyNames = Object.keys(properties) as readonly PropertyName[]

/** What was tried of a step, and found to hold. */
export interface CheckedStep {
  readonly step: string
  readonly holds: readonly PropertyName[]
  /** All of this, to be printed. */
  readonly text: string
}

/** A commit and its rollback are not what a saga needs. Code `STEP_UNSOUND`. */
export class StepCheckError extends BackstepError {
  /** The properties that do not hold. */
  readonly fails: readonly PropertyName[]

  constructor(step: string, failures: readonly { readonly name: PropertyName; readonly why: string }[]) {
    const texts = failures.map(({ name, why }) => {
      const { says, hint } = properties[name]
      return `  ✗ ${name}: it does not hold that ${says}\n      ${why}\n      ${hint}`
    })
    super(`step ${step} is not what a saga needs:\n${texts.join('\n')}`, {
      code: 'STEP_UNSOUND',
      step,
      hint: "a property that it need not have is left out with { except: ['…'] }",
    })
    this.fails = failures.map(({ name }) => name)
  }
}

/**
 * Tests one commit and its rollback for what sagas need of them: called twice, called without an output, called for a commit that
 * never ran, arriving in the wrong order.
 *
 * @example await checkStep(flight, { input: { to: 'LIS' }, world: () => new Airline(), state: ({ seats }) => seats })
 * @example await checkStep(bookTrip, { step: 'flight', input, world })
 * @throws StepCheckError (`STEP_UNSOUND`): each property that does not hold, in words
 * @throws BadInputError for what cannot be checked: no step, a world that cannot be reset, a state that cannot be copied
 */
export async function checkStep<Input = undefined, Outputs = unknown, Result = unknown, World = unknown>(
  step:
    | CheckableStep<Input, Outputs, Result>
    | Definition<Input, unknown>
    | ((world: World) => CheckableStep<Input, Outputs, Result> | Definition<Input, unknown>),
  options: CheckStepOptions<Input, World>,
): Promise<CheckedStep> {
  checkNames(options, ['world', 'state', 'outputs', 'step', 'except', 'unseen', 'input'], 'checkStep')
  const given = options as AnyCheckOptions<unknown, unknown>
  const fresh = freshWorld('checkStep', given.world)
  const failures: { name: PropertyName; why: string }[] = []
  const wanted = propertiesFor(given)
  let name = ''
  for (const property of wanted) {
    const world = await fresh()
    const { step: own, functions } = functionsOf(step, world, given.step)
    name = own
    const why = await properties[property].fails(trialOf(own, functions, world, given)).catch(threw)
    if (why !== undefined) failures.push({ name: property, why })
  }
  if (failures.length > 0) throw new StepCheckError(name, failures)
  const text = [`step ${name}:`, ...wanted.map((property) => `  ✓ ${properties[property].says}`)].join('\n')
  return { step: name, holds: wanted, text }
}

/** Bad input is the caller's to hear; what the step throws is a finding. */
function threw(thrown: unknown): string {
  if (thrown instanceof BadInputError) throw thrown
  return `it threw ${said(thrown)}`
}

function propertiesFor({ except = [], unseen = false }: AnyCheckOptions<unknown, unknown>): PropertyName[] {
  for (const name of except)
    if (!propertyNames.includes(name))
      throw bad(`there is no property ${name}`, `there are: ${propertyNames.join(', ')}`)
  return propertyNames.filter((name) => !except.includes(name) && (unseen || name !== 'refused'))
}

const bad = (message: string, hint: string, cause?: unknown): BadInputError =>
  new BadInputError(`checkStep: ${message}`, hint, cause === undefined ? {} : { cause })

function functionsOf(
  given: unknown,
  world: unknown,
  name: string | undefined,
): { readonly step: string; readonly functions: StepFunctions } {
  const step: unknown = typeof given === 'function' ? given(world) : given
  if (typeof step !== 'object' || step === null)
    throw bad('this is no step', 'pass { commit, rollback }, step({…}), or a saga and the name of its step')
  const definition = isDefinition(step) ? step : anonymous([step as ListStep<unknown>])
  const { steps } = definition.plan
  const index = name === undefined && steps.length === 1 ? 0 : steps.findIndex((one) => one.name === name)
  const functions = definition.functions[index]
  const names = steps.map((one) => one.name).join(', ')
  if (!functions)
    throw bad(`saga ${definition.plan.name} has no step ${name ?? 'of no name'}`, `it has: ${names}`)
  if (!functions.rollback)
    throw bad(
      `step ${steps[index]?.name} has no rollback`,
      'there is nothing to check of a step that is never undone',
    )
  return { step: isDefinition(step) ? (steps[index]?.name ?? '') : (name ?? 'step'), functions }
}

function trialOf(
  step: string,
  { commit, rollback }: StepFunctions,
  world: unknown,
  { input, outputs = {}, state }: AnyCheckOptions<unknown, unknown>,
): Trial {
  const attempts = new Map<string, number>()
  const call = async (
    fn: ((context: never) => unknown) | undefined,
    key: string,
    more: object,
  ): Promise<unknown> => {
    const attempt = (attempts.get(key) ?? 0) + 1
    attempts.set(key, attempt)
    const { signal } = new AbortController()
    const deadline = Number.MAX_SAFE_INTEGER
    const context = {
      input,
      outputs,
      step,
      attempt,
      idempotencyKey: key,
      token: 1,
      signal,
      deadline,
      log: silent,
      ...more,
    }
    return fn?.(context as never)
  }
  return {
    commit: (saga = 'one') => call(commit, commitKeyOf(saga, step), { sagaId: saga }),
    rollback: ({ output, round = 1, saga = 'one' } = {}) => {
      const stored = storable(output)
      const known = stored.ok && stored.value !== undefined ? { output: stored.value } : {}
      return call(rollback, rollbackKeyOf(saga, step, round), {
        sagaId: saga,
        commitKey: commitKeyOf(saga, step),
        ...known,
      })
    },
    state: () => copyOf(state ? state(world) : world),
  }
}

function copyOf(state: unknown): unknown {
  try {
    return structuredClone(state)
  } catch (cause) {
    throw bad(
      'the state of the world cannot be copied',
      'give { state: (world) => … } that returns plain data',
      cause,
    )
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_, inner: unknown) =>
    inner instanceof Map ? Object.fromEntries(inner) : inner instanceof Set ? [...inner] : inner,
  )
  return text === undefined ? 'nothing' : text.length > 120 ? `${text.slice(0, 119)}…` : text
}
