/**
 * One process of a fleet: `node member.js ADDRESS FIRST CLIENTS` runs so many closed loops, with the keys from FIRST on, for as
 * long as a line of its stdin says (in seconds), and answers each line with how many sagas ended.
 *
 * Invariant: between two lines nothing of it is in flight.
 */
import { createInterface } from 'node:readline'
import { openOn } from '../case.js'
import { keyed } from '../sagas.js'

const [address = '', first = '0', clients = '1'] = process.argv.slice(2)
const saga = keyed()
const orchestrator = await openOn(address, { sagas: [saga], concurrency: Number(clients) })
let count = 0

async function loop(key: string, end: number): Promise<void> {
  while (performance.now() < end) {
    await orchestrator.run(saga, { key })
    count++
  }
}

process.stdout.write('ready\n')
for await (const line of createInterface(process.stdin)) {
  count = 0
  const end = performance.now() + Number(line) * 1_000
  await Promise.all(Array.from({ length: Number(clients) }, (_, i) => loop(`k${Number(first) + i}`, end)))
  process.stdout.write(`${count}\n`)
}
await orchestrator.close()
