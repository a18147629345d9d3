/**
 * An orchestrator's process in a simulation of several, or of kills. It has the orchestrator and nothing else: trips are handed to it and
 * services answer it over a pipe, so that killing it kills no more than an orchestrator.
 *
 * Invariant: it ends by SIGKILL, when it is told to close, or when its parent is gone; never by a signal meant for the parent.
 */
import { Orchestrator } from '../index.js'
import { feed } from './feed.js'
import { orchestratorOptions } from './orchestrator.js'
import { PipeAgency, type ToChild, type ToParent } from './pipe.js'
import { bookTrip } from './saga.js'

const send = (message: ToParent): void => {
  if (process.connected) process.send?.(message)
}
const agency = new PipeAgency(send)
const stop = new AbortController()

async function begin({ store, plan }: Extract<ToChild, { type: 'begin' }>): Promise<void> {
  const definition = bookTrip(plan, agency.call)
  const orchestrator = await Orchestrator.open(store, orchestratorOptions(definition, { ...plan, store }))
  stop.signal.addEventListener('abort', () => void orchestrator.close().finally(() => process.exit()))
  await feed(
    orchestrator,
    definition,
    plan,
    {
      submitted: (trip) => send({ type: 'submitted', trip }),
      ended: (trip, status) => send({ type: 'ended', trip, status }),
    },
    stop.signal,
  )
  send({ type: 'done' })
}

process.on('message', (message: ToChild) => {
  agency.heard(message)
  if (message.type === 'ping') send({ type: 'pong' })
  if (message.type === 'close') stop.abort()
  if (message.type === 'begin') {
    begin(message).catch((error: unknown) => send({ type: 'broke', message: String(error) }))
  }
})
process.on('disconnect', () => stop.abort())
// A terminal sends Ctrl-C to both processes; the parent decides for both.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
