/**
 * Backstep: durable sagas for TypeScript. Every step commits, or every step is rolled back.
 */

export { shownAddress } from './core/address.js'
export type { Duration } from './core/duration.js'
export type { Entry, FailureCause, Json, RollbackReason, StoredError } from './core/entry.js'
export {
  BackstepError,
  BadInputError,
  ClosedError,
  DefinitionError,
  InDoubt,
  Rejected,
  SagaConflictError,
  SagaRolledBackError,
  SagaStateError,
  SagaUnfinishedError,
  StoreError,
} from './core/errors.js'
export type { Status } from './core/state.js'
export type {
  CallContext,
  CommitContext,
  Definition,
  InputOf,
  ListOutputs,
  ListStep,
  Logger,
  NoRollback,
  OutputsOf,
  Pending,
  RollbackContext,
  Saga,
  SagaOptions,
  StepOptions,
  Verdict,
  VerifyContext,
  WhenContext,
} from './definition/index.js'
export { none, pending, saga, step } from './definition/index.js'
export type { AroundCall } from './runtime/calls.js'
export type { Clock, Timer } from './runtime/clock.js'
export type { Outcome } from './runtime/ending.js'
export type { Events, SagaOfEvent } from './runtime/events.js'
export type {
  ByWhom,
  ListOptions,
  Page,
  PruneOptions,
  RebindOptions,
  ResolveOptions,
} from './runtime/operators.js'
export type { OrchestratorOptions } from './runtime/options.js'
export { Orchestrator, type RunOptions, type SagaHandle } from './runtime/orchestrator.js'
export type { SubmitOptions } from './runtime/submission.js'
export type { JournalEntry, SagaSummary, SagaView, StepView } from './runtime/view.js'
export { why } from './runtime/why.js'
export type { Health, Queryable, Store } from './store/store.js'
export { memoryStore } from './stores/memory/index.js'
