/**
 * The clock of most tests: the one that users get, too.
 */
export { FakeClock } from 'backstep/testing'
