/**
 * What an orchestrator's process and its parent say to each other, where it may be killed. With `--in-process` the services live in the
 * parent, and are called over this pipe, too: so they survive, and what a killed process had asked for still lands.
 *
 * Invariant: only JSON crosses; an error keeps what an orchestrator judges it by: whether it is a `Rejected`, and its code.
 */
import { Rejected } from '../index.js'
import type { FeedPlan } from './feed.js'
import type { Agency, Booking, Origins, ServiceCall } from './trip.js'

export interface Failure {
  readonly message: string
  readonly code: string | undefined
  readonly rejected: boolean
}

export type ToChild =
  | {
      readonly type: 'begin'
      readonly store: string
      readonly plan: FeedPlan & { readonly trips: number[] }
      /** Absent: at services behind this pipe. */
      readonly origins?: Origins
    }
  | { readonly type: 'answer'; readonly id: number; readonly booking: Booking | null }
  | { readonly type: 'failure'; readonly id: number; readonly failure: Failure }

export type ToParent =
  | { readonly type: 'call'; readonly id: number; readonly call: ServiceCall }
  /** It is about to call a service for the first time. */
  | { readonly type: 'works' }
  | { readonly type: 'submitted'; readonly trip: number }
  | { readonly type: 'ended'; readonly trip: number; readonly status: 'committed' | 'rolled_back' }
  /** Every outcome was answered. */
  | { readonly type: 'done' }
  | { readonly type: 'broke'; readonly message: string }

const rejectedBrand = Symbol.for('backstep.rejected')

/** For the pipe, in the parent. */
export function failureOf(error: unknown): Failure {
  const {
    message,
    code,
    [rejectedBrand]: rejected,
  } = error as Error & {
    readonly code?: string
    readonly [rejectedBrand]?: boolean
  }
  return { message, code, rejected: rejected === true }
}

function errorOf({ message, code, rejected }: Failure): Error {
  const error = rejected ? new Rejected(message) : new Error(message)
  return code === undefined ? error : Object.assign(error, { code })
}

/** The services, as the child sees them: calls go out, answers come back in any order, late, or never. */
export class PipeAgency {
  readonly #send: (message: ToParent) => void
  readonly #waiting = new Map<number, PromiseWithResolvers<Booking | null>>()
  #lastId = 0

  constructor(send: (message: ToParent) => void) {
    this.#send = send
  }

  readonly call: Agency = (call) => {
    const id = ++this.#lastId
    const waiting = withResolvers<Booking | null>()
    this.#waiting.set(id, waiting)
    this.#send({ type: 'call', id, call })
    return waiting.promise
  }

  heard(message: ToChild): void {
    if (message.type === 'answer') this.#take(message.id)?.resolve(message.booking)
    if (message.type === 'failure') this.#take(message.id)?.reject(errorOf(message.failure))
  }

  #take(id: number): PromiseWithResolvers<Booking | null> | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }
}

interface PromiseWithResolvers<Value> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
  readonly reject: (error: Error) => void
}

/** Promise.withResolvers is not in Node 20. */
function withResolvers<Value>(): PromiseWithResolvers<Value> {
  let resolve!: (value: Value) => void
  let reject!: (error: Error) => void
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}
