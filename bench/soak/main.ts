/**
 * `npm run soak -- [--minutes 60] [--seed 1] [--plot soak.svg] [--json samples.jsonl] [--dir .]`: half of what the machine can run, for
 * an hour, under seeded faults; then memory, descriptors, the write-ahead log and timers must be where they were (scenario 43).
 *
 * Invariants
 * - The load is open: sagas come at half of the rate that was measured at the start, whether or not others have ended.
 * - Every saga is judged: committed with three steps, or rolled back with none. Ended sagas are pruned, as an operator would.
 * - The exit code is 0 only if all was flat, every saga has ended, none was judged wrong, and the faults did happen.
 */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Orchestrator, type Store } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { Command, InvalidArgumentError } from 'commander'
import { plot } from './plot.js'
import { judge, type Sample, sample } from './sample.js'
import { World } from './world.js'

const above0 = (text: string): number => {
  if (Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It is no number above 0.')
}
const values = new Command('npm run soak --')
  .description(
    'Half of what the machine can run, under seeded faults; then memory, files and timers must be where they were.',
  )
  .option('--minutes <n>', 'how long the load lasts', above0, 60)
  .option('--seed <n>', 'of the faults', above0, 1)
  .option('--plot <file>', 'draws the samples as SVG')
  .option('--json <file>', 'appends each sample as a line')
  .option(
    '--dir <folder>',
    'a folder on the disk that is used',
    fileURLToPath(new URL('..', import.meta.url)),
  )
  .parse()
  .opts<{ minutes: number; seed: number; plot?: string; json?: string; dir: string }>()
const { minutes } = values

const concurrency = 64
/** How long the rate of the machine is measured, and at most so long after the load the last saga ends, in s. */
const measureFor = Math.min(15, minutes * 15)
const lastEnd = 60
const sampleEvery = Math.max(0.5, minutes / 4)

const world = new World(values.seed)
const folder = mkdtempSync(join(values.dir, 'soak-'))
const file = join(folder, 'soak.sqlite')

/** The store, which now and then fails before or after a write. */
function unreliable(store: Store): Store {
  const apply: Store['apply'] = async (writes) => {
    if (world.strikes('storeFails')) throw new Error('planted: not written')
    const results = await store.apply(writes)
    if (world.strikes('storeFails')) throw new Error('planted: the answer was lost')
    return results
  }
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'apply') return apply
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const saga = world.saga
const orchestrator = await Orchestrator.open(unreliable(sqliteStore(file)), {
  sagas: [saga],
  concurrency,
  log: false,
  grace: '1s',
})

const wrong: string[] = []
const counts = { submitted: 0, committed: 0, rolled_back: 0 }
const underWay = new Set<string>()

/** The planted failures of the store reach whoever asked; anything else is wrong. */
function unlessPlanted(error: unknown): void {
  if ((error as { code?: string }).code !== 'STORE_UNAVAILABLE') throw error
}

async function one(): Promise<void> {
  const id = `trip-${++counts.submitted}`
  const input = { traveller: `t${counts.submitted % 5_000}` }
  underWay.add(id)
  for (;;) {
    try {
      const handle = await orchestrator.submit(saga, input, { id })
      const { status } = await handle.outcome()
      counts[status]++
      const standing = world.judge(id)
      if (standing !== (status === 'committed' ? 3 : 0))
        wrong.push(`${id} ${status}: ${standing} steps stand`)
      break
    } catch (error) {
      // The same id again is safe.
      unlessPlanted(error)
    }
  }
  underWay.delete(id)
}

/** Sagas a second with every place taken. */
async function capacity(): Promise<number> {
  const end = performance.now() + measureFor * 1_000
  const before = counts.committed + counts.rolled_back
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() < end) await one()
    }),
  )
  return (counts.committed + counts.rolled_back - before) / measureFor
}

async function load(rate: number, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = []
  const start = performance.now()
  let sent = 0
  let sampled = 0
  for (;;) {
    const now = (performance.now() - start) / 1_000
    if (now >= seconds) break
    for (; sent < now * rate; sent++) void one().catch((error: unknown) => wrong.push(String(error)))
    if (now >= sampled) {
      sampled += sampleEvery
      // Where a planted failure of the store is in the way, the next time does.
      await orchestrator.prune({ olderThan: '5s' }).catch(unlessPlanted)
      samples.push(sample(file, start, underWay.size, counts.committed + counts.rolled_back))
      if (values.json) appendFileSync(values.json, `${JSON.stringify(samples.at(-1))}\n`)
    }
    await sleep(5)
  }
  return samples
}

const full = await capacity()
const rate = full / 2
process.stderr.write(`${full.toFixed(0)} sagas/s at full load; ${minutes} minutes at ${rate.toFixed(0)}/s\n`)
const samples = await load(rate, minutes * 60)
for (let waited = 0; underWay.size > 0 && waited < lastEnd; waited++) await sleep(1_000)
await orchestrator.close()
rmSync(folder, { recursive: true })

if (underWay.size > 0) wrong.push(`${underWay.size} sagas have not ended`)
if (world.remembered > 0) wrong.push(`${world.remembered} effects belong to no saga`)
for (const fault of ['rejected', 'lost', 'hangs', 'late', 'rollbackFails', 'storeFails'])
  if (!world.faults[fault]) wrong.push(`the fault ${fault} never happened`)
const verdicts = judge(samples)
for (const { what, first, second, flat } of verdicts) {
  process.stdout.write(
    `${flat ? 'flat  ' : 'GROWS '} ${what.padEnd(12)} ${first.toFixed(1)} → ${second.toFixed(1)}\n`,
  )
  if (!flat) wrong.push(`${what} grows`)
}
const { submitted, committed, rolled_back } = counts
const caption = `${submitted.toLocaleString('en')} sagas in ${minutes} minutes at half load (${rate.toFixed(0)}/s), ${rolled_back.toLocaleString('en')} of them rolled back; seed ${values.seed}`
process.stdout.write(
  `${caption}; ${committed.toLocaleString('en')} committed\nfaults: ${JSON.stringify(world.faults)}\n`,
)
if (values.plot) writeFileSync(values.plot, plot(samples, caption))
for (const what of wrong.slice(0, 20)) process.stdout.write(`WRONG  ${what}\n`)
process.exitCode = wrong.length > 0 ? 1 : 0
