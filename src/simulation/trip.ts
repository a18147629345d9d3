/**
 * A trip: what it is about, what it asks of the services, and how they are called.
 *
 * Invariant: what trip `i` is about follows from the seed and `i` alone.
 */
import { dice } from './dice.js'

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

/** Who carries calls to the services. `isGone`: whether nobody waits for the answer any more. */
export type Agency = (call: ServiceCall, isGone?: () => boolean) => Promise<Booking | null>

/** Where each service is, if it is to be booked at over HTTP. */
export type Origins = Readonly<Record<ServiceName, string>>

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
