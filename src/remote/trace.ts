/**
 * The `traceparent` of a request (W3C Trace Context).
 *
 * Invariants
 * - Where OpenTelemetry is in use and a span is active, the request belongs to that span.
 * - Else it belongs to the trace of whoever submitted the saga, where that was said.
 * - Else all calls of a saga share one trace, across processes and restarts: its uid is a UUID, 32 hex digits as a trace id is.
 */
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import type * as Api from '@opentelemetry/api'

let loaded: typeof Api | null | undefined

/** An optional peer: null where it is not installed. */
function opentelemetry(): typeof Api | null {
  if (loaded !== undefined) return loaded
  try {
    // Not by import(): that would be a promise, and the first requests would not wait for it.
    loaded = createRequire(import.meta.url)('@opentelemetry/api') as typeof Api
  } catch {
    loaded = null
  }
  return loaded
}

export function traceparentOf(idempotencyKey: string, attempt: number, submitter?: string): string {
  const active = activeSpan()
  if (active !== undefined) return active
  const [version, its, , flags] = submitter?.split('-') ?? []
  if (version !== undefined) return `00-${its}-${hash(`${idempotencyKey}:${attempt}`, 16)}-${flags}`
  const uid = idempotencyKey.split(':', 1)[0]?.replaceAll('-', '') ?? ''
  const trace = /^[0-9a-f]{32}$/.test(uid) ? uid : hash(uid, 32)
  return `00-${trace}-${hash(`${idempotencyKey}:${attempt}`, 16)}-01`
}

function activeSpan(): string | undefined {
  const api = opentelemetry()
  const span = api?.trace.getSpanContext(api.context.active())
  if (!api || !span || !api.isSpanContextValid(span)) return undefined
  return `00-${span.traceId}-${span.spanId}-${(span.traceFlags & 255).toString(16).padStart(2, '0')}`
}

const hash = (text: string, digits: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, digits)
