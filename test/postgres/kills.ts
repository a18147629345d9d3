/**
 * Scenario 30: a fleet in which one process after the other is killed, until its work is done.
 *
 * Invariant
 * - A kill counts only if its victim was in the middle of calls.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { freshSchema } from '../support/postgres.js'
import { desk, Fleet, type Jobs, judgeJobs, submitAll, underWay, unfinished, until } from './fleet.js'

export interface Killing {
  readonly all: Jobs
  readonly processes: number
  readonly concurrency: number
  /** ms. */
  readonly lease: number
  /** ms between two kills. */
  readonly every: number
  /** At most. */
  readonly kills: number
}

export interface KillReport {
  /** Of each kill whose victim had calls under way: ms until all of its sagas were in other hands. */
  readonly failovers: readonly number[]
  readonly wrong: readonly string[]
  /** Sagas that had not ended at the last kill. */
  readonly left: number
}

export async function killAndJudge({ all, processes, concurrency, lease, every, kills }: Killing) {
  const address = await freshSchema()
  await using fleet = new Fleet({ address, lease, concurrency })
  const { orchestrator, job } = await desk(address)
  await fleet.start(processes)
  // Awaited only at the end: where something fails before, that is what is told.
  const submitted = submitAll(orchestrator, job, all)
  submitted.catch(() => {})
  await until(() => fleet.ledger.read().length > 0)
  const watches: Promise<number>[] = []
  let left = 0
  for (let i = 0; i < kills; i++) {
    await sleep(every)
    const [victim] = fleet.members
    const before = await unfinished(orchestrator)
    if (!victim || (i > 0 && before === 0)) break
    left = before
    await fleet.kill(victim)
    const orphans = orphansOf(fleet, victim.pid)
    if (orphans.size > 0) {
      const watch = takenOver(fleet, victim.pid, orphans)
      watch.catch(() => {})
      watches.push(watch)
    }
    await fleet.start()
  }
  await submitted
  await until(async () => (await unfinished(orchestrator)) === 0, 120_000)
  const failovers = await Promise.all(watches)
  const wrong = await judgeJobs(orchestrator, all, fleet.ledger.read())
  await orchestrator.close()
  await fleet.end()
  const report: KillReport = { failovers, wrong, left }
  return report
}

/** Sagas that this process had called something for, and had no answer yet. */
export const orphansOf = (fleet: Fleet, pid: number): Set<string> =>
  new Set([...underWay(fleet.ledger.read(), pid)].map((call) => call.split(' ')[0] ?? ''))

/** ms from now until somebody else has begun a call for each of these sagas. */
export async function takenOver(fleet: Fleet, pid: number, orphans: ReadonlySet<string>): Promise<number> {
  const killed = performance.now()
  const seen = fleet.ledger.read().length
  const missing = new Set(orphans)
  let read = seen
  await until(() => {
    const lines = fleet.ledger.read()
    for (; read < lines.length; read++) {
      const line = lines[read]
      if (line && line.pid !== pid && line.outcome === 'begun') missing.delete(line.saga)
    }
    return missing.size === 0
  }, 60_000)
  return performance.now() - killed
}
