/**
 * What a saga costs on PostgreSQL, for docs/scaling.md: `npm run bench -- postgres` builds it, then
 * `node dist-bench/postgres/cost.js` prints a line of JSON for 1, 16, 64 and 256 sagas at a time.
 *
 * Invariant
 * - The processor time of the server is that of its processes, by /proc: so this runs on Linux, and with one PostgreSQL on the machine.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Store } from 'backstep'
import { postgresStore } from 'backstep/postgres'
import { openOn } from '../case.js'
import { keyed } from '../sagas.js'
import { median } from '../slices.js'
import { Server } from './server.js'

const seconds = 2.5
/** Of /proc: a hundredth of a second. */
const tick = 10_000

/** µs of all PostgreSQL processes that live. */
function serverTime(): number {
  let ticks = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = statOf(pid)
    if (!stat.includes('(postgres)')) continue
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks * tick
}

/** Empty for a process that has ended meanwhile. */
function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return ''
  }
}

async function costOf(clients: number): Promise<object> {
  await using server = await Server.start()
  const store: Store = postgresStore(server.address)
  const flushes: number[] = []
  const writes: number[] = []
  const apply = store.apply.bind(store)
  store.apply = async (batch) => {
    const begin = performance.now()
    const results = await apply(batch)
    flushes.push(performance.now() - begin)
    writes.push(batch.length)
    return results
  }
  await using orchestrator = await openOn(store, { concurrency: clients })
  const saga = keyed()
  let count = 0
  const loop = async (key: string, end: number) => {
    for (; performance.now() < end; count++) await orchestrator.run(saga, { key })
  }
  const run = (time: number) => {
    const end = performance.now() + time * 1_000
    return Promise.all(Array.from({ length: clients }, (_, i) => loop(`k${i}`, end)))
  }
  const walAt = async () =>
    Number((await server.query('SELECT pg_current_wal_lsn() - $$0/0$$ AS at'))[0]?.['at'])
  await run(1)
  flushes.length = writes.length = count = 0
  const [wal, there, here] = [await walAt(), serverTime(), process.cpuUsage()]
  await run(seconds)
  const own = process.cpuUsage(here)
  const [size] = await server.query(
    `SELECT sum(pg_total_relation_size(c.oid)) / (SELECT count(*) FROM backstep.sagas) AS kept
     FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'backstep' AND relkind = 'r'`,
  )
  return {
    clients,
    sagasPerSecond: Math.round(count / seconds),
    serverUs: Math.round((serverTime() - there) / count),
    workerUs: Math.round((own.user + own.system) / count),
    walBytes: Math.round(((await walAt()) - wal) / count),
    keptBytes: Math.round(Number(size?.['kept'])),
    writesOfFlush: median(writes),
    flushMs: Number(median(flushes).toFixed(2)),
  }
}

for (const clients of [1, 16, 64, 256]) process.stdout.write(`${JSON.stringify(await costOf(clients))}\n`)
