/**
 * The headers that every request of a remote step carries: the wire contract of docs/participants.md.
 *
 * Invariants
 * - All of it follows from the call alone: a repeated attempt differs in its number and deadline, never in its keys.
 * - The saga's own id may hold any character: it is percent-encoded.
 */
import { createHash } from 'node:crypto'
import type { Scope } from './template.js'

export type Direction = 'commit' | 'rollback' | 'verify'

export interface Call extends Scope {
  /** ms since 1970. */
  readonly deadline: number
}

/** Set by us or by the connection; a step cannot. */
export const reservedHeaders: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'expect'],
  ...['keep-alive', 'proxy-connection', 'proxy-authorization', 'accept-encoding', 'idempotency-key'],
])

export const isReserved = (name: string): boolean =>
  reservedHeaders.has(name.toLowerCase()) || name.toLowerCase().startsWith('x-backstep-')

export function wireHeaders(call: Call, direction: Direction): Record<string, string> {
  return {
    accept: 'application/json',
    // What is compressed would have to be unpacked before its size is known.
    'accept-encoding': 'identity',
    'user-agent': 'backstep',
    traceparent: traceparentOf(call),
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

/** W3C Trace Context. One trace for all calls of a saga: its uid is a UUID, 32 hex digits as a trace id is. */
function traceparentOf({ idempotencyKey, attempt }: Call): string {
  const uid = idempotencyKey.split(':', 1)[0]?.replaceAll('-', '') ?? ''
  const trace = /^[0-9a-f]{32}$/.test(uid) ? uid : hash(uid, 32)
  return `00-${trace}-${hash(`${idempotencyKey}:${attempt}`, 16)}-01`
}

const hash = (text: string, digits: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, digits)
