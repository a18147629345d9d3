/**
 * `saga(…)`: how users write definitions, and what the compiler knows about them.
 *
 * Invariants
 * - Every `.step` and `.parallel` returns a definition of its own; none changes the one it was called on.
 * - The accumulated outputs are an intersection that grows by one member a step. To put them together in one object type at each
 *   step would nest as deep as the saga is long, and stop compiling near 120 steps.
 * - An output that cannot be stored is refused in the return type: a check in the parameter would destroy its inference.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Duration } from '../core/duration.js'
import type { ThrowsPolicy } from '../core/plan.js'
import { Builder } from './builder.js'
import type { Definition } from './definition.js'
import { lintSaga } from './lint-saga.js'
import type { ForwardStepOptions, Member, OutputOf, StepOptions } from './step.js'
import type { IsStorable } from './storable-type.js'

export interface SagaOptions<Input> {
  /** Says which code a saga follows. A saga that is under way needs the version that it began with. Default `'1'`. */
  readonly version?: string
  /**
   * What the saga contends for, such as `account:42`: two sagas that share a key never overlap, and a saga with keys may run beside
   * others. Without `keys` it overlaps with no other saga at all.
   */
  readonly keys?: (input: Input) => readonly string[]
  /** From submission. A saga that has not ended by then goes back, unless its pivot has committed. */
  readonly deadline?: Duration
  /** For all steps that do not say it themselves. */
  readonly throws?: ThrowsPolicy
  /** When a failing rollback raises the alarm; retries go on. Default 10 attempts or 5 minutes, whichever is first. */
  readonly stuck?: { readonly attempts?: number; readonly after?: Duration }
}

/** Options with a schema for the input (zod, valibot, arktype …: anything that speaks Standard Schema). */
export interface SchemaSagaOptions<Schema extends StandardSchemaV1>
  extends SagaOptions<StandardSchemaV1.InferOutput<Schema>> {
  readonly input: Schema
}

/** A step of the list form. Without a name it is called `step-1`, `step-2` … by its place. */
export interface ListStep<Input = unknown>
  extends StepOptions<Input, Readonly<Record<string, unknown>>, unknown, boolean, boolean> {
  readonly name?: string
}

/** What a list of steps commits to: an output for each step, by name. */
export type ListOutputs = Readonly<Record<string, unknown>>

/** The beginning of a saga: a name and no step yet. `Args` is what callers hand in, `Input` what steps receive. */
export interface SagaStart<Args, Input, Outputs = Record<never, never>, Past extends boolean = false> {
  /** Adds a step. It starts once the one before it is durably committed. */
  step<Name extends string, Result, When extends boolean = never, Pivot extends boolean = false>(
    name: NewName<Name, Outputs>,
    options: Past extends true
      ? ForwardStepOptions<Input, Outputs, Result, When>
      : StepOptions<Input, Outputs, Result, When, Pivot>,
  ): IsStorable<OutputOf<Result>> extends true
    ? Saga<Args, Input, Outputs & OutputAs<Name, OutputOf<Result>, When>, Past extends true ? true : Pivot>
    : OutputCannotBeStored<Name>

  /** Adds a group of steps that run side by side. They settle together; what comes after waits for all of them. */
  parallel<Members extends Readonly<Record<string, Member<Input, Outputs, unknown, never>>>>(
    members: Members & NewNames<Members, Outputs>,
  ): UnstorableMembers<Members> extends never
    ? Saga<Args, Input, Outputs & OutputsOfMembers<Members>, Past>
    : OutputCannotBeStored<UnstorableMembers<Members>>
}

/** A saga with at least one step: a definition, which more steps can be added to. */
export interface Saga<Args, Input, Outputs, Past extends boolean = false>
  extends Definition<Args, Outputs>,
    SagaStart<Args, Input, Outputs, Past> {}

/** What is in the way when the compiler says that there is no `.step`, or that this is no definition. */
export interface OutputCannotBeStored<Step> {
  readonly 'the output of this step cannot be stored as JSON': Step
}

type NewName<Name extends string, Outputs> = Name extends keyof Outputs
  ? `there is a step named ${Name} already`
  : Name

type NewNames<Members, Outputs> = {
  readonly [Name in keyof Members]: Name extends keyof Outputs
    ? `there is a step named ${Name & string} already`
    : unknown
}

type OutputAs<Name extends string, Output, When> = [When] extends [never]
  ? { readonly [Key in Name]: Output }
  : { readonly [Key in Name]?: Output }

type MemberOutput<M> = M extends Member<never, never, infer Output, never> ? Output : never
type IsConditional<M> =
  M extends Member<never, never, unknown, infer When> ? ([When] extends [never] ? false : true) : never

type OutputsOfMembers<Members> = {
  readonly [Name in keyof Members as IsConditional<Members[Name]> extends true ? never : Name]: MemberOutput<
    Members[Name]
  >
} & {
  readonly [Name in keyof Members as IsConditional<Members[Name]> extends true ? Name : never]?: MemberOutput<
    Members[Name]
  >
}

type UnstorableMembers<Members> = {
  [Name in keyof Members]: IsStorable<MemberOutput<Members[Name]>> extends true ? never : Name
}[keyof Members]

/**
 * Begins a definition: a name, then `.step` by `.step`. Or makes one of a list of steps.
 *
 * @example saga<Trip>('book-trip').step('flight', { commit, rollback, timeout: '2s' })
 * @example saga('book-trip', { input: tripSchema, version: '2', keys: (trip) => [`traveller:${trip.traveller}`] }).step(…)
 * @example saga<Trip>('book-trip', [{ name: 'flight', commit, rollback }, { name: 'hotel', commit, rollback }])
 * @throws DefinitionError (`BAD_DEFINITION`) for what cannot work, naming the step and the remedy
 */
export function saga<Schema extends StandardSchemaV1>(
  name: string,
  options: SchemaSagaOptions<Schema>,
): SagaStart<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>>
export function saga<Input = undefined>(
  name: string,
  steps: readonly ListStep<Input>[],
  options?: SagaOptions<Input>,
): Definition<Input, ListOutputs>
export function saga<Input = undefined>(name: string, options?: SagaOptions<Input>): SagaStart<Input, Input>
export function saga(name: string, second?: unknown, third?: unknown): unknown {
  // What the types say is checked by the lint once more: a definition may be written in JavaScript.
  if (!Array.isArray(second)) return Builder.begin(lintSaga(name, second ?? {}))
  return ofList(Builder.begin(lintSaga(name, third ?? {})), second)
}

/** A definition of a bare list: what `orchestrator.run([…])` runs. It has no name to be found by, so it lives as long as the process. */
export function anonymous<Input>(steps: readonly ListStep<Input>[]): Definition<Input, ListOutputs> {
  const name = `.list-${++anonymousLists}`
  return ofList(Builder.begin({ ...lintSaga('list', {}), name, anonymous: true }), steps) as Definition<
    Input,
    ListOutputs
  >
}

/** Two lists of one process may look alike and do different things: each has a name of its own, and none that a user could give. */
let anonymousLists = 0

function ofList(start: Builder, steps: readonly unknown[]): Builder {
  const whole = steps.reduce<Builder>((builder, options, index) => builder.item(index, options), start)
  // Refuses a list without steps here, where it was written.
  void whole.plan
  return whole
}
