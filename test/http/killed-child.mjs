/**
 * A server that dies by SIGKILL as soon as a submit is stored, before it is answered: `node killed-child.mjs FILE kill`.
 */
import { Orchestrator, saga } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { serve } from '#dist/http/index.js'

const [file, kill] = process.argv.slice(2)
const store = sqliteStore(file)
const apply = store.apply.bind(store)
store.apply = async (writes) => {
  const results = await apply(writes)
  if (kill === 'kill' && writes.some(({ type }) => type === 'submit')) process.kill(process.pid, 'SIGKILL')
  return results
}
const trip = saga('trip').step('flight', { commit: () => 7, rollback: () => {} })
const startedAt = Date.now()
const orchestrator = await Orchestrator.open(store, { sagas: [trip], log: false })
const { url } = await serve(orchestrator, { port: 0 })
console.log(JSON.stringify({ url, startedAt }))
