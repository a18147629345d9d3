/**
 * The headers that every request of a remote step carries: the wire contract of docs/participants.md.
 *
 * Invariants
 * - All of it follows from the call alone: a repeated attempt differs in its number and deadline, never in its keys.
 * - The saga's own id may hold any character: it is percent-encoded.
 */
import type { Scope } from './template.js'
import { traceparentOf } from './trace.js'

export type Direction = 'commit' | 'rollback' | 'verify'

export interface Call extends Scope {
  /** ms since 1970. */
  readonly deadline: number
  /** The submitter's `traceparent`, where it was said. */
  readonly trace?: string | undefined
}

/** Set by us or by the connection; a step cannot. */
export const reservedHeaders: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'expect'],
  ...['keep-alive', 'proxy-connection', 'proxy-authorization', 'accept-encoding', 'idempotency-key'],
  'traceparent',
])

export const isReserved = (name: string): boolean =>
  reservedHeaders.has(name.toLowerCase()) || name.toLowerCase().startsWith('x-backstep-')

export function wireHeaders(call: Call, direction: Direction): Record<string, string> {
  return {
    accept: 'application/json',
    // What is compressed would have to be unpacked before its size is known.
    'accept-encoding': 'identity',
    'user-agent': 'backstep',
    traceparent: traceparentOf(call.idempotencyKey, call.attempt, call.trace),
    'idempotency-key': call.idempotencyKey,
    'x-backstep-saga': encodeURIComponent(call.sagaId),
    'x-backstep-step': call.step,
    'x-backstep-direction': direction,
    'x-backstep-attempt': String(call.attempt),
    'x-backstep-commit-key': call.commitKey,
    'x-backstep-token': String(call.token),
    'x-backstep-deadline': String(call.deadline),
  }
}
