/**
 * Scenario 31: a server that is restarted again and again, in order and as by a crash, while a fleet works.
 *
 * Invariant
 * - A run counts only by what was left to do at the last restart.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '../support/postgres.js'
import { desk, Fleet, type Jobs, judgeJobs, submitAll, unfinished, until } from './fleet.js'

export interface Restarting {
  readonly all: Jobs
  readonly processes: number
  readonly concurrency: number
  /** ms. */
  readonly lease: number
  /** ms between two restarts. */
  readonly every: number
  readonly restarts: number
}

export async function restartAndJudge({ all, processes, concurrency, lease, every, restarts }: Restarting) {
  const server = await startPostgres()
  const { address } = server
  await using fleet = new Fleet({ address, lease, concurrency, log: true })
  const { orchestrator, job } = await desk(address)
  await fleet.start(processes)
  await submitAll(orchestrator, job, all)
  let left = 0
  let done = 0
  for (; done < restarts; done++) {
    await sleep(every)
    const before = await unfinished(orchestrator)
    if (before === 0) break
    left = before
    await server.stop(done % 2 === 0 ? 'immediate' : 'fast')
    await server.startAgain()
    // The reader of this test is as much cut off as anybody.
    await until(async () => (await unfinished(orchestrator).catch(() => -1)) >= 0)
  }
  await until(async () => (await unfinished(orchestrator)) === 0, 120_000)
  const wrong = await judgeJobs(orchestrator, all, fleet.ledger.read())
  const counts: Record<string, number> = {}
  for (const line of readFileSync(fleet.log, 'utf8').split('\n').slice(0, -1)) {
    const { event } = JSON.parse(line) as { event: string }
    counts[event] = (counts[event] ?? 0) + 1
  }
  await orchestrator.close()
  await fleet.end()
  await server.remove()
  return { wrong, left, done, counts }
}
