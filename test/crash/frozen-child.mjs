/**
 * An orchestrator with a short lease and one saga. Says `calling` when its commit is under way; ends when its stdin does.
 *
 *   node frozen-child.mjs '{ "address", "ledger", "role": "freezes" | "takes over" }'
 *
 * The one that freezes books the flight late. The one that takes over is refused, and rolls back.
 */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, Rejected, saga } from 'backstep'
import { LedgerFile } from '../support/ledger-file.mjs'

const { address, ledger: path, role } = JSON.parse(process.argv[2])
const ledger = new LedgerFile(path)

const flight = saga('flight', { keys: () => ['seat'] }).step('book', {
  commit: async (context) => {
    ledger.write(context, 'begun')
    if (role === 'takes over') {
      ledger.write(context, 'rejected')
      throw new Rejected('sold out')
    }
    writeSync(1, 'calling\n')
    await sleep(400)
    ledger.write(context, 'committed')
    return { token: context.token }
  },
  rollback: (context) => {
    ledger.write(context, 'begun')
    ledger.write(context, 'rolled_back')
  },
  timeout: '1m',
})

const orchestrator = await Orchestrator.open(address, { sagas: [flight], log: false, lease: 900 })
if (role === 'freezes') await orchestrator.submit(flight, undefined, { id: 'a' })
writeSync(1, 'ready\n')
process.stdin.on('end', () => orchestrator.close({ drain: 0 }))
process.stdin.resume()
