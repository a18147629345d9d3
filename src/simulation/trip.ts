/**
 * A trip, and the saga that books it: a flight, a hotel, then the payment of both.
 *
 * Invariants
 * - What trip `i` is about follows from the seed and `i` alone.
 * - The definition knows the services only as an `Agency`: in this process, or in another one behind a pipe.
 */
import { type CommitContext, type RollbackContext, saga } from '../index.js'
import { dice, stepTimeout } from './faults.js'

export const services = ['flight', 'hotel', 'payment'] as const
export type ServiceName = (typeof services)[number]
export type Direction = 'commit' | 'rollback'

/** Prices in cents. */
export type Trip = {
  readonly index: number
  readonly traveller: number
  readonly flight: number
  readonly hotel: number
  readonly seatPrice: number
  readonly roomPrice: number
}

/** What a service answers: what it moved, and from where to where in its books. */
export type Booking = {
  readonly from: string
  readonly to: string
  readonly amount: number
}

/** One call of a service. */
export interface ServiceCall {
  readonly service: ServiceName
  readonly direction: Direction
  readonly trip: number
  readonly attempt: number
  readonly idempotencyKey: string
  readonly commitKey?: string
  readonly token: number
  /** What a commit asks for. A rollback needs no more than its key: the service knows what it booked. */
  readonly order?: Booking
}

/** Who carries calls to the services. */
export type Agency = (call: ServiceCall) => Promise<Booking | null>

export const flights = 12
export const hotels = 8
export const highestPrice = 90_000
/** Where `--keys` does not say it. */
const defaultTravellers = 50

export const travellersOf = (keys: number): number => keys || defaultTravellers

export function tripOf(seed: number, index: number, keys: number): Trip {
  const next = dice(`${seed}/${index}/trip`)
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    index,
    traveller: 1 + below(travellersOf(keys)),
    flight: 1 + below(flights),
    hotel: 1 + below(hotels),
    seatPrice: 5_000 + below(40_000),
    roomPrice: 5_000 + below(40_000),
  }
}

/** What the commit of each step moves: a seat, a room, the price of both. */
export const orders: Readonly<Record<ServiceName, (trip: Trip) => Booking>> = {
  flight: ({ flight }) => ({ from: `flight-${flight}/free`, to: `flight-${flight}/sold`, amount: 1 }),
  hotel: ({ hotel }) => ({ from: `hotel-${hotel}/free`, to: `hotel-${hotel}/sold`, amount: 1 }),
  payment: ({ traveller, seatPrice, roomPrice }) => ({
    from: `traveller-${traveller}`,
    to: 'agency',
    amount: seatPrice + roomPrice,
  }),
}

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

/** The hotel is asked twice before the trip turns back, so that a doubt followed by a refusal or a success happens too. */
export function bookTrip(policy: TripPolicy, agency: Agency) {
  const step = (service: ServiceName, attempts: number) => ({
    commit: (context: CommitContext<Trip, unknown>) =>
      agency({ ...callOf(service, context), direction: 'commit', order: orders[service](context.input) }),
    rollback: (context: RollbackContext<Trip, unknown, Booking | null>) =>
      agency({ ...callOf(service, context), direction: 'rollback', commitKey: context.commitKey }),
    timeout: stepTimeout,
    retry: { attempts, min: 5, max: 50 },
    rollbackRetry,
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
