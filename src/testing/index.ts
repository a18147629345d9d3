/**
 * `backstep/testing`: what users need to prove their own sagas, under any test runner.
 */

/** What authors of a store write. */
export type * from '../store/store.js'
export {
  type CheckableStep,
  type CheckedStep,
  type CheckStepOptions,
  checkStep,
  StepCheckError,
} from './check-step.js'
export { FakeClock, type FakeClockOptions, ProcessClock } from './clock.js'
export type { Given, Lookout } from './ended.js'
export { type ExpectOptions, expectCommitted, expectRolledBack, type RolledBackOptions } from './expect.js'
export { explore } from './explore/index.js'
export type { End, Explorable, ExploreOptions } from './explore/options.js'
export { ExplorationError, type Explored } from './explore/report.js'
export { type MatcherAnswer, type SagaMatchers, sagaMatchers } from './matchers.js'
export { TestOrchestrator, type TestOrchestratorOptions } from './orchestrator.js'
export type { PropertyName } from './step-properties.js'
export {
  type StoreCase,
  type StoreSubject,
  type StoreSuiteOptions,
  storeSuite,
  type UserTransaction,
} from './store-suite/index.js'
export type { Resettable } from './world.js'
