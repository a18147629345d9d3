/**
 * What a definition is once it is made: a plan for the core, and the user's functions for the runtime.
 *
 * Invariants
 * - `functions[i]` belongs to `plan.steps[i]`; what the plan says a step has, its functions have.
 * - A Definition exists only if its lint found nothing: whoever holds one need not check it again.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Plan } from '../core/plan.js'

/** The functions of one step, as the runtime calls them. The builder's types are far stricter; they are erased here. */
export interface StepFunctions {
  readonly commit: (context: never) => unknown
  readonly rollback?: (context: never) => unknown
  readonly verify?: (context: never) => unknown
  readonly when?: (context: never) => unknown
}

declare const types: unique symbol

export interface Definition<Input = unknown, Outputs = unknown> {
  readonly plan: Plan
  readonly functions: readonly StepFunctions[]
  readonly keys?: (input: never) => unknown
  readonly schema?: StandardSchemaV1
  /** ms from submission. */
  readonly deadline?: number
  /** A bare list without a name: it cannot be found again after a crash, so only `memory:` takes it. */
  readonly anonymous: boolean
  /** Only for the compiler: what goes in and what comes out. */
  readonly [types]?: { readonly input: Input; readonly outputs: Outputs }
}

/** What callers hand in: with a schema, what the schema takes. */
export type InputOf<D extends Definition> = D extends Definition<infer Input, unknown> ? Input : never

/** What a committed saga answers: the outputs by step. They are put together here, once, and not at each step. */
export type OutputsOf<D extends Definition> =
  D extends Definition<infer _Input, infer Outputs>
    ? { readonly [Step in keyof Outputs]: Outputs[Step] }
    : never
