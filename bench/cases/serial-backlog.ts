/**
 * A backlog of serial sagas: a worker drains it in slices, between slices of one saga at a time on another file.
 */
import { type Bench, type Case, oneAtATime, openFile } from '../case.js'
import { Drain } from '../drain.js'
import { atLeast, resultOf } from '../result.js'
import { serial } from '../sagas.js'
import { inTurn } from '../slices.js'

const backlog = 10_000

export const sqliteSerialBacklog: Case = async (bench) => {
  const { plan } = bench
  await fill(bench)
  const drain = new Drain((hooks) => openFile(bench, 'backlog', { sagas: [serial(hooks)] }))
  await using orchestrator = await openFile(bench, 'store')
  const one = oneAtATime(orchestrator)
  await one.warmUp(plan.seconds)
  await drain.slice(plan.seconds)
  const { first, second, ratio } = await inTurn(plan, one.slice, drain.slice)
  const figures = { sagasPerSecond: second, limitPerSecond: first, ofLimit: ratio }
  return resultOf(bench.name, figures, [atLeast('of sqlite-1', ratio, 0.7)])
}

async function fill(bench: Bench): Promise<void> {
  await using filler = await openFile(bench, 'backlog', { work: false })
  const definition = serial()
  const count = Math.round(backlog * bench.scale)
  await Promise.all(Array.from({ length: count }, (_, i) => filler.submit(definition, { key: `k${i}` })))
}
