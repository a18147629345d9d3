/**
 * `backstep simulate`: the simulation as a command.
 *
 * Invariants
 * - Exit codes: 0 only where every trip ended whole or undone and every kill really happened; 1 where not; 130 and 143 after SIGINT and
 *   SIGTERM. What it throws is told by the program, as of any command.
 * - The first signal ends the run gracefully, the second at once.
 */
import { type Command, Option } from 'commander'
import { shownAddress } from '../index.js'
import { every } from './clock.js'
import { paintFor, showProgress, summaryOf } from './display.js'
import { type GivenOptions, readOptions } from './options.js'
import type { Run } from './run.js'
import { type Report, simulate } from './simulate.js'

export interface SimulateFlags extends GivenOptions {
  readonly json?: boolean | undefined
  readonly keep?: boolean | undefined
}

/** A database server that lives as long as one run. */
export interface Throwaway extends AsyncDisposable {
  readonly address: string
}

/** What the address without a server stands for. */
const throwawayAddress = 'postgres:'

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
      process.exitCode = await simulateCommand(flags, startPostgres)
    })
}

/** Runs the simulation with flags as they were typed, talks to the terminal, and returns the exit code. Throws what `simulate` throws. */
export async function simulateCommand(
  flags: SimulateFlags,
  startPostgres: () => Promise<Throwaway>,
): Promise<number> {
  const stop = new StopSignals()
  let hide = (): void => {}
  const began = (run: Run): void => {
    announce(run)
    hide = showProgress(run)
  }
  try {
    readOptions(flags)
    await using throwaway = flags.store === throwawayAddress ? await startPostgres() : undefined
    const given = throwaway ? { ...flags, store: throwaway.address } : flags
    const reported = async (report: Report): Promise<void> => {
      hide()
      hide = () => {}
      print(report, flags)
      if (flags.keep && !stop.signal.aborted) await keptOpen(stop.signal)
    }
    const report = await simulate(given, { began, opened: announcePage, reported, stop: stop.signal })
    // Stopped only after it was over, it is what it was.
    const code = codeOf(report, Number(flags.kill ?? 0))
    return report.interrupted ? (stop.exitCode ?? code) : code
  } finally {
    hide()
    stop.dispose()
  }
}

function announce({ options, store }: Run): void {
  const { sagas, failureRate, seed, concurrency, keys, workers, kill, inProcess } = options
  const parts = [
    `${sagas} trips`,
    `${failureRate * 100}% of all calls fail`,
    inProcess ? 'services in process' : 'services in processes of their own',
    ...(workers > 1 ? [`${workers} processes`] : []),
    concurrency === 1 ? 'one at a time' : `${concurrency} at a time`,
    ...(keys > 0 ? [`${keys} travellers as keys`] : []),
    ...(kill > 0 ? [kill === 1 ? '1 kill' : `${kill} kills`] : []),
    `seed ${seed}`,
    shownAddress(store),
  ]
  process.stderr.write(`${parts.join(', ')}\n`)
}

const announcePage = ({ page }: Run): void => void process.stderr.write(`watch it at ${page}\n`)

/** Until a signal says that somebody has seen enough. */
async function keptOpen(stop: AbortSignal): Promise<void> {
  process.stderr.write('the page stays open; Ctrl-C ends it\n')
  // A signal's listener alone keeps no process alive.
  const alive = every(60_000, () => {})
  await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
  alive()
}

function print(report: Report, { json, kill }: SimulateFlags): void {
  const stream = json ? process.stderr : process.stdout
  stream.write(`${summaryOf(report, Number(kill ?? 0), paintFor(stream))}\n`)
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
}

const codeOf = (report: Report, kill: number): number =>
  report.violations === 0 && report.unfinished === 0 && report.kills === kill ? 0 : 1

const signals = { SIGINT: 130, SIGTERM: 143 } as const

class StopSignals {
  readonly #controller = new AbortController()
  exitCode: number | undefined

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, this.#stop)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  readonly #stop = (name: NodeJS.Signals): void => {
    const code = signals[name as keyof typeof signals]
    if (this.exitCode !== undefined) process.exit(code)
    this.exitCode = code
    process.stderr.write('\nstopping; once more to stop at once\n')
    this.#controller.abort()
  }

  dispose(): void {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, this.#stop)
  }
}
