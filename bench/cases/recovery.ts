/**
 * Recovery: a process is killed with SIGKILL while 100,000 of its sagas run, and the next one takes them over.
 *
 * They are running, not merely queued: the first commit of each was called and has not answered, so that each is in
 * doubt. The processes differ; name, version and shape of the definition are the same.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Case, fileIn, manyAtATime, openFile } from '../case.js'
import { Drain } from '../drain.js'
import { atLeast, atMost, resultOf } from '../result.js'
import { keyed } from '../sagas.js'
import { inTurn } from '../slices.js'

const unfinished = 100_000

export const sqliteRecovery: Case = async (bench) => {
  const { seconds } = bench.plan
  const count = Math.round(unfinished * bench.scale)
  await killAmidst(`sqlite:${fileIn(bench, 'killed')}`, count)
  await using orchestrator = await openFile(bench, 'store')
  const many = manyAtATime(orchestrator)
  await many.warmUp(seconds * 4)
  const drain = new Drain((hooks) => openFile(bench, 'killed', { sagas: [keyed(hooks)] }))
  const plan = { seconds, rounds: Number.POSITIVE_INFINITY }
  const { first, second, ratio } = await inTurn(plan, many.slice, drain.slice)
  const figures = { sagasPerSecond: second, limitPerSecond: first, ofLimit: ratio }
  return resultOf(bench.name, figures, [
    atMost('first one running', drain.firstAfter / 1_000, 1, ' s'),
    atLeast('of sqlite-256, drained', ratio, 0.5),
    atLeast('sagas ended', drain.drained, count),
  ])
}

/** Starts so many sagas in a process and kills it. `heir` is opened right before that. */
export async function killAmidst<Heir>(
  address: string,
  count: number,
  openHeir?: () => Promise<Heir>,
): Promise<{ readonly at: number; readonly heir: Heir | undefined }> {
  const victim = fileURLToPath(new URL('../victim.js', import.meta.url))
  const child = spawn(process.execPath, [victim, address, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let heir: Heir | undefined
  let at = Number.NaN
  for await (const line of createInterface(child.stdout)) {
    if (line !== 'running') continue
    heir = await openHeir?.()
    at = performance.now()
    child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  if (child.signalCode !== 'SIGKILL') throw new Error(`the victim ended by itself: ${child.exitCode}`)
  return { at, heir }
}
