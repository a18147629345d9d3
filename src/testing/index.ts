/**
 * `backstep/testing`: what users need to prove their own sagas, under any test runner.
 */
export { FakeClock, type FakeClockOptions, ProcessClock } from './clock.js'
