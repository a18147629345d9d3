/**
 * OpenTelemetry: a span for each saga, and one for each attempt, around the user's function.
 *
 * Invariants
 * - Nothing of OpenTelemetry is loaded unless this is called.
 * - A saga's span is a child of the submitter's where this process took the submit. Where it took the saga over, after a restart or from
 *   another process, the span begins a trace of its own that links to the submitter's: a parent may have ended long ago.
 * - Spans carry ids, names and numbers; no payload, key or message of an error.
 */
import { createRequire } from 'node:module'
import type * as Api from '@opentelemetry/api'
import type { AroundCall, Events, Orchestrator } from '../index.js'

export interface InstrumentOptions {
  /** Default: that of the global provider, named `backstep`. */
  readonly tracer?: Api.Tracer
}

/** Sagas whose spans are open: more than run at once; those that others took over are ended when they are pushed out. */
const mostOpen = 10_000

interface Open {
  readonly name: string
  readonly at: number
  span: Api.Span | undefined
}

/**
 * Traces what this process runs from now on.
 *
 * @example instrument(orchestrator)
 * @throws the error of Node if `@opentelemetry/api` is not installed
 */
export function instrument(orchestrator: Orchestrator, options: InstrumentOptions = {}): void {
  const api = createRequire(import.meta.url)('@opentelemetry/api') as typeof Api
  const traces = new Traces(api, options.tracer ?? api.trace.getTracer('backstep'))
  orchestrator.on('entry', (event) => traces.heard(event))
  orchestrator.aroundCalls(traces.around)
}

class Traces {
  readonly #api: typeof Api
  readonly #tracer: Api.Tracer
  readonly #open = new Map<string, Open>()

  constructor(api: typeof Api, tracer: Api.Tracer) {
    this.#api = api
    this.#tracer = tracer
  }

  heard({ saga, entry, at }: Events['entry']): void {
    const known = this.#open.get(saga.id)
    if (entry.type === 'ended') {
      this.#open.delete(saga.id)
      known?.span?.setAttribute('backstep.status', entry.status)
      known?.span?.end(at)
      return
    }
    if (known) return
    const name = `${saga.name}@${saga.version}`
    const open: Open = { name, at, span: undefined }
    if (entry.type === 'submitted') open.span = this.#begin(saga.id, open, this.#parentOf(entry.trace), [])
    this.#keep(saga.id, open)
  }

  readonly around: AroundCall = (context, kind, run) => {
    const { trace, context: contexts, SpanStatusCode } = this.#api
    const { sagaId, step, attempt } = context
    const parent = trace.setSpan(this.#api.ROOT_CONTEXT, this.#spanOf(sagaId, context.trace))
    const attributes = {
      'backstep.saga': sagaId,
      'backstep.step': step,
      'backstep.direction': kind,
      'backstep.attempt': attempt,
    }
    const span = this.#tracer.startSpan(`${kind} ${step}`, { attributes }, parent)
    const failed = (thrown: unknown): never => {
      span.setStatus({ code: SpanStatusCode.ERROR, message: nameOf(thrown) })
      span.end()
      throw thrown
    }
    try {
      const answer = contexts.with(trace.setSpan(parent, span), run)
      if (!(answer instanceof Promise)) {
        span.end()
        return answer
      }
      return answer.then((value: unknown) => {
        span.end()
        return value
      }, failed)
    } catch (thrown) {
      return failed(thrown)
    }
  }

  #spanOf(id: string, submitter: string | undefined): Api.Span {
    const open = this.#open.get(id) ?? { name: 'unknown', at: 0, span: undefined }
    if (open.span) return open.span
    const link = this.#contextOf(submitter)
    open.span = this.#begin(id, open, this.#api.ROOT_CONTEXT, link ? [{ context: link }] : [])
    this.#keep(id, open)
    return open.span
  }

  #begin(id: string, { name, at }: Open, parent: Api.Context, links: Api.Link[]): Api.Span {
    const attributes = { 'backstep.saga': id, 'backstep.definition': name }
    return this.#tracer.startSpan(
      `saga ${name}`,
      { attributes, links, ...(at > 0 ? { startTime: at } : {}) },
      parent,
    )
  }

  #keep(id: string, open: Open): void {
    this.#open.set(id, open)
    if (this.#open.size <= mostOpen) return
    for (const [oldest, { span }] of this.#open) {
      span?.end()
      this.#open.delete(oldest)
      return
    }
  }

  #parentOf(traceparent: string | undefined): Api.Context {
    const parent = this.#contextOf(traceparent)
    return parent ? this.#api.trace.setSpanContext(this.#api.ROOT_CONTEXT, parent) : this.#api.ROOT_CONTEXT
  }

  /** A traceparent is checked when it is submitted. */
  #contextOf(traceparent: string | undefined): Api.SpanContext | undefined {
    if (traceparent === undefined) return undefined
    const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-')
    return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
  }
}

function nameOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.name : typeof thrown
  } catch {
    return 'unknown'
  }
}
