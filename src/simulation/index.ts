/**
 * The simulation: a thousand trips booked at services that fail, and an audit that judges each of them.
 */
export { registerSimulate, type SimulateFlags } from './flags.js'
export type { GivenOptions, SimulationOptions } from './options.js'
export { type Report, simulate, type Watch } from './simulate.js'
