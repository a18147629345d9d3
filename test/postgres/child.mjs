/**
 * A process of a fleet: runs jobs until its stdin ends, or SIGTERM; then it closes in order. Says `ready` and its wall clock.
 *
 *   node child.mjs '{ "address", "ledger", "lease", "concurrency", "log", "drain" }'
 *
 * Each line of its stdin is a saga to submit: { "id", "input", "deadline" }. `log` names a file for what the orchestrator has to say.
 */
import { appendFileSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Orchestrator } from 'backstep'
import { LedgerFile } from '../support/ledger-file.mjs'
import { jobSaga } from './jobs.mjs'

const { address, ledger, lease, concurrency = 16, log, drain = '5s' } = JSON.parse(process.argv[2])
const job = jobSaga(new LedgerFile(ledger, { sync: false }))

/** One line a record, of what a person would be told: from `warn` on. */
const write = (level) => (fields, message) =>
  appendFileSync(
    log,
    `${JSON.stringify({ level, message, event: fields?.event, code: fields?.err?.code })}\n`,
  )
const ignore = () => {}
const logger = { debug: ignore, info: ignore, trace: ignore, warn: write('warn'), error: write('error') }

const orchestrator = await Orchestrator.open(address, {
  sagas: [job],
  concurrency,
  lease,
  log: log === undefined ? false : logger,
})
let isClosing = false
async function close() {
  if (isClosing) return
  isClosing = true
  await orchestrator.close({ drain })
  process.exit(0)
}
process.on('SIGTERM', close)
createInterface(process.stdin)
  .on('line', (line) => {
    const { id, input, deadline } = JSON.parse(line)
    orchestrator.submit(job, input, { id, ...(deadline === undefined ? {} : { deadline }) })
  })
  .on('close', close)
writeSync(1, `ready ${Date.now()}\n`)
