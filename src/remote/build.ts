/**
 * From what a definition file says, already checked by its schema, to a definition.
 *
 * Invariants
 * - What the lint of sagas and steps refuses is refused here with the place in the file.
 */
import type { Json } from '../core/entry.js'
import { DefinitionError } from '../core/errors.js'
import { canonical } from '../core/json.js'
import type { Definition } from '../definition/index.js'
import { none, saga } from '../definition/index.js'
import { inputSchema } from './check.js'
import { Flaw, type Path, plain } from './flaw.js'
import type { Setting } from './setting.js'
import { type Options, remoteStep } from './step.js'
import { lookUp, parseWay, type Root, type Scope, Template } from './template.js'

export interface StepFile {
  readonly name: string
  readonly commit: Json
  readonly rollback?: { readonly none?: string }
  readonly when?: Readonly<Record<string, Json>>
  readonly pivot?: boolean
}

export type ItemFile = StepFile | { readonly parallel: readonly StepFile[] }

export interface SagaFile {
  readonly name: string
  readonly steps: readonly ItemFile[]
  readonly input?: object | boolean
  readonly keys?: readonly string[]
  readonly version?: string
  readonly deadline?: string | number
  readonly stuck?: object
}

/** `.step` and `.parallel`, without the types that only code has. */
interface Chain extends Definition {
  step(name: string, options: Options): Chain
  parallel(members: Readonly<Record<string, Options>>): Chain
}

/** How the options of a step come about. */
export type MakeStep = (step: StepFile, path: Path, earlier?: ReadonlySet<string>) => Options

export const makeStep =
  (given: Setting): MakeStep =>
  ({ name: _, when, rollback, ...rest }, path, earlier) => {
    const setting = { ...given, earlier }
    const undo = rollback?.none === undefined ? rollback : none(rollback.none)
    const options = remoteStep({ ...rest, rollback: undo }, setting, path, true)
    return {
      ...options,
      ...(when === undefined ? {} : { when: compileWhen(when, setting, [...path, 'when']) }),
    }
  }

/** Throws Flaw. */
export function buildSaga(given: SagaFile, make: MakeStep, keys: Options, path: Path): Definition {
  const { name, version, deadline, stuck, input } = given
  const options = {
    ...{ version, deadline, stuck },
    ...(input === undefined ? {} : { input: inputSchema(input, [...path, 'input']) }),
    ...keys,
  }
  const defined = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const start = linted(path, () => saga(name, defined as never) as unknown as Chain)
  let pastPivot = false
  const earlier = new Set<string>()
  return given.steps.reduce((chain, item, index) => {
    const at = [...path, 'steps', index]
    if (!pastPivot) refuseWithoutRollback(item, at)
    pastPivot ||= 'pivot' in item && item.pivot === true
    const next = addItem(chain, item, (step, place) => make(step, place, earlier), at)
    for (const { name: one } of membersOf(item)) earlier.add(one)
    return next
  }, start)
}

export const membersOf = (item: ItemFile): readonly StepFile[] =>
  'parallel' in item ? item.parallel : [item]

function refuseWithoutRollback(item: ItemFile, path: Path): void {
  const index = membersOf(item).findIndex(({ rollback }) => rollback === undefined)
  if (index < 0) return
  const at = 'parallel' in item ? [...path, 'parallel', index] : path
  throw new Flaw(
    [...at, 'rollback'],
    'is missing',
    'write rollback: { url: https://… }, or rollback: { none: why there is nothing to undo }',
  )
}

function addItem(chain: Chain, item: ItemFile, make: MakeStep, path: Path): Chain {
  if (!('parallel' in item)) {
    const options = make(item, path)
    return linted(path, () => chain.step(item.name, options))
  }
  const members = new Map<string, Options>()
  item.parallel.forEach((member, index) => {
    const at = [...path, 'parallel', index]
    if (members.has(member.name)) {
      throw new Flaw(
        [...at, 'name'],
        `there is a step '${member.name}' already`,
        'give each step a name of its own',
      )
    }
    members.set(member.name, make(member, at))
  })
  return linted(path, () => chain.parallel(Object.fromEntries(members)))
}

/** What the lint says, at this place. */
function linted<T>(path: Path, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error
    throw new Flaw(path, error.message.split('\n', 1)[0] ?? '', error.hint ?? '')
  }
}

const conditionRoots: readonly Root[] = ['input', 'outputs']

/** True if each of the values is equal to what the file says. */
function compileWhen(given: Readonly<Record<string, Json>>, { inputOf, earlier }: Setting, path: Path) {
  const names = { roots: conditionRoots, steps: earlier }
  const conditions = Object.entries(given).map(([text, wanted]) => ({
    way: parseWay(text, names, [...path, text]),
    wanted: canonical(plain(wanted, [...path, text])),
  }))
  return (context: { readonly input: Json | undefined; readonly outputs: Scope['outputs'] }): boolean => {
    const scope = { input: inputOf(context.input), outputs: context.outputs } as Scope
    return conditions.every(({ way, wanted }) => canonical(lookUp(way, scope) ?? null) === wanted)
  }
}

/** The keys of a saga, by templates that may name its input. */
export function compileKeys(given: readonly string[], path: Path): (input: Json | undefined) => string[] {
  const templates = given.map((text, index) => Template.parse(text, { roots: ['input'] }, [...path, index]))
  return (input) => templates.map((template) => template.render({ input } as Scope))
}
