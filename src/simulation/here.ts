/**
 * A simulation without kills: the orchestrator runs in this process, and so does the page that shows its sagas.
 */
import { Orchestrator } from '../index.js'
import type { Verdict } from './audit.js'
import { monotonic } from './clock.js'
import { feed } from './feed.js'
import { endsOf, orchestratorOptions, settle } from './orchestrator.js'
import { openPage } from './page.js'
import type { Run } from './run.js'
import { bookTrip } from './saga.js'

/** Books all trips, waits until every call has settled, and says what each saga came to. The orchestrator stays open. */
export async function runHere(run: Run): Promise<Verdict[]> {
  const { options, services, tally, stop } = run
  const definition = await bookTrip(options, services.at)
  const orchestrator = await Orchestrator.open(
    run.store,
    orchestratorOptions(definition, { ...options, store: run.store }),
  )
  run.open.push(() => orchestrator.close())
  await openPage(run, orchestrator)
  await feed(
    orchestrator,
    definition,
    { ...options, run: run.name, trips: tally.pending(options.sagas) },
    tally,
    stop,
  )
  run.booked = monotonic()
  if (stop.aborted) return tally.verdicts(options)
  await services.settled()
  await settle(orchestrator, run.name, stop)
  return tally.verdicts(options, await endsOf(orchestrator, run.name))
}
