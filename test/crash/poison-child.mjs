/**
 * An orchestrator with one poison saga and many innocent ones, all of them at once. The poison kills the process with SIGKILL.
 *
 *   node poison-child.mjs '{ "address", "ledger", "innocents", "poison": "commit" | "rollback", "deaths"? }'
 *
 * It ends with code 0 once every saga has ended. A poison rollback kills `deaths` times, counted in the ledger, and then works.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, saga } from 'backstep'
import { LedgerFile } from '../support/ledger-file.mjs'

const { address, ledger: path, innocents, poison, deaths = 0, lease } = JSON.parse(process.argv[2])
const ledger = new LedgerFile(path)
const quick = { min: 20, max: 40, factor: 1 }

const isPoison = ({ sagaId }) => sagaId === 'poison'
const die = () => process.kill(process.pid, 'SIGKILL')
const undone = () =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => /"poison".*"two".*"rollback".*"begun"/.test(line)).length

async function commit(context) {
  ledger.write(context, 'begun')
  await sleep(context.step === 'two' ? 30 : 5)
  if (isPoison(context) && context.step === 'two' && poison === 'commit') die()
  const refuses = isPoison(context) && context.step === 'three'
  ledger.write(context, refuses ? 'rejected' : 'committed')
  if (refuses) throw new Error('no')
}

async function rollback(context) {
  ledger.write(context, 'begun')
  await sleep(10)
  if (isPoison(context) && context.step === 'two' && poison === 'rollback' && undone() <= deaths) die()
  ledger.write(context, 'rolled_back')
}

const step = { commit, rollback, retry: { attempts: 1, ...quick }, rollbackRetry: quick }
const mixed = saga('mixed', { keys: () => [] })
  .step('one', step)
  .step('two', step)
  .step('three', step)

const orchestrator = await Orchestrator.open(address, {
  sagas: [mixed],
  log: false,
  concurrency: 16,
  lease,
})
const ids = ['poison', ...Array.from({ length: innocents }, (_, i) => `innocent-${i}`)]
const handles = await Promise.all(ids.map((id) => orchestrator.submit(mixed, undefined, { id })))
await Promise.all(handles.map((handle) => handle.outcome()))
await orchestrator.close()
