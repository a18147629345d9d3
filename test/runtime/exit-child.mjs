/**
 * Opens an orchestrator, leaves it in the state it is told to, closes it, and does nothing more: the process must end by itself.
 *
 *   node exit-child.mjs '{ "address", "state": "idle" | "hangs" | "parked" | "waiting" | "unfinished" }'
 */
import { Orchestrator, saga } from 'backstep'

const { address, state } = JSON.parse(process.argv[2])
const never = () => new Promise(() => {})
const hangs = saga('hangs').step('one', { commit: never, rollback: never, timeout: '1h' })
const parked = saga('parked', { keys: () => [] }).step('one', {
  commit: () => {
    throw new Error('no')
  },
  rollback: () => {},
  retry: { attempts: 9, min: '1h' },
})

const orchestrator = await Orchestrator.open(address, {
  sagas: [hangs, parked],
  log: false,
  work: state !== 'waiting',
})
const quiet = (promise) => promise.catch(() => {})
if (state === 'hangs') await orchestrator.submit(hangs)
if (state === 'parked') await orchestrator.submit(parked)
if (state === 'waiting') quiet(orchestrator.run(hangs))
if (state === 'unfinished') quiet(orchestrator.run(parked, undefined, { wait: '10m' }))
await new Promise((resolve) => setTimeout(resolve, 100))
await orchestrator.close({ drain: 100 })
process.stdout.write(`closed ${Date.now()}\n`)
