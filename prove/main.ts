/**
 * `npm run prove -- --seeds N`: the fleet simulator at the command line. `--help` says the rest.
 *
 * Invariants
 * - The exit code is 0 only if everything that was asked for has run and every promise held; 1 if not; 2 for words that make no sense.
 * - Figures go to stdout, talk to stderr.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Task } from './child.js'
import { type Report, simulate } from './history.js'
import { BadOption, help, type Options, readOptions, storeOf } from './options.js'
import { replayOf, shrink } from './shrink.js'
import { addTally, emptyTally, summaryOf, type Tally } from './tally.js'

const out = (text: string): boolean => process.stdout.write(`${text}\n`)
const talk = (text: string): boolean => process.stderr.write(`${text}\n`)

/** Seeds that a process is handed at once. */
const portion = 50
/** With so many failures there is no sense in going on. */
const mostFailures = 20

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) {
    out(help)
    return 0
  }
  return options.seed === undefined ? runMany(options) : runOne(options, options.seed)
}

async function runOne({ trace, store, smaller }: Options, seed: number): Promise<number> {
  const kind = storeOf(seed, store)
  const report = await simulate(seed, { store: kind, trace, hash: true, ...smaller })
  for (const line of report.lines) out(line)
  const { committed = 0, ms, turns } = { committed: report.counts['sagas committed'], ...report }
  out(
    `seed ${seed} on ${kind}: ${report.counts['sagas'] ?? 0} sagas, ${committed} committed, ${report.workers} processes, ${report.faults.length} faults; ` +
      `${ms} ms simulated in ${turns} turns; hash ${report.hash.toString(16)}`,
  )
  if (report.wrong.length === 0) {
    out('every promise held')
    return 0
  }
  for (const what of report.wrong) out(what)
  const isSmall = smaller.sagas ?? smaller.workers ?? smaller.faults
  if (isSmall === undefined && !trace) await makeSmall(report)
  return 1
}

async function makeSmall(report: Report): Promise<void> {
  talk('making it small …')
  const shrunk = await shrink(report)
  if (!shrunk) return void out('it does not fail again: the simulator is not deterministic here')
  const { sagas, workers, faults } = shrunk.smaller
  out(
    `\nsmallest, after ${shrunk.runs} runs: ${sagas?.length} sagas, ${workers} processes, ${faults?.length} faults`,
  )
  for (const what of shrunk.report.wrong) out(`  ${what}`)
  out(`  ${replayOf(report, shrunk.smaller)}`)
}

async function runMany(options: Options): Promise<number> {
  const since = performance.now()
  const tally = emptyTally()
  const isWhole = await new Fleet(options, tally).run()
  const seconds = (performance.now() - since) / 1_000
  out(summaryOf(tally, seconds, options.jobs))
  const [first] = tally.failures.sort((a, b) => a.seed - b.seed)
  if (first) {
    out(`\n${tally.failures.length} of these seeds broke a promise`)
    for (const { seed, store, wrong } of tally.failures) out(`  seed ${seed} on ${store}: ${wrong[0]}`)
    out('')
    await makeSmall(await simulate(first.seed, { store: first.store }))
    return 1
  }
  if (!isWhole) {
    out('\na process of the prover died: not everything was run')
    return 1
  }
  out('\nevery promise held in every history')
  return 0
}

/** The processes of the prover, each handed the next seeds as soon as it is done. */
class Fleet {
  readonly #options: Options
  readonly #tally: Tally
  readonly #until: number
  #next: number
  #isWhole = true
  #told = performance.now()

  constructor(options: Options, tally: Tally) {
    this.#options = options
    this.#tally = tally
    this.#next = options.from
    this.#until = performance.now() + options.minutes * 60_000
  }

  /** False where a process died. */
  async run(): Promise<boolean> {
    await Promise.all(Array.from({ length: this.#options.jobs }, () => this.#employ()))
    return this.#isWhole
  }

  #employ(): Promise<void> {
    return new Promise((resolve) => {
      const child = fork(new URL('./child.js', import.meta.url), { stdio: 'inherit' })
      child.on('message', (done: Tally) => {
        this.#done(done)
        this.#hand(child)
      })
      child.on('exit', (code, signal) => {
        if (code !== 0) {
          talk(`a process of the prover ended with ${signal ?? code}`)
          this.#isWhole = false
        }
        resolve()
      })
      this.#hand(child)
    })
  }

  #hand(child: ChildProcess): void {
    const { from, seeds, store } = this.#options
    const count = Math.min(portion, from + seeds - this.#next)
    if (count <= 0 || performance.now() > this.#until || this.#tally.failures.length >= mostFailures) {
      child.disconnect()
      return
    }
    const task: Task = { from: this.#next, count, store }
    this.#next += count
    child.send(task)
  }

  #done(tally: Tally): void {
    addTally(this.#tally, tally)
    for (const { seed, store, wrong } of tally.failures) talk(`seed ${seed} on ${store} failed: ${wrong[0]}`)
    if (performance.now() - this.#told < 30_000) return
    this.#told = performance.now()
    talk(`${this.#tally.memory + this.#tally.sqlite} seeds, ${this.#tally.failures.length} failed …`)
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof BadOption)) throw error
  talk(error.message)
  process.exitCode = 2
}
