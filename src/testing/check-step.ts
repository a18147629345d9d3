/**
 * checkStep: whether one commit and its rollback are what a saga needs of them.
 *
 * Invariants
 * - Each property is tried on a fresh world, and all are tried: one that fails hides no other.
 * - A property is judged by what the world shows (`state`), never by what the functions say.
 */
import { BackstepError, BadInputError } from '../core/errors.js'
import { storable } from '../core/json.js'
import { isPending } from '../definition/answers.js'
import type { Definition, StepFunctions } from '../definition/definition.js'
import { anonymous, type ListStep } from '../definition/saga.js'
import type { Member, StepOptions } from '../definition/step.js'
import { commitKeyOf, rollbackKeyOf } from '../runtime/context.js'
import { silent } from '../runtime/log.js'
import { checkNames, isDefinition } from '../runtime/options.js'
import { type PropertyName, properties, propertyNames, type Trial } from './step-properties.js'
import { freshWorld, isThenable, patiently, type Resettable, said } from './world.js'

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
  await tryOnce(step, await fresh(), given)
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

/** A commit that cannot be called at all would fail every property, for the same reason. */
async function tryOnce(
  step: unknown,
  world: unknown,
  given: AnyCheckOptions<unknown, unknown>,
): Promise<void> {
  const { step: name, functions } = functionsOf(step, world, given.step)
  try {
    await trialOf(name, functions, world, given).commit()
  } catch (cause) {
    if (cause instanceof BadInputError) throw cause
    const hint = 'give it what it needs: { input, outputs }, and a world in which it succeeds'
    throw bad(`the commit of step ${name} throws before anything can be tried: ${said(cause)}`, hint, cause)
  }
}

/** Bad input is the caller's to hear; what the step throws is a finding. */
function threw(thrown: unknown): string {
  if (thrown instanceof BadInputError) throw thrown
  return `it threw ${said(thrown)}`
}

function propertiesFor({ except = [], unseen = false }: AnyCheckOptions<unknown, unknown>): PropertyName[] {
  if (!Array.isArray(except)) throw bad('except is no list', "use except: ['others']")
  for (const name of except)
    if (!propertyNames.includes(name))
      throw bad(`there is no property ${name}`, `there are: ${propertyNames.join(', ')}`)
  const wanted = propertyNames.filter((name) => !except.includes(name) && (unseen || name !== 'refused'))
  if (wanted.length === 0) throw bad('nothing is left to check', 'leave out fewer properties')
  return wanted
}

const bad = (message: string, hint: string, cause?: unknown): BadInputError =>
  new BadInputError(`checkStep: ${message}`, hint, cause === undefined ? {} : { cause })

function functionsOf(
  given: unknown,
  world: unknown,
  name: string | undefined,
): { readonly step: string; readonly functions: StepFunctions } {
  const step = stepFor(given, world)
  if (typeof step !== 'object' || step === null)
    throw bad('this is no step', 'pass { commit, rollback }, step({…}), or a saga and the name of its step')
  if (!isDefinition(step)) {
    const [functions] = anonymous([step as ListStep<unknown>]).functions
    if (!functions?.rollback) throw withoutRollback('step')
    return { step: name ?? 'step', functions }
  }
  const { steps } = step.plan
  const names = steps.map((one) => one.name).join(', ')
  if (name === undefined && steps.length > 1)
    throw bad(`saga ${step.plan.name} has several steps`, `name one: { step: '…' }; there are: ${names}`)
  const index = name === undefined ? 0 : steps.findIndex((one) => one.name === name)
  const functions = step.functions[index]
  if (!functions) throw bad(`saga ${step.plan.name} has no step ${name}`, `it has: ${names}`)
  const own = steps[index]?.name ?? ''
  if (!functions.rollback) throw withoutRollback(own)
  return { step: own, functions }
}

function stepFor(given: unknown, world: unknown): unknown {
  if (typeof given !== 'function') return given
  try {
    return given(world)
  } catch (cause) {
    throw bad(`the function that makes the step threw: ${said(cause)}`, 'it gets the world', cause)
  }
}

const withoutRollback = (step: string): BadInputError =>
  bad(`step ${step} has no rollback`, 'there is nothing to check of a step that is never undone')

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
    return patiently(fn?.(context as never), `checkStep: a call of step ${step}`)
  }
  /** One that is still going on is called again, as often as it says so. */
  const callCommit = async (saga: string): Promise<unknown> => {
    for (let polls = 0; polls < manyPolls; polls++) {
      const answer = await call(commit, commitKeyOf(saga, step), { sagaId: saga })
      if (!isPending(answer)) return answer
    }
    throw bad(
      `the commit of step ${step} says for ever that it is still going on`,
      'let it end after some calls',
    )
  }
  return {
    commit: (saga = 'one') => callCommit(saga),
    rollback: ({ output, round = 1, saga = 'one' } = {}) => {
      const stored = storable(output)
      const known = stored.ok && stored.value !== undefined ? { output: stored.value } : {}
      return call(rollback, rollbackKeyOf(saga, step, round), {
        sagaId: saga,
        commitKey: commitKeyOf(saga, step),
        ...known,
      })
    },
    state: async () => copyOf(await stateOf(world, state)),
  }
}

const manyPolls = 100

async function stateOf(world: unknown, state: ((world: unknown) => unknown) | undefined): Promise<unknown> {
  if (!state) return world
  try {
    const shown = state(world)
    return isThenable(shown) ? await patiently(shown, 'checkStep: the function state') : shown
  } catch (cause) {
    if (cause instanceof BadInputError) throw cause
    throw bad(
      `the function state threw: ${said(cause)}`,
      'it gets the world, and returns what shows the effect',
      cause,
    )
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
