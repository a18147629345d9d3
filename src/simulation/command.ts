/**
 * `backstep simulate`: what the command does.
 *
 * Invariants
 * - Exit codes: 0 only where every trip ended whole or undone and every kill really happened; 1 where not; 130 and 143 after SIGINT and
 *   SIGTERM. What it throws is told by the program, as of any command.
 * - The first signal ends the run gracefully, the second at once.
 */
import { shownAddress } from '../index.js'
import { every } from './clock.js'
import { paintFor, showProgress, summaryOf } from './display.js'
import { readOptions, type SimulateFlags, type Throwaway } from './options.js'
import type { Run } from './run.js'
import { type Report, simulate } from './simulate.js'

/** What the address without a server stands for. */
const throwawayAddress = 'postgres:'

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
