/**
 * One request, on its way through what every route has in common: where it comes from, who calls, how it is answered.
 *
 * Invariants
 * - Whatever a handler throws is answered as a problem; what is not ours is logged, without the request's body or headers.
 * - What is logged of a request is its method, route and status: never its query, headers or body.
 */
import type { Context } from 'hono'
import { systemClock } from '../runtime/clock.js'
import type { Access, Caller } from './access.js'
import { problem } from './answer.js'
import type { Role } from './options.js'
import { badRequest, problemOf } from './problem.js'

export interface Call {
  readonly context: Context
  readonly request: Request
  readonly caller: Caller
}

export type Handler = (call: Call) => Response | Promise<Response>

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** As hono writes it: `/v1/sagas/:id`. */
  readonly path: string
  /** Who may; `anybody`: without a token. */
  readonly need: Role | 'anybody'
  readonly handler: Handler
  /** It answers a stream: a page of another origin must not listen. */
  readonly streams?: true
}

export interface Around {
  readonly access: Access
  answered(route: Route, status: number, ms: number): void
  failed(route: Route, error: unknown): void
}

const nobody: Caller = { name: 'anybody', role: 'read', known: false }

/** What hono calls for this route. */
export function handle(route: Route, around: Around): (context: Context) => Promise<Response> {
  const { access } = around
  const { need, handler, streams, method } = route
  const guarded = (context: Context): Response | Promise<Response> => {
    const request = context.req.raw
    access.checkHost(request)
    if (method !== 'GET' || streams) access.checkOrigin(request)
    const caller = need === 'anybody' ? nobody : access.callerOf(request, need)
    return handler({ context, request, caller })
  }
  return async (context) => {
    const begin = systemClock.monotonic()
    const response = await answerOf(route, around, () => guarded(context))
    // A stream that nobody will read is none.
    if (context.req.raw.method === 'HEAD') await response.body?.cancel()
    around.answered(route, response.status, systemClock.monotonic() - begin)
    return response
  }
}

async function answerOf(
  route: Route,
  around: Around,
  run: () => Response | Promise<Response>,
): Promise<Response> {
  try {
    return await run()
  } catch (error) {
    const answered = problemOf(error)
    if (answered.status >= 500) around.failed(route, error)
    return problem(answered)
  }
}

/** What ends the connection, where the server is Node's. */
export function cutOf({ context }: Call): (() => void) | undefined {
  const { outgoing } = (context.env ?? {}) as { readonly outgoing?: { destroy(): void } }
  return outgoing && (() => outgoing.destroy())
}

/** As it was sent: neither decoded nor normalised. */
export const pathOf = (url: string): string => /^[a-z]+:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? ''

/** The part of the path that stands behind `name/`, decoded. Throws Problem. */
export function partOf({ request }: Call, name: 'sagas' | 'steps'): string {
  // Not the router's: it has decoded a part of it already, and not all ids survive that.
  const path = pathOf(request.url)
  const raw = new RegExp(`/v1/sagas/${name === 'sagas' ? '' : '[^/]+/steps/'}([^/]+)`).exec(path)?.[1] ?? ''
  return decoded(raw)
}

function decoded(raw: string): string {
  // `.` and `..` cannot stand in a path, however they are encoded: every client takes them for folders.
  if (raw === '=.' || raw === '=..') return raw.slice(1)
  try {
    return decodeURIComponent(raw)
  } catch {
    throw badRequest('the path is not percent-encoded UTF-8', 'encode the id with encodeURIComponent')
  }
}

/** An id as it stands in a path. */
export const encoded = (id: string): string => (id === '.' || id === '..' ? `=${id}` : encodeURIComponent(id))
