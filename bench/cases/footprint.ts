/**
 * What it takes besides time: disk, a processor that idles, an event loop that is not held up.
 */
import { statSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { atOnce, type Case, fileIn, manyAtATime, openFile } from '../case.js'
import { atMost, resultOf } from '../result.js'
import { keyed, serial } from '../sagas.js'

/** The file after a checkpoint, without the inputs (the outputs are empty). */
export const disk: Case = async (bench) => {
  const sagas = Math.round(20_000 * bench.scale)
  const definition = keyed()
  const orchestrator = await openFile(bench, 'store')
  let payload = 0
  let next = 0
  const client = async (): Promise<void> => {
    while (next < sagas) {
      const input = { key: `k${next++}` }
      payload += JSON.stringify(input).length
      await orchestrator.run(definition, input)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, client))
  // Closing checkpoints: what is left of the WAL is empty.
  await orchestrator.close()
  const bytes = (statSync(fileIn(bench, 'store')).size - payload) / sagas
  return resultOf(bench.name, {}, [atMost('bytes a finished saga', bytes, 1_000)])
}

const idleBar = 0.02

/** An open orchestrator that has nothing to do: it looks for the work of others a few times a second. */
export const idle: Case = async (bench) => {
  await using orchestrator = await openFile(bench, 'store', { sagas: [keyed(), serial()] })
  await orchestrator.run(serial(), { key: 'k' })
  await sleep(bench.plan.seconds * 1_000)
  const before = process.cpuUsage()
  const begin = performance.now()
  await sleep(bench.plan.seconds * bench.plan.rounds * 1_000)
  const { user, system } = process.cpuUsage(before)
  const share = (user + system) / 1_000 / (performance.now() - begin)
  return resultOf(bench.name, {}, [atMost('of one core, idle', share, idleBar)])
}

/** How long another process holds the lock for writing, and how long it lets go, in ms. */
const lockFor = 200
const freeFor = 300

/**
 * The delay of timers while 256 sagas at a time are flushed; half of the time another connection holds the lock, so that
 * the store has to wait. The resolution of 1 ms is part of the figure.
 */
export const eventLoop: Case = async (bench) => {
  const { seconds, rounds } = bench.plan
  await using orchestrator = await openFile(bench, 'store')
  const loop = manyAtATime(orchestrator)
  await loop.warmUp(seconds * 4)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  for (let round = 0; round < rounds; round++) await loop.slice(seconds)
  delay.disable()
  const flushing = delay.percentile(99) / 1e6
  delay.reset()
  const other = new Database(fileIn(bench, 'store'))
  delay.enable()
  for (let round = 0; round < rounds; round++) {
    const slice = loop.slice((lockFor + freeFor) / 1_000)
    other.exec('BEGIN IMMEDIATE')
    await sleep(lockFor)
    other.exec('COMMIT')
    await slice
  }
  delay.disable()
  other.close()
  const locked = delay.percentile(99) / 1e6
  return resultOf(bench.name, loop.figures, [
    atMost('99th percentile of the delay', flushing, 10, ' ms'),
    atMost('the same while another holds the lock', locked, 10, ' ms'),
  ])
}
