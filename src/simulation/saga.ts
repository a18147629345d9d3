/**
 * The saga that books a trip: a flight, a hotel, then the payment of both.
 *
 * Invariant: it knows the services only as an `Agency`, in this process or in another one behind a pipe, or by their addresses.
 */
import { type CommitContext, type RollbackContext, saga } from '../index.js'
import { stepTimeout } from './faults.js'
import { type Agency, type Booking, type Origins, orders, type ServiceName, type Trip } from './trip.js'

export interface TripPolicy {
  readonly concurrency: number
  readonly keys: number
}

/** Serial trips declare no keys: they overlap with nothing. Others contend for their traveller, or for nothing at all. */
function keysOf({ concurrency, keys }: TripPolicy): { keys?: (trip: Trip) => string[] } {
  if (keys > 0) return { keys: ({ traveller }) => [`traveller:${traveller}`] }
  return concurrency > 1 ? { keys: ({ index }) => [`trip:${index}`] } : {}
}

/** Failing rollbacks are tried again soon: the services of a simulation recover at once. */
const rollbackRetry = { min: 5, max: 100 }

export type BookTrip = ReturnType<typeof bookBy>

export const bookTrip = (policy: TripPolicy, at: Agency | Origins): BookTrip | Promise<BookTrip> =>
  typeof at === 'function' ? bookBy(policy, at) : bookRemotely(policy, at)

const patience = (attempts: number) => ({
  timeout: stepTimeout,
  retry: { attempts, min: 5, max: 50 },
  rollbackRetry,
})

/** The hotel is asked twice before the trip turns back, so that a doubt followed by a refusal or a success happens too. */
function bookBy(policy: TripPolicy, agency: Agency) {
  const step = (service: ServiceName, attempts: number) => ({
    commit: (context: CommitContext<Trip, unknown>) =>
      agency({ ...callOf(service, context), direction: 'commit', order: orders[service](context.input) }),
    rollback: (context: RollbackContext<Trip, unknown, Booking | null>) =>
      agency({ ...callOf(service, context), direction: 'rollback', commitKey: context.commitKey }),
    ...patience(attempts),
  })
  return saga<Trip>('book-trip', keysOf(policy))
    .step('flight', step('flight', 1))
    .step('hotel', step('hotel', 2))
    .step('payment', step('payment', 1))
}

/** The same over HTTP: each step is two requests to a service that runs elsewhere. */
async function bookRemotely(policy: TripPolicy, origins: Origins): Promise<BookTrip> {
  const { remote } = await import('../http/index.js')
  const step = (service: ServiceName, attempts: number) =>
    remote<Booking | null, Trip, unknown>({
      commit: {
        url: `${origins[service]}/bookings`,
        body: ({ input }) => ({ trip: input.index, order: orders[service](input) }),
      },
      rollback: { url: `${origins[service]}/cancellations`, body: ({ input }) => ({ trip: input.index }) },
      allow: [origins[service]],
      ...patience(attempts),
    })
  return saga<Trip>('book-trip', keysOf(policy))
    .step('flight', step('flight', 1))
    .step('hotel', step('hotel', 2))
    .step('payment', step('payment', 1))
}

function callOf(service: ServiceName, context: CommitContext<Trip, unknown>) {
  const { input, attempt, idempotencyKey, token } = context
  return { service, trip: input.index, attempt, idempotencyKey, token }
}
