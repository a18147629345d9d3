/**
 * The process that is weighed: `node rss.js FILE keyed|serial` runs sagas while it submits some, and prints its RSS in MB.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sqliteStore } from 'backstep/sqlite'
import { openOn } from './case.js'
import { keyed, serial } from './sagas.js'

const [file = '', kind = ''] = process.argv.slice(2)
const submits = 2_000
const clients = 64
/** Long enough for several claims. */
const after = 1_000

const definition = kind === 'serial' ? serial() : keyed()
const orchestrator = await openOn(sqliteStore(file), { sagas: [definition] })
let next = 0
async function client(): Promise<void> {
  while (next++ < submits) await orchestrator.submit(definition, { key: `rss${next}` })
}
await Promise.all(Array.from({ length: clients }, client))
await sleep(after)
process.stdout.write(`${process.memoryUsage.rss() / 1e6}\n`)
await orchestrator.close({ drain: 0 })
