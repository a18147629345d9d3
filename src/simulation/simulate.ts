/**
 * The simulation, from options to the report.
 *
 * Invariants
 * - Nothing is created before the options are checked, and nothing is booked into a store that has unfinished sagas: they
 *   would stand in the way of the trips, or the trips in theirs.
 * - Whatever happens, the services' books are closed.
 */
import { shownAddress } from '../index.js'
import { audit, type Verdict } from './audit.js'
import { every, monotonic } from './clock.js'
import { runFleet } from './fleet.js'
import { runHere } from './here.js'
import { type GivenOptions, readOptions } from './options.js'
import { refuseBusyStore } from './orchestrator.js'
import { begin, type Run } from './run.js'
import type { FaultCounts } from './services.js'

export interface Report extends FaultCounts {
  readonly sagas: number
  readonly committed: number
  readonly rolledBack: number
  readonly unfinished: number
  readonly violations: number
  /** Kills that were proven: alive, with unfinished sagas, dead by SIGKILL. */
  readonly kills: number
  /** How many of them a service died with, and was started again. What it had counted in its last fifth of a second is lost. */
  readonly serviceKills: number
  readonly seed: number
  readonly failureRate: number
  readonly concurrency: number
  readonly keys: number
  /** Processes that shared the store. */
  readonly workers: number
  /** The services ran in the orchestrator's process, not in their own. */
  readonly inProcess: boolean
  readonly store: string
  /** Folder of the services' books. */
  readonly books: string
  /** From the first submit to the last outcome. */
  readonly seconds: number
  readonly sagasPerSecond: number
  /** It was stopped from outside. */
  readonly interrupted: boolean
  /** What each violation is, at most the first hundred. */
  readonly details: readonly string[]
}

export interface Watch {
  /** It begins: all that `run` has may be read while it goes on. */
  readonly began?: (run: Run) => void
  /** The operators' page can be looked at, at `run.page`. */
  readonly opened?: (run: Run) => void
  /** It is over, and judged; orchestrator and page stay open until this resolves. */
  readonly reported?: (report: Report) => Promise<unknown>
  /** Ends the run early, gracefully. */
  readonly stop?: AbortSignal
}

/** No call and no end for so long, ms: the longest wait between two attempts is a tenth of a second, and a lease 15 s. */
const stallAfter = 60_000

/**
 * Books trips through failing services and judges every one of them.
 *
 * Throws BadInputError (`BAD_INPUT`) for an option that is refused, before any effect, and StoreError where the store cannot be had.
 */
export async function simulate(given: GivenOptions = {}, watch: Watch = {}): Promise<Report> {
  const options = readOptions(given)
  if (options.store !== undefined) await refuseBusyStore(options.store)
  const stall = new AbortController()
  const run = await begin(options, AbortSignal.any([stall.signal, ...(watch.stop ? [watch.stop] : [])]))
  const endWatch = watchForStall(run, stall)
  run.opened = watch.opened
  watch.began?.(run)
  try {
    const isFleet = options.kill > 0 || options.workers > 1
    const verdicts = await (isFleet ? runFleet(run) : runHere(run))
    if (run.stop.aborted) {
      // Nobody waits for the page any more, and what is under way has its time to end.
      await closeAll(run)
      await run.services.settled()
    }
    const told = report(run, verdicts, watch.stop?.aborted === true)
    endWatch()
    await watch.reported?.(told)
    return told
  } finally {
    endWatch()
    await closeAll(run)
    await run.services.close()
  }
}

async function closeAll({ open }: Run): Promise<void> {
  for (const close of open.splice(0).reverse()) await close()
}

/** An orchestrator that stands still has lost its sagas: the run ends, and they are unfinished. Returns how to stop looking. */
function watchForStall({ services, tally }: Run, stall: AbortController): () => void {
  let [moves, since] = [-1, monotonic()]
  return every(1_000, () => {
    const now = services.counts.calls + tally.answered
    if (now !== moves) [moves, since] = [now, monotonic()]
    else if (monotonic() - since > stallAfter) stall.abort()
  })
}

function report(run: Run, verdicts: readonly Verdict[], interrupted: boolean): Report {
  const { sagas, seed, failureRate, concurrency, keys, workers, inProcess } = run.options
  const count = (end: string): number => verdicts.filter((verdict) => verdict.end === end).length
  const [committed, rolledBack] = [count('committed'), count('rolled_back')]
  const details = audit(run.folder, verdicts)
  const seconds = (run.booked - run.began) / 1_000
  return {
    sagas,
    committed,
    rolledBack,
    unfinished: sagas - committed - rolledBack,
    violations: details.length,
    ...run.services.counts,
    kills: run.plan.kills,
    serviceKills: run.plan.serviceKills,
    seed,
    failureRate,
    concurrency,
    keys,
    workers,
    inProcess,
    store: shownAddress(run.store),
    books: run.folder,
    seconds: Number(seconds.toFixed(3)),
    sagasPerSecond: Number(((committed + rolledBack) / seconds).toFixed(1)),
    interrupted,
    details: details.slice(0, 100),
  }
}
