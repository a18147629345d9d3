/**
 * `backstep/testing`: what users need to prove their own sagas, under any test runner.
 */
export {
  type CheckableStep,
  type CheckedStep,
  type CheckStepOptions,
  checkStep,
  type PropertyName,
  StepCheckError,
} from './check-step.js'
export { FakeClock, type FakeClockOptions, ProcessClock } from './clock.js'
export { explore } from './explore/index.js'
export type { End, Explorable, ExploreOptions } from './explore/options.js'
export { ExplorationError, type Explored } from './explore/report.js'
export { TestOrchestrator, type TestOrchestratorOptions } from './orchestrator.js'
export type { Resettable } from './world.js'
