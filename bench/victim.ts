/**
 * The process that is killed: `node victim.js ADDRESS COUNT` starts so many sagas whose first commit never answers.
 */
import { openOn } from './case.js'
import { hanging } from './sagas.js'

const [address = '', size = '0'] = process.argv.slice(2)
const count = Number(size)
/** Submits under way at a time. */
const clients = 1_000

let called = 0
const definition = hanging(() => {
  if (++called === count) process.stdout.write('running\n')
})
const orchestrator = await openOn(address, { concurrency: count })
let next = 0
async function client(): Promise<void> {
  while (next < count) await orchestrator.submit(definition, { key: `k${next++}` })
}
await Promise.all(Array.from({ length: clients }, client))
