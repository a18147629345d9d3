/**
 * Throughput: against the limit of the disk (sqlite-1, sqlite-1-inline, sqlite-256), of the good case (sqlite-256-rollback),
 * and of the processor alone (memory-256).
 */
import { memoryStore } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import {
  type Bench,
  type Case,
  fileIn,
  manyAtATime,
  manyRolledBack,
  oneAtATime,
  openFile,
  openOn,
} from '../case.js'
import { type Limits, openLimits } from '../limits.js'
import type { ClosedLoop } from '../load.js'
import { atLeast, atMost, type Bar, type Figures, resultOf } from '../result.js'
import { inTurn, type Slice } from '../slices.js'

/** Slices of warm-up: the first second of a process is the compiler's. */
const warmUp = 4

async function againstLimit(
  { folder, plan }: Bench,
  loop: ClosedLoop,
  pick: (limits: Limits) => Slice,
): Promise<Figures & { readonly ofLimit: number }> {
  const limits = openLimits(folder)
  const limit = pick(limits)
  await limit(plan.seconds)
  await loop.warmUp(plan.seconds * warmUp)
  const { first, ratio } = await inTurn(plan, limit, loop.slice)
  limits.close()
  return { ...loop.figures, limitPerSecond: first, ofLimit: ratio }
}

async function oneCase(bench: Bench, thread: boolean, bar: number) {
  await using orchestrator = await openOn(sqliteStore(fileIn(bench, 'store'), { thread }))
  const figures = await againstLimit(bench, oneAtATime(orchestrator), ({ one }) => one)
  return resultOf(bench.name, figures, [atLeast('of the limit', figures.ofLimit, bar)])
}

export const sqliteOne: Case = (bench) => oneCase(bench, true, 0.5)

export const sqliteOneInline: Case = (bench) => oneCase(bench, false, 0.75)

/** `cpu` judges the processor, the usual run the share of the limit; both print all figures. */
const manyCase =
  (barsOf: (figures: Figures & { ofLimit: number; cpuSecondsPer1000: number }) => Bar[]): Case =>
  async (bench) => {
    await using orchestrator = await openFile(bench, 'store')
    const loop = manyAtATime(orchestrator)
    const figures = await againstLimit(bench, loop, ({ group }) => group)
    return resultOf(bench.name, figures, barsOf({ ...figures, ...loop.figures }))
  }

export const sqliteMany = manyCase(({ ofLimit }) => [atLeast('of the limit', ofLimit, 0.5)])

export const processor = manyCase(({ cpuSecondsPer1000 }) => [
  atMost('processor of 1,000 sagas', cpuSecondsPer1000, 0.1, ' s'),
])

/** Here the limit is the same load without the rejection. */
export const sqliteManyRolledBack: Case = async (bench) => {
  const { plan } = bench
  await using orchestrator = await openFile(bench, 'store')
  const good = manyAtATime(orchestrator)
  const bad = manyRolledBack(orchestrator)
  await good.warmUp(plan.seconds * warmUp)
  await bad.warmUp(plan.seconds * warmUp)
  const { first, ratio } = await inTurn(plan, good.slice, bad.slice)
  const figures = { ...bad.figures, limitPerSecond: first, ofLimit: ratio }
  return resultOf(bench.name, figures, [atLeast('of sqlite-256', ratio, 0.6)])
}

export const memoryMany: Case = async (bench) => {
  const { seconds, rounds } = bench.plan
  await using orchestrator = await openOn(memoryStore())
  const loop = manyAtATime(orchestrator)
  await loop.warmUp(seconds * warmUp)
  for (let round = 0; round < rounds; round++) await loop.slice(seconds)
  const { figures } = loop
  return resultOf(bench.name, figures, [atLeast('sagas per second', figures.sagasPerSecond, 100_000)])
}
