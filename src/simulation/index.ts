/**
 * The simulation: a thousand trips booked at services that fail, and an audit that judges each of them.
 */
export { registerSimulate } from './flags.js'
export type { GivenOptions, SimulateFlags, SimulationOptions } from './options.js'
export { type Report, simulate, type Watch } from './simulate.js'
