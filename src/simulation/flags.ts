/**
 * The words of `backstep simulate`.
 *
 * Invariant: what the command does is loaded when it does it (command.ts). No other command needs services, books and bars: 60 files,
 * a tenth of what a short command takes.
 */
import { type Command, Option } from 'commander'
import type { SimulateFlags, Throwaway } from './options.js'

/** Adds `simulate` to a program; its action sets `process.exitCode`. `startPostgres` serves `--store postgres:`. */
export function registerSimulate(program: Command, startPostgres: () => Promise<Throwaway>): void {
  program
    .command('simulate')
    .description(
      'book trips at three services that fail at random, and check that each one is whole or undone',
    )
    .addOption(new Option('--sagas <n>', 'how many trips').default('1000'))
    .addOption(new Option('--failure-rate <rate>', 'chance of each call to fail, 0 to 0.9').default('0.05'))
    .addOption(new Option('--seed <n>', 'the same seed draws the same trips and faults (default: random)'))
    .addOption(new Option('--concurrency <n>', 'trips under way at a time; 1 is serial').default('1'))
    .addOption(new Option('--keys <n>', 'so many travellers as keys: trips of one never overlap'))
    .addOption(
      new Option(
        '--store <address>',
        'where sagas are kept; postgres: starts a server for this run (default: a new SQLite file)',
      ),
    )
    .addOption(new Option('--workers <n>', 'so many processes on one store').default('1'))
    .addOption(new Option('--kill <n>', 'kill a process that runs them so many times').default('0'))
    .addOption(
      new Option('--in-process', 'services in this process, not in three of their own over HTTP: faster'),
    )
    .addOption(new Option('--keep', 'leave the page open when the run is over, until Ctrl-C'))
    .addOption(new Option('--json', 'print one line of JSON at the end'))
    .action(async (flags: SimulateFlags) => {
      const { simulateCommand } = await import('./command.js')
      process.exitCode = await simulateCommand(flags, startPostgres)
    })
}
