/**
 * A step, as users write it.
 *
 * Types: `Result` is what `commit` returns, promise and all; the output is what is left of it. Two things to know:
 * - `output` infers into `rollback` only if `commit` is written before it: the compiler reads an object from top to bottom.
 * - Members of `.parallel` need `step({…})`: in a bare literal there is one, the compiler infers nothing.
 */
import type { Duration } from '../core/duration.js'
import type { ThrowsPolicy } from '../core/plan.js'
import type { Pending, Verdict } from './answers.js'
import type { CommitContext, RollbackContext, VerifyContext, WhenContext } from './context.js'

/** What later steps receive of what a commit returned: `pending()` is no output, and nothing is undefined. */
export type OutputOf<Result> = NothingIsUndefined<Exclude<Awaited<Result>, Pending>>

// biome-ignore lint/suspicious/noConfusingVoidType: what a function without a return gives is exactly what is looked for.
type NothingIsUndefined<Value> = unknown extends Value ? Value : [Value] extends [void] ? undefined : Value

/** The waits between attempts: from `min` (default 100 ms), growing by `factor` (default 2) up to `max` (default 60 s), with jitter. */
export interface BackoffOptions {
  readonly min?: Duration
  readonly max?: Duration
  readonly factor?: number
}

export interface RetryOptions extends BackoffOptions {
  /** Calls in all, the first one included; `Infinity` for as long as it takes. Default 1. */
  readonly attempts?: number
}

/** What every kind of step may have. */
interface AnyStepOptions<Input, Outputs, Result, When extends boolean> {
  /**
   * Does the work and returns its output: anything that can be stored as JSON. To throw says that it had no effect,
   * unless the error tells that the answer was lost. It can be called again after a crash, always with the same `idempotencyKey`.
   */
  readonly commit: (context: CommitContext<Input, Outputs>) => Result
  /** Bounds each call of `commit`, `rollback` and `verify`. Default 30 s. */
  readonly timeout?: Duration
  /** The waits between attempts of the rollback, which is tried for ever. */
  readonly rollbackRetry?: BackoffOptions
  /** Asks the service about a commit in doubt. Only `'never'` spares the step its rollback. */
  readonly verify?: (
    context: VerifyContext<Input, Outputs>,
  ) => Verdict<OutputOf<Result>> | Promise<Verdict<OutputOf<Result>>>
  /** The step is left out unless this says true. Synchronous; asked once. The step's output is then optional for later steps. */
  readonly when?: (context: WhenContext<Input, Outputs>) => When
  /** What an error thrown by `commit` means when nothing else tells. Default `'rejected'`: it had no effect. */
  readonly throws?: ThrowsPolicy
}

type Rollback<Input, Outputs, Result> =
  | ((context: RollbackContext<Input, Outputs, OutputOf<Result>>) => unknown)
  | NoRollback

/** A step that can be rolled back. */
export interface StepOptions<
  Input,
  Outputs,
  Result,
  When extends boolean = never,
  Pivot extends boolean = false,
> extends AnyStepOptions<Input, Outputs, Result, When> {
  /** Undoes the commit. Called again until it succeeds; must tolerate that there is nothing to undo. Or `none('why')`. */
  readonly rollback: Rollback<Input, Outputs, Result>
  /** How often `commit` is called. Default once. */
  readonly retry?: RetryOptions
  /** Once this step is committed there is no way back: the steps after it are tried until they succeed. At most one. */
  readonly pivot?: Pivot
}

/** A step behind the pivot: tried until it commits, so there is never anything to roll back. */
export interface ForwardStepOptions<Input, Outputs, Result, When extends boolean = never>
  extends AnyStepOptions<Input, Outputs, Result, When> {
  readonly rollback?: Rollback<Input, Outputs, Result>
  readonly retry?: BackoffOptions
  readonly pivot?: false
}

declare const memberTypes: unique symbol

/** A member of a parallel group: what `step({…})` returns. */
export interface Member<Input, Outputs, Output, When extends boolean> {
  /** Only for the compiler. */
  readonly [memberTypes]: {
    readonly takes: (input: Input, outputs: Outputs) => void
    readonly output: Output
    /** Contravariant, so that the group can ask for `never`: any bound that it named would become the type inferred here. */
    readonly when: (when: When) => void
  }
}

/**
 * A member of a parallel group, written so that the compiler can infer its types.
 *
 * @example saga<Trip>('trip').parallel({ hotel: step({ commit, rollback }), car: step({ commit, rollback }) })
 */
export function step<Input, Outputs, Result, When extends boolean = never>(
  options: StepOptions<Input, Outputs, Result, When>,
): Member<Input, Outputs, OutputOf<Result>, When> {
  // The types are a note to the compiler; at run time a member is its options.
  return options as unknown as Member<Input, Outputs, OutputOf<Result>, When>
}

const noRollbackBrand = Symbol.for('backstep.none')

/** Says that a step has nothing to undo, and why. */
export interface NoRollback {
  readonly [noRollbackBrand]: string
}

/**
 * In place of a rollback: the step has nothing to undo. The reason is for those who read the definition.
 *
 * @example rollback: none('read only')
 */
export function none(why: string): NoRollback {
  // Without a reason it is still a `none`, and the lint of its step can say what is missing.
  return { [noRollbackBrand]: why ?? '' }
}

/** The reason given to `none`, or undefined for anything else. */
export function reasonOfNone(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return noRollbackBrand in value ? (value as NoRollback)[noRollbackBrand] : undefined
}
