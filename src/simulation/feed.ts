/**
 * Hands trips to an orchestrator: a closed loop that keeps a bounded number of them submitted.
 *
 * Invariants
 * - Submits are called in the order of the trips; a trip that was submitted before is found again by its id.
 * - It ends when every outcome was answered, or when `stop` aborts: then it submits nothing more, and waits for nobody.
 */
import type { Orchestrator } from '../index.js'
import type { BookTrip, TripPolicy } from './saga.js'
import { tripOf } from './trip.js'

export interface FeedPlan extends TripPolicy {
  readonly seed: number
  /** The name of this run: part of every saga's id. */
  readonly run: string
  readonly trips: Iterable<number>
}

export interface FeedListener {
  submitted(trip: number): void
  ended(trip: number, status: 'committed' | 'rolled_back'): void
}

export const sagaId = (run: string, trip: number | ''): string => `trip-${run}-${trip}`

/** Enough behind the ones that run that nobody waits for a submit, few enough that memory stays flat. */
const windowOf = (concurrency: number): number => Math.max(16, 2 * concurrency)

export async function feed(
  orchestrator: Orchestrator,
  definition: BookTrip,
  plan: FeedPlan,
  listener: FeedListener,
  stop: AbortSignal,
): Promise<void> {
  const trips = plan.trips[Symbol.iterator]()
  const book = async (): Promise<void> => {
    for (let next = trips.next(); !next.done && !stop.aborted; next = trips.next()) {
      const trip = next.value
      const handle = await orchestrator.submit(definition, tripOf(plan.seed, trip, plan.keys), {
        id: sagaId(plan.run, trip),
      })
      listener.submitted(trip)
      const { status } = await handle.outcome()
      listener.ended(trip, status)
    }
  }
  const all = Promise.all(Array.from({ length: windowOf(plan.concurrency) }, book))
  await Promise.race([all, aborted(stop)])
}

/** Resolves when the signal aborts. What the abandoned loop throws from then on (closed) is nobody's concern. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
