/**
 * `backstep/testing`: what users need to prove their own sagas, under any test runner.
 */
export { FakeClock, type FakeClockOptions, ProcessClock } from './clock.js'
export { explore } from './explore/index.js'
export type { End, Explorable, ExploreOptions, Resettable } from './explore/options.js'
export { ExplorationError, type Explored } from './explore/report.js'
