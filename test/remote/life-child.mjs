/**
 * Runs the sagas of a definition file over a store until it is killed: `node life-child.mjs file store id`.
 */
import { Orchestrator } from 'backstep'
import { loadDefinitions } from 'backstep/http'

const [file, store, id] = process.argv.slice(2)
const sagas = loadDefinitions(file)
const orchestrator = await Orchestrator.open(store, { sagas, log: false })
await orchestrator.submit(sagas[0], { to: 'LIS' }, { id, trace: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` })
