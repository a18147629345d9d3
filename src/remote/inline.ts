/**
 * Sagas that bring their steps along: submitted over HTTP, and found again by any process from what is stored of them.
 *
 * Invariants
 * - The steps are stored in the saga's input, so nothing but the store is needed to go on with it after a restart.
 * - The version is a hash of names, order, groups and policies alone; addresses, headers and bodies are read from the stored input at each
 *   call. So a million sagas that differ in their data share one definition, and a process keeps as many as there are shapes.
 * - They come from outside: they see neither the environment nor any origin that is not on the list, which is asked again at each call.
 */
import { createHash } from 'node:crypto'
import type { Json } from '../core/entry.js'
import { BadInputError } from '../core/errors.js'
import { canonical, storable } from '../core/json.js'
import type { Definition } from '../definition/index.js'
import {
  buildSaga,
  compileKeys,
  type ItemFile,
  type MakeStep,
  makeStep,
  membersOf,
  type StepFile,
} from './build.js'
import { checkBy } from './check.js'
import { orDefinitionError } from './flaw.js'
import { AllowList } from './policy.js'
import { inlineSchema } from './schema.js'
import { defaultSetting, type Setting } from './setting.js'
import type { Options } from './step.js'

const check = checkBy(inlineSchema)
const prefix = 'inline-'

export interface InlineSubmission {
  readonly name: string
  /** As in a definition file. */
  readonly steps: unknown
  /** As in a definition file: templates that may name the input. */
  readonly keys?: unknown
  readonly input?: unknown
}

export interface InlineOptions {
  /** The only origins that the steps may go to. None: none. */
  readonly allow: readonly string[]
}

/** What is stored as the input of such a saga. */
interface Stored {
  readonly steps: readonly ItemFile[]
  readonly keys?: readonly string[]
  readonly input?: Json
}

/**
 * The definition of a saga that brings its steps along, and the input to submit it with.
 *
 * @example
 * const { definition, input } = inlineSaga({ name, steps, input: { to: 'LIS' } }, { allow })
 * await orchestrator.submit(definition, input, { id })
 * @throws DefinitionError (`BAD_DEFINITION`) naming the place: `steps[1].commit.url`; BadInputError for input that cannot be stored
 */
export function inlineSaga(
  { name, steps, keys, input }: InlineSubmission,
  { allow }: InlineOptions,
): { readonly definition: Definition; readonly input: Json } {
  const stored = storable({ steps, keys, input }, 'submission')
  if (!stored.ok)
    throw new BadInputError(`${stored.path} ${stored.reason}`, 'send less, or keep it elsewhere')
  return orDefinitionError('the submission', () => {
    const setting = settingOf(allow, true)
    return {
      definition: definitionOf(name, stored.value as unknown as Stored, setting),
      input: stored.value as Json,
    }
  })
}

/**
 * The definition of a stored saga that brought its steps along; undefined for every other saga. Origins that have left the list since
 * are refused at the call, so that its rollbacks fail visibly.
 *
 * @example for (const { id } of blocked) { const view = await orchestrator.get(id); const definition = inlineOf(view, { allow }) }
 */
export function inlineOf(
  saga: { readonly name: string; readonly version: string; readonly input?: Json | undefined },
  { allow }: InlineOptions,
): Definition | undefined {
  if (!saga.version.startsWith(prefix)) return undefined
  try {
    const definition = definitionOf(saga.name, saga.input as unknown as Stored, settingOf(allow, false))
    return definition.plan.version === saga.version ? definition : undefined
  } catch {
    // Another version of this package may have taken what this one does not: the saga stays blocked, visibly.
    return undefined
  }
}

const settingOf = (allow: readonly string[], checksOrigin: boolean): Setting => ({
  ...defaultSetting,
  allow: AllowList.parse(allow ?? [], ['allow']),
  checksOrigin,
  inputOf: (stored) => (stored as unknown as Stored | undefined)?.input,
})

/** Throws Flaw. */
function definitionOf(name: string, stored: Stored, setting: Setting): Definition {
  check({ name, ...stored })
  const { steps, keys } = stored
  // All of it is made once now, for its mistakes; what runs is made of what is stored, saga by saga.
  if (keys) compileKeys(keys, ['keys'])
  buildSaga({ name, steps }, makeStep(setting), {}, [])
  const reader = new Reader(setting)
  const version = versionOf(stored)
  const byInput = keys === undefined ? {} : { keys: (input: unknown) => keysOf(input as Stored) }
  return buildSaga({ name, version, steps }, reader.make, byInput, [])
}

function keysOf({ keys = [], input }: Stored): string[] {
  return compileKeys(keys, ['keys'])(input)
}

type UserFunction = (context: { readonly input: unknown }) => unknown

/** Makes the functions of a step look up what they do in the input of the saga that calls them. */
class Reader {
  readonly #makeStep: MakeStep
  readonly #made = new WeakMap<object, ReadonlyMap<string, Options>>()

  constructor(setting: Setting) {
    // What a stored saga may do was judged when it was submitted, and is at each call.
    this.#makeStep = makeStep({ ...setting, checksOrigin: false })
  }

  readonly make: MakeStep = (step, path, earlier) => {
    const options = this.#makeStep(step, path, earlier)
    const reading = Object.entries(options).map(([key, value]) => {
      if (typeof value !== 'function') return [key, value]
      const read: UserFunction = (context) => {
        const made = this.#stepsOf(context.input as Stored).get(step.name)
        return (made?.[key] as UserFunction | undefined)?.(context)
      }
      return [key, read]
    })
    return Object.fromEntries(reading)
  }

  #stepsOf(stored: Stored): ReadonlyMap<string, Options> {
    const known = this.#made.get(stored)
    if (known) return known
    const steps = new Map(
      stored.steps.flatMap(membersOf).map((step) => [step.name, this.#makeStep(step, [])]),
    )
    this.#made.set(stored, steps)
    return steps
  }
}

/** Everything that a plan is made of, and which functions a step has; nothing else. */
function versionOf({ steps, keys }: Stored): string {
  const skeleton = steps.map((item) => ('parallel' in item ? item.parallel.map(bare) : bare(item)))
  const text = canonical({ steps: skeleton, hasKeys: keys !== undefined } as unknown as Json)
  return prefix + createHash('sha256').update(text).digest('hex').slice(0, 32)
}

function bare({ commit: _, rollback, when, ...rest }: StepFile & { readonly verify?: Json }): object {
  const { verify, ...policies } = rest
  const has = {
    rollback: rollback !== undefined && rollback.none === undefined,
    when: when !== undefined,
    verify: verify !== undefined,
  }
  return { ...policies, has }
}
