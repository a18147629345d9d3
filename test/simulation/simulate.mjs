/**
 * `backstep simulate` as a process of its own, without the rest of the command line.
 */
import { Command } from 'commander'
import { registerSimulate } from '#dist/simulation/index.js'

const program = new Command('backstep')
registerSimulate(program, () => Promise.reject(new Error('no server here')))
await program.parseAsync()
