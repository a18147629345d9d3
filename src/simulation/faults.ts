/**
 * What goes wrong in a call: a pure function of seed, saga, step, direction and attempt.
 *
 * Invariants
 * - The same seed draws the same faults in any order of execution, at any concurrency, and across kills.
 * - Each attempt draws anew, so that every rollback succeeds in the end.
 */
import { dice } from './dice.js'
import type { Direction, ServiceName } from './trip.js'

/** Bounds each call of a step, ms. Far above what a service takes, so that a timeout is nearly always a fault that was drawn. */
export const stepTimeout = 150
/** How long the orchestrator waits on for a call that it has given up, ms. */
export const grace = 60

export type Fault =
  | { readonly kind: 'none' }
  /** It says no before it has any effect. `final`: as a `Rejected`. */
  | { readonly kind: 'refused'; readonly final: boolean }
  | { readonly kind: 'lost_before' }
  | { readonly kind: 'lost_after' }
  /** No answer within the timeout; the effect lands `lands` ms after the call, or never (null). */
  | { readonly kind: 'hang'; readonly lands: number | null }

export interface Draw {
  readonly fault: Fault
  /** What the service takes where it does not hang, ms. */
  readonly latency: number
}

export interface Cast {
  readonly seed: number
  readonly saga: number
  readonly step: ServiceName
  readonly direction: Direction
  readonly attempt: number
}

export function draw({ seed, saga, step, direction, attempt }: Cast, failureRate: number): Draw {
  const next = dice(`${seed}/${saga}/${step}/${direction}/${attempt}`)
  const latency = Math.floor(next() * 4)
  return { latency, fault: next() < failureRate ? faultOf(next(), next()) : { kind: 'none' } }
}

/** Hangs are the rarest: a trip that meets one takes twenty times as long. */
function faultOf(kind: number, detail: number): Fault {
  if (kind < 0.35) return { kind: 'refused', final: detail < 0.5 }
  if (kind < 0.6) return { kind: 'lost_before' }
  if (kind < 0.85) return { kind: 'lost_after' }
  return { kind: 'hang', lands: landing(detail) }
}

/** A third within the grace, a third after it, a third never. */
function landing(detail: number): number | null {
  if (detail < 1 / 3) return Math.floor(stepTimeout + detail * 3 * grace * 0.8)
  if (detail < 2 / 3) return Math.floor(stepTimeout + grace + (detail * 3 - 1) * 200)
  return null
}
