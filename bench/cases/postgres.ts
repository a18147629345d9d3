/**
 * PostgreSQL: throughput against what a bare loop gets out of the same server, a fleet against one process, DBOS Transact, and
 * the time that a fleet takes to notice a death.
 */
import { type Bench, type Case, manyAtATime, manyRolledBack, oneAtATime, openOn } from '../case.js'
import type { ClosedLoop } from '../load.js'
import { Fleet } from '../postgres/fleet.js'
import { PostgresLimits } from '../postgres/limits.js'
import { Server } from '../postgres/server.js'
import { atLeast, atMost, type Bar, resultOf } from '../result.js'
import { Rival } from '../rivals/rival.js'
import { keyed } from '../sagas.js'
import { inTurn, type Slice } from '../slices.js'
import { killAmidst } from './recovery.js'

/** Slices of warm-up: the first second of a process is the compiler's. */
const warmUp = 4
/** ms; the default of the store. */
const lease = 5_000

export const postgresOne: Case = async (bench) => {
  await using server = await Server.start()
  await using orchestrator = await openOn(server.address)
  const loop = oneAtATime(orchestrator)
  const limits = await PostgresLimits.open(server.address)
  const ratio = await against(bench, loop, limits.one)
  await limits.close()
  return resultOf(bench.name, { ...loop.figures, ...ratio }, [atLeast('of the limit', ratio.ofLimit, 0.6)])
}

export const postgresMany: Case = async (bench) => {
  await using server = await Server.start()
  await using orchestrator = await openOn(server.address)
  const loop = manyAtATime(orchestrator)
  const limits = await PostgresLimits.open(server.address)
  const ratio = await against(bench, loop, limits.group)
  await limits.close()
  return resultOf(bench.name, { ...loop.figures, ...ratio }, [
    atLeast('of the limit', ratio.ofLimit, 0.4),
    await transactionsBar(bench, server, loop),
  ])
}

async function transactionsBar({ plan }: Bench, server: Server, loop: ClosedLoop): Promise<Bar> {
  const before = await server.transactions()
  const begin = performance.now()
  const perSecond = await loop.slice(plan.seconds * warmUp)
  const sagas = (perSecond * (performance.now() - begin)) / 1_000
  return atMost('transactions a saga', ((await server.transactions()) - before) / sagas, 0.2)
}

export const postgresManyRolledBack: Case = async (bench) => {
  await using server = await Server.start()
  await using orchestrator = await openOn(server.address)
  const good = manyAtATime(orchestrator)
  await good.warmUp(bench.plan.seconds * warmUp)
  const loop = manyRolledBack(orchestrator)
  const ratio = await against(bench, loop, good.slice)
  return resultOf(bench.name, { ...loop.figures, ...ratio }, [atLeast('of postgres-256', ratio.ofLimit, 0.6)])
}

/** Takes turns with the limit. */
async function against({ plan }: Bench, loop: ClosedLoop, limit: Slice) {
  await limit(plan.seconds)
  await loop.warmUp(plan.seconds * warmUp)
  const { first, ratio } = await inTurn(plan, limit, loop.slice)
  return { limitPerSecond: first, ofLimit: ratio }
}

export const postgresFleet: Case = async ({ name, plan }) => {
  await using server = await Server.start()
  const one = await Fleet.start(await server.database('one'), 1, 256)
  const four = await Fleet.start(await server.database('four'), 4, 64)
  await one.slice(plan.seconds * warmUp)
  await four.slice(plan.seconds * warmUp)
  const { first, second, ratio } = await inTurn(plan, one.slice, four.slice)
  await one.close()
  await four.close()
  const figures = { sagasPerSecond: second, limitPerSecond: first, ofLimit: ratio }
  return resultOf(name, figures, [atLeast('of one process with 256', ratio, 0.8)])
}

const besideDbos =
  (atOnce: 1 | 256, bar: number): Case =>
  async ({ name, plan }) => {
    await using server = await Server.start()
    const rival = Rival.start('dbos', await server.database('dbos'))
    await using orchestrator = await openOn(server.address)
    const loop = atOnce === 1 ? oneAtATime(orchestrator) : manyAtATime(orchestrator)
    const theirs = rival.slice(atOnce)
    await theirs(plan.seconds * warmUp)
    await loop.warmUp(plan.seconds * warmUp)
    const { first, second, ratio } = await inTurn(plan, loop.slice, theirs)
    await rival.close()
    const figures = { sagasPerSecond: second, limitPerSecond: first, ofLimit: ratio }
    return resultOf(name, figures, [atLeast('Backstep as a multiple of it', 1 / ratio, bar)])
  }

export const dbosOne = besideDbos(1, 3)
export const dbosMany = besideDbos(256, 20)

export const postgresFailover: Case = async (bench) => {
  const count = Math.max(10, Math.round(1_000 * bench.scale))
  await using server = await Server.start()
  let resumed = 0
  let last = Number.NaN
  const saga = keyed({
    first: () => {
      resumed++
      last = performance.now()
    },
  })
  const killed = await killAmidst(server.address, count, () =>
    openOn(server.address, { sagas: [saga], concurrency: count }),
  )
  await using _heir = killed.heir
  const until = killed.at + 4 * lease
  while (resumed < count && performance.now() < until) await new Promise((done) => setTimeout(done, 10))
  return resultOf(bench.name, {}, [
    atLeast('sagas resumed', resumed, count),
    atMost('all resumed after', (last - killed.at) / 1_000, (2 * lease) / 1_000, ' s'),
  ])
}
