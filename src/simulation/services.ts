/**
 * The three services: flight, hotel and payment, each with its own books behind the barrier, and their faults.
 *
 * Invariants
 * - Every effect goes through the barrier, in the transaction of the service's own books.
 * - A call that hangs goes on after its caller has given up, as real services do: it ignores every signal.
 * - `settled` waits for all effects that can still land. A call that never answers has none.
 */
import { join } from 'node:path'
import { barrier } from '../barrier/index.js'
import { Rejected } from '../index.js'
import { Books, type Opening } from './books.js'
import { pause } from './clock.js'
import { draw, type Fault } from './faults.js'
import { Hostage, type IsGone } from './hostage.js'
import type { SimulationOptions } from './options.js'
import {
  type Agency,
  type Booking,
  type Direction,
  flights,
  highestPrice,
  hotels,
  type Origins,
  type ServiceCall,
  type ServiceName,
  services,
  travellersOf,
} from './trip.js'

/** What was drawn and what came of it. */
export interface FaultCounts {
  /** Calls of the services, in all. */
  calls: number
  commitFailures: number
  rollbackFailures: number
  /** Of both: calls that hung past their timeout. */
  timeouts: number
  /** Calls that the barrier answered from its records. */
  duplicates: number
  /** Commits that the barrier refused, for their rollback had come first. */
  lateRefused: number
}

interface Service {
  readonly books: Books
  readonly guard: ReturnType<typeof barrier>
}

/** The services of a run, in this process or in their own. */
export interface ServicesOfRun {
  /** Where to book: by a function, or at these addresses. */
  readonly at: Agency | Origins
  readonly counts: FaultCounts
  /** Somebody was killed: what the dead had asked for goes on. `isFree`: nobody will be any more. */
  release(isFree: boolean): void
  /** Resolves once no effect is under way. */
  settled(): Promise<void>
  /** Kills the process of one with SIGKILL, and starts it again. True if it answered right before, and died of this. */
  kill?(): Promise<boolean>
  close(): void | Promise<void>
}

export const noCounts = (): FaultCounts => ({
  calls: 0,
  commitFailures: 0,
  rollbackFailures: 0,
  timeouts: 0,
  duplicates: 0,
  lateRefused: 0,
})

export const booksFile = (folder: string, service: ServiceName): string => join(folder, `${service}.db`)

export class Services implements ServicesOfRun {
  readonly counts = noCounts()
  readonly at: Agency = (call, isGone) => this.call(call, isGone)
  readonly #hostage: Hostage
  readonly #options: SimulationOptions
  readonly #services: ReadonlyMap<ServiceName, Service>
  readonly #going = new Set<Promise<unknown>>()

  /** `names`: only these. */
  constructor(folder: string, options: SimulationOptions, names: readonly ServiceName[] = services) {
    this.#options = options
    this.#hostage = new Hostage(options)
    const open = (service: ServiceName): [ServiceName, Service] => {
      const books = new Books(booksFile(folder, service), openingsOf(service, options))
      return [service, { books, guard: barrier(books.db) }]
    }
    this.#services = new Map(names.map(open))
  }

  /** Does what the call asks for, unless the dice are against it. */
  call(call: ServiceCall, isGone: IsGone = () => false): Promise<Booking | null> {
    const cast = { seed: this.#options.seed, saga: call.trip, step: call.service, ...call }
    const { fault, latency } = draw(cast, this.#options.failureRate)
    this.#count(call.direction, fault)
    if (fault.kind === 'hang' && fault.lands === null) return new Promise(() => {})
    const answer = this.#hostage.mayCall(call.trip, isGone).then(() => this.#answer(call, fault, latency))
    // Its failure is the caller's to handle; here it only counts as under way.
    const going: Promise<void> = answer.then(nothing, nothing).then(() => void this.#going.delete(going))
    this.#going.add(going)
    return answer
  }

  /** Resolves once no effect is under way. */
  async settled(): Promise<void> {
    while (this.#going.size > 0) await Promise.all(this.#going)
  }

  release(isFree: boolean): void {
    this.#hostage.release(isFree)
  }

  close(): void {
    for (const { books } of this.#services.values()) books.close()
  }

  async #answer(call: ServiceCall, fault: Fault, latency: number): Promise<Booking | null> {
    const takes = fault.kind === 'hang' ? (fault.lands ?? 0) : latency
    if (takes > 0) await pause(takes)
    if (fault.kind === 'refused') throw refusal(call, fault.final)
    if (fault.kind === 'lost_before') throw lost(call)
    const answer = this.#act(call)
    if (fault.kind === 'lost_after') throw lost(call)
    return answer
  }

  #act(call: ServiceCall): Booking | null {
    let ran = false
    const service = this.#services.get(call.service)
    if (!service) throw new Error(`there is no service ${call.service} here`)
    const { books, guard } = service
    const move = (direction: Direction, booking: Booking): Booking => {
      ran = true
      books.transfer(call.trip, direction, booking)
      return booking
    }
    const answer = this.#refused(() =>
      call.order
        ? guard.commit(call, () => move('commit', call.order as Booking))
        : (guard.rollback(call, ({ from, to, amount }: Booking) =>
            move('rollback', { from: to, to: from, amount }),
          ) ?? null),
    )
    if (!ran && answer !== null) this.counts.duplicates++
    return answer
  }

  #refused<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ROLLED_BACK_ALREADY') this.counts.lateRefused++
      throw error
    }
  }

  #count(direction: Direction, { kind }: Fault): void {
    this.counts.calls++
    if (kind === 'none') return
    if (kind === 'hang') this.counts.timeouts++
    if (direction === 'commit') this.counts.commitFailures++
    else this.counts.rollbackFailures++
  }
}

const nothing = (): void => {}

/** Enough of everything: what a trip cannot have for want of seats would look like a fault that nobody drew. */
function openingsOf(service: ServiceName, { sagas, keys }: SimulationOptions): Opening[] {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
  if (service === 'payment') {
    const wallets = numbers(travellersOf(keys)).map((n): Opening => [`traveller-${n}`, sagas * highestPrice])
    return [...wallets, ['agency', 0]]
  }
  return numbers(service === 'flight' ? flights : hotels).flatMap((n): Opening[] => [
    [`${service}-${n}/free`, sagas],
    [`${service}-${n}/sold`, 0],
  ])
}

function refusal({ service, direction }: ServiceCall, final: boolean): Error {
  if (direction === 'rollback') return new Error(`${service}: cannot be cancelled right now`)
  const message = `${service}: ${{ flight: 'no seat left', hotel: 'no room left', payment: 'card declined' }[service]}`
  return final ? new Rejected(message) : new Error(message)
}

const lost = ({ service }: ServiceCall): Error =>
  Object.assign(new Error(`${service}: socket hang up`), { code: 'ECONNRESET' })
