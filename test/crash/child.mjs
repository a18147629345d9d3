/**
 * One orchestrator in a process of its own that runs one saga, and dies where it is told to.
 *
 *   node child.mjs '{ "address", "ledger", "saga", "dieAt"?, "signal"?, "thread"?, "drain"?, "lease"? }'
 *
 * Its stdout is the report: a JSON line for each boundary it dies at, for the acknowledgement of the submit, for the end of the saga,
 * and at last for the boundaries that it passed. All of it is written synchronously.
 */
import { writeSync } from 'node:fs'
import { ClosedError, Orchestrator } from 'backstep'
import { LedgerFile } from '../support/ledger-file.mjs'
import { sharedStore } from '../support/shared-store.mjs'
import { withBoundaries } from '../support/wrapped-store.mjs'
import { sagasOf } from './sagas.mjs'

const {
  address,
  ledger,
  saga,
  dieAt,
  signal = 'SIGKILL',
  thread = false,
  drain = 0,
  lease,
} = JSON.parse(process.argv[2])
const report = (line) => writeSync(1, `${JSON.stringify(line)}\n`)

const trail = []
function point(where) {
  if (trail.push(where) !== dieAt) return
  report({ diedAt: dieAt, where })
  process.kill(process.pid, signal)
}

process.on('SIGTERM', () => {
  // It may come while the orchestrator is still being opened.
  opening.then((opened) => opened.close({ drain })).catch((error) => report({ broke: String(error) }))
})

const definition = sagasOf(new LedgerFile(ledger), point)[saga]
const store = withBoundaries(sharedStore(address, { thread }), point)
const opening = Orchestrator.open(store, { sagas: [definition], log: false, lease })
const orchestrator = await opening
try {
  const handle = await orchestrator.submit(definition, undefined, { id: saga })
  report({ acknowledged: handle.id })
  const { status } = await handle.outcome()
  report({ ended: status })
} catch (error) {
  // Told to close: the saga goes on in the next process.
  if (!(error instanceof ClosedError)) throw error
  report({ closed: true })
}
await orchestrator.close()
report({ trail })
