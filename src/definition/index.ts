/** Definitions: what users write, its lint and its types. */
export { isPending, type Pending, pending, readVerdict, type Verdict } from './answers.js'
export type {
  CallContext,
  CommitContext,
  Logger,
  RollbackContext,
  VerifyContext,
  WhenContext,
} from './context.js'
export type { Definition, InputOf, OutputsOf, StepFunctions } from './definition.js'
export {
  anonymous,
  type ListOutputs,
  type ListStep,
  type OutputCannotBeStored,
  type Saga,
  type SagaOptions,
  type SagaStart,
  type SchemaSagaOptions,
  saga,
} from './saga.js'
export {
  type BackoffOptions,
  type ForwardStepOptions,
  type Member,
  type NoRollback,
  none,
  type OutputOf,
  type RetryOptions,
  type StepOptions,
  step,
} from './step.js'
