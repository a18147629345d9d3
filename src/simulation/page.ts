/**
 * The operators' page of a run, for whoever watches: at its usual address, or at any that is free.
 */
import type { Orchestrator } from '../index.js'
import type { Run } from './run.js'

/** Opens it where somebody wants to be told of it; it stays until the run is closed. */
export async function openPage(run: Run, orchestrator: Orchestrator): Promise<void> {
  if (!run.opened) return
  // Loaded only here: most runs of the command line need no server.
  const { serve } = await import('../http/index.js')
  const server = await serve(orchestrator).catch(() => serve(orchestrator, { port: 0 }))
  run.page = server.url
  run.open.push(() => server.close({ drain: '1s' }))
  run.opened(run)
}
