/**
 * A process whose disk runs full and gets room again, while one saga is at work and another is submitted.
 *
 *   node full-child.mjs '{ "file", "fault", "thread" }'   and a report as one line of JSON on stdout
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, saga } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { FaultFile } from '../support/shim-fault.mjs'

const { file, fault, thread } = JSON.parse(process.argv[2])
const disk = new FaultFile(fault)
const report = { alarms: 0, allClear: 0, calls: [] }

let finish
const finished = new Promise((resolve) => {
  finish = resolve
})
const definition = saga('slow', { keys: ({ key }) => [key] })
  .step('one', {
    commit: async ({ sagaId }) => {
      report.calls.push(`${sagaId} one`)
      if (sagaId === 'running') await finished
    },
    rollback: () => {},
  })
  .step('two', { commit: ({ sagaId }) => void report.calls.push(`${sagaId} two`), rollback: () => {} })

const orchestrator = await Orchestrator.open(sqliteStore(file, { thread }), {
  sagas: [definition],
  log: false,
})
orchestrator.on('unavailable', () => report.alarms++)
orchestrator.on('available', () => report.allClear++)
const running = await orchestrator.submit(definition, { key: 'a' }, { id: 'running' })
const end = running.outcome()
while (report.calls.length === 0) await sleep(1)

disk.order({ kinds: ['write'], at: 1, times: 1_000_000_000, error: 'ENOSPC' })
const refused = await orchestrator.submit(definition, { key: 'b' }, { id: 'refused' }).catch((error) => error)
report.refusal = { code: refused.code, hint: refused.hint }
finish()
await sleep(400)
report.meanwhile = (await orchestrator.get('running'))?.status
report.stored = (await orchestrator.get('refused')) !== undefined
report.alarmsWhileFull = report.alarms
report.failedWrites = disk.failed

disk.lift()
report.ended = (await end).status
const again = await orchestrator.submit(definition, { key: 'b' }, { id: 'refused' })
report.again = (await again.outcome()).status
await orchestrator.close()
console.log(JSON.stringify(report))
