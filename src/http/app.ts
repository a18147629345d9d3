/**
 * The app: every route of the API, and the page, on one orchestrator. Mountable in an app of your own.
 *
 * Invariants
 * - What is not a route is answered as a problem: 404, or 405 with the methods that there are.
 * - Nothing here keeps the process alive but streams that clients hold.
 */
import { type Context, Hono } from 'hono'
import type { Orchestrator } from '../index.js'
import { Access } from './access.js'
import { cancelSaga, rebindSaga, resolveStep, retrySaga } from './acting.js'
import { json, problemFor, text } from './answer.js'
import { type Around, cutOf, handle, partOf, type Route } from './call.js'
import { Following, hasAll } from './follow.js'
import { Inline } from './inline.js'
import { withoutPayloads } from './log.js'
import {
  getHealth,
  getJournal,
  getSaga,
  journalOf,
  type Looking,
  listDefinitions,
  listSagas,
  veilFor,
} from './looking.js'
import { type Metrics, sagaMetrics } from './metrics.js'
import { openApi } from './openapi.js'
import { type AppOptions, checkAppOptions } from './options.js'
import { addPage } from './page.js'
import { Problem } from './problem.js'
import { Pulse } from './pulse.js'
import { Redaction } from './redact.js'
import { closeSession, getSession, openSession } from './sessions.js'
import { Stats } from './stats.js'
import { Streams } from './stream.js'
import { Submitting } from './submitting.js'
import { Waits } from './waits.js'
import { Whole } from './whole.js'

const defaultMaxBody = 1_048_576
const defaultMaxStreams = 1_000

export interface App {
  readonly hono: Hono
  readonly routes: readonly Route[]
  readonly streams: Streams
  readonly waits: Waits
}

/**
 * The API, and the page, of an orchestrator.
 *
 * @example app.route('/', sagaApp(orchestrator, { basePath: '/backstep', tokens }))
 * @throws BadInputError for a bad option
 */
export const sagaApp = (orchestrator: Orchestrator, options: AppOptions = {}): Hono => {
  checkAppOptions(options, 'sagaApp')
  return makeApp(orchestrator, options).hono
}

export function makeApp(orchestrator: Orchestrator, options: AppOptions): App {
  const { basePath = '', page = true, redact = [] } = options
  // An error may quote what is not to be shown.
  const log = options.log && redact.length > 0 ? withoutPayloads(options.log) : options.log
  const hono = new Hono()
  const metrics = options.metrics ?? sagaMetrics(orchestrator)
  const streams = new Streams(options.maxStreams ?? defaultMaxStreams)
  const waits = new Waits()
  const access = new Access(options)
  const routes = routesOf(orchestrator, options, { access, streams, metrics, waits })
  const around: Around = {
    access,
    answered: ({ method, path }, status, ms) => metrics.request(method, path, status, ms),
    failed: ({ method, path }, err) =>
      log?.error({ event: 'request_failed', method, route: path, err }, 'a request could not be answered'),
  }
  for (const route of routes) hono.on(route.method, `${basePath}${route.path}`, handle(route, around))
  refuseOthers(hono, routes, basePath)
  if (page) addPage(hono, basePath)
  hono.notFound((context) => unknown(context))
  hono.onError((error) => problemFor(error))
  return { hono, routes, streams, waits }
}

interface Shared {
  readonly access: Access
  readonly streams: Streams
  readonly metrics: Metrics
  readonly waits: Waits
}

function routesOf(
  orchestrator: Orchestrator,
  options: AppOptions,
  { access, streams, metrics, waits }: Shared,
): Route[] {
  const { redact = [], showPayloads = false, maxBody = defaultMaxBody, basePath = '', log } = options
  const pulse = new Pulse(orchestrator)
  const looking: Looking = { orchestrator, pulse, redaction: new Redaction(redact), showPayloads }
  const limits = { maxBody }
  const acting = { looking, limits, log }
  const sessions = { access, basePath, showPayloads }
  const stats = new Stats(orchestrator)
  const inline = new Inline(orchestrator, options.allow ?? [])
  const whole = new Whole(orchestrator, pulse, streams)
  const one = '/v1/sagas/:id'
  return [
    {
      method: 'POST',
      path: '/v1/sagas',
      need: 'operate',
      handler: new Submitting(looking, limits, inline, waits).handler,
    },
    { method: 'GET', path: '/v1/sagas', need: 'read', handler: listSagas(looking) },
    { method: 'GET', path: one, need: 'read', handler: getSaga(looking) },
    { method: 'GET', path: `${one}/journal`, need: 'read', handler: getJournal(looking) },
    {
      method: 'GET',
      path: `${one}/events`,
      need: 'read',
      handler: followed(looking, streams),
      streams: true,
    },
    { method: 'POST', path: `${one}/cancel`, need: 'operate', handler: cancelSaga(acting) },
    { method: 'POST', path: `${one}/retry`, need: 'operate', handler: retrySaga(acting) },
    { method: 'POST', path: `${one}/rebind`, need: 'operate', handler: rebindSaga(acting) },
    { method: 'POST', path: `${one}/steps/:step/resolve`, need: 'operate', handler: resolveStep(acting) },
    {
      method: 'GET',
      path: '/v1/events',
      need: 'read',
      handler: (call) => whole.join(cutOf(call)),
      streams: true,
    },
    { method: 'GET', path: '/v1/definitions', need: 'read', handler: listDefinitions(looking) },
    { method: 'GET', path: '/v1/health', need: 'read', handler: getHealth(looking) },
    { method: 'GET', path: '/v1/stats', need: 'read', handler: () => json(stats.shown) },
    { method: 'GET', path: '/v1/session', need: 'read', handler: getSession(sessions) },
    { method: 'POST', path: '/v1/session', need: 'anybody', handler: openSession(sessions) },
    { method: 'DELETE', path: '/v1/session', need: 'anybody', handler: closeSession(sessions) },
    { method: 'GET', path: '/v1/openapi.json', need: 'anybody', handler: describe(basePath) },
    { method: 'GET', path: '/livez', need: 'anybody', handler: () => json({ status: 'live' }) },
    { method: 'GET', path: '/readyz', need: 'anybody', handler: ready(pulse) },
    { method: 'GET', path: '/metrics', need: 'read', handler: scrape(metrics) },
  ]
}

const followed = (looking: Looking, streams: Streams): Route['handler'] => {
  const following = new Following(looking.orchestrator, streams)
  return async (call) => {
    const id = partOf(call, 'sagas')
    const from = call.request.headers.get('Last-Event-ID') ?? undefined
    const entries = await journalOf(looking, id)
    // What tells an EventSource not to come back.
    if (hasAll(entries, from)) return new Response(null, { status: 204 })
    return following.join(id, entries, { veil: veilFor(looking, call.caller), from, cut: cutOf(call) })
  }
}

/** 503 where the store does not answer. */
const ready =
  (pulse: Pulse): Route['handler'] =>
  async () => {
    await pulse.health()
    return json({ status: 'ready' })
  }

/** Made once: anybody may ask for it, as often as he likes. */
function describe(basePath: string): Route['handler'] {
  let bytes: Uint8Array<ArrayBuffer> | undefined
  return () => {
    bytes ??= new TextEncoder().encode(JSON.stringify(openApi(basePath)))
    return text(bytes, 'application/json')
  }
}

const scrape =
  ({ registry }: Metrics): Route['handler'] =>
  async () =>
    text(await registry.metrics(), registry.contentType)

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** 405 for the other methods of each path. */
function refuseOthers(hono: Hono, routes: readonly Route[], basePath: string): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const allowed: string[] = routes.filter((route) => route.path === path).map(({ method }) => method)
    const others = methods.filter((method) => !allowed.includes(method))
    const allow = allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
    hono.on(others, `${basePath}${path}`, () =>
      problemFor(
        new Problem(405, 'this path has no such method', {
          code: 'METHOD_NOT_ALLOWED',
          hint: `use ${allow}`,
          headers: { Allow: allow },
        }),
      ),
    )
  }
}

const unknown = (_: Context): Response =>
  problemFor(
    new Problem(404, 'there is nothing at this path', {
      code: 'UNKNOWN_PATH',
      hint: 'see GET /v1/openapi.json',
    }),
  )
