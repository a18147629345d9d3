#!/usr/bin/env node
/**
 * The command `backstep`.
 *
 * Invariants
 * - The exit code is set, never forced: what was printed reaches a slow pipe before the process ends.
 * - A reader that has seen enough (`| head`) ends it quietly; any other failure to write is a failure.
 */
import { report } from './failure.js'
import { makeProgram } from './program.js'
import { Terminal } from './terminal.js'

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
  Terminal.fail(`stdout: ${error.message}`)
  process.exit(1)
})
// Talk that nobody hears is no reason to stop.
process.stderr.on('error', () => {})

const program = makeProgram()
const args = process.argv.slice(2)
try {
  if (args.length === 0) {
    program.outputHelp({ error: true })
    process.exitCode = 2
  } else await program.parseAsync()
} catch (error) {
  const end = args.indexOf('--')
  process.exitCode = report(error, args.slice(0, end < 0 ? undefined : end).includes('--json'))
}
