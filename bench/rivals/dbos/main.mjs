/**
 * DBOS Transact under the load that `npm run bench` gives to Backstep: a workflow of three no-op steps, each of them recorded, in
 * a closed loop over a PostgreSQL whose address is given. `node main.mjs` tells how it is called.
 *
 * Invariants
 * - DBOS as it is meant to be used, with nothing switched off but its log: a workflow is started and waited for in one process.
 *   A pool of 20 or of 50 instead of its default of 10 made no difference beyond the noise.
 * - Stdout holds one JSON object a line, and nothing else. A workflow that fails ends the run.
 * - `-` measures a slice for each line of stdin, so that two systems can take turns on one machine; meanwhile nothing runs here.
 */
import { createInterface } from 'node:readline'
import { DBOS } from '@dbos-inc/dbos-sdk'

const usage = `usage: node main.mjs ADDRESS AT_ONCE SECONDS    one slice, after a warm-up of as long
       node main.mjs ADDRESS -                  a slice for each line of stdin: AT_ONCE SECONDS
prints {"name": "dbos-AT_ONCE", "perSecond", "p50Ms", "p99Ms", "count"} for each slice`

const noop = async () => ({ ok: true })
const threeSteps = DBOS.registerWorkflow(
  async (_input) => {
    await DBOS.runStep(noop, { name: 'first' })
    await DBOS.runStep(noop, { name: 'second' })
    return await DBOS.runStep(noop, { name: 'third' })
  },
  { name: 'three-steps' },
)

/** `atOnce` loops until the time is up; each ends what it has begun. */
async function slice(atOnce, seconds) {
  const times = []
  const start = performance.now()
  const end = start + seconds * 1_000
  const client = async (number) => {
    const input = { key: `k${number}` }
    for (let at = performance.now(); at < end; ) {
      const { ok } = await threeSteps(input)
      if (!ok) throw new Error('a workflow did not end as it should')
      const now = performance.now()
      times.push(now - at)
      at = now
    }
  }
  await Promise.all(Array.from({ length: atOnce }, (_, number) => client(number)))
  return resultOf(atOnce, times, (performance.now() - start) / 1_000)
}

function resultOf(atOnce, times, seconds) {
  times.sort((a, b) => a - b)
  const at = (share) => round(times[Math.min(times.length - 1, Math.floor(times.length * share))])
  return {
    name: `dbos-${atOnce}`,
    perSecond: round(times.length / seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    count: times.length,
  }
}

const round = (value) => Number(value.toPrecision(4))

const print = (result) => process.stdout.write(`${JSON.stringify(result)}\n`)

function numbers(words) {
  const [atOnce, seconds] = words.map(Number)
  if (words.length === 2 && Number.isInteger(atOnce) && atOnce > 0 && seconds > 0) return [atOnce, seconds]
  process.stderr.write(`${usage}\n`)
  process.exit(2)
}

async function launch(address) {
  DBOS.setConfig({
    name: 'bench',
    applicationVersion: '1',
    systemDatabaseUrl: address,
    // What it says goes to stdout.
    logLevel: 'error',
  })
  await DBOS.launch()
}

const [address, ...words] = process.argv.slice(2)
const isServed = words.length === 1 && words[0] === '-'
const asked = isServed ? undefined : numbers(words)
await launch(address)
if (asked) {
  await slice(...asked)
  print(await slice(...asked))
} else {
  for await (const line of createInterface(process.stdin))
    print(await slice(...numbers(line.trim().split(/\s+/))))
}
await DBOS.shutdown()
