#!/usr/bin/env node
/**
 * The command `backstep`.
 *
 * Invariants
 * - The exit code is set, not forced: what was printed reaches a slow pipe before the process ends.
 * - A reader that has seen enough (`| head`) ends it quietly; any other failure to write is a failure.
 */
import { Interrupted, report } from './failure.js'
import { makeProgram } from './program.js'
import { Terminal } from './terminal.js'

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
  Terminal.fail(`stdout: ${error.message}`)
  process.exit(1)
})
// Talk that nobody hears is no reason to stop.
process.stderr.on('error', () => {})

const args = process.argv.slice(2)
try {
  await makeProgram().parseAsync()
} catch (error) {
  const end = args.indexOf('--')
  process.exitCode = report(error, args.slice(0, end < 0 ? undefined : end).includes('--json'))
  // A thread that waits for a lock would hold the process up, and process.exit() would abort inside of SQLite.
  if (error instanceof Interrupted && error.isHung) process.kill(process.pid, error.signal)
}
