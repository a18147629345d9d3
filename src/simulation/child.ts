/**
 * An orchestrator's process in a simulation of several, or of kills. It has the orchestrator and nothing else: trips are handed to it over a
 * pipe, and services answer it from other processes, so that killing it kills no more than an orchestrator.
 *
 * Invariant: it ends by SIGKILL, when it is told to close, or when its parent is gone.
 */
import { Orchestrator } from '../index.js'
import { feed } from './feed.js'
import type { Pong, Told } from './forked-process.js'
import { orchestratorOptions } from './orchestrator.js'
import { PipeAgency, type ToChild, type ToParent } from './pipe.js'
import { bookTrip } from './saga.js'

const send = (message: ToParent | Pong): void => {
  if (process.connected) process.send?.(message)
}
const agency = new PipeAgency(send)
const stop = new AbortController()

/** It may have been told to close while it was still opening. */
function onStop(close: () => void): void {
  if (stop.signal.aborted) close()
  else stop.signal.addEventListener('abort', close, { once: true })
}

async function begin({ store, plan, origins }: Extract<ToChild, { type: 'begin' }>): Promise<void> {
  const definition = await bookTrip(plan, origins ?? agency.call)
  const orchestrator = await Orchestrator.open(store, orchestratorOptions(definition, { ...plan, store }))
  const seen = orchestrator.on('entry', ({ entry }) => {
    if (entry.type !== 'started') return
    seen()
    send({ type: 'works' })
  })
  onStop(() => void orchestrator.close().finally(() => process.exit()))
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

process.on('message', (message: ToChild | Told) => {
  if (message.type === 'ping') send({ type: 'pong' })
  if (message.type === 'close') stop.abort()
  if (message.type === 'answer' || message.type === 'failure') agency.heard(message)
  if (message.type === 'begin') {
    begin(message).catch((error: unknown) => {
      send({ type: 'broke', message: String(error) })
      onStop(() => process.exit())
    })
  }
})
process.on('disconnect', () => stop.abort())
