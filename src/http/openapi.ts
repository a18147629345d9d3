/**
 * openapi.json: what the routes take and answer. A test holds it to the routes, and to every answer of a real server.
 */
import { ref, schemas } from './schemas.js'

type Value = Readonly<Record<string, unknown>>

const json = (name: string): Value => ({ 'application/json': { schema: ref(name) } })

/** What each status means, where it is a problem. */
const problems: Readonly<Record<number, string>> = {
  400: 'It makes no sense: `BAD_INPUT`, `BAD_JSON`, `TOO_DEEP`',
  401: '`UNAUTHENTICATED`: no token, or none that is known',
  403: '`FORBIDDEN` (the role read), `READ_ONLY`, `FOREIGN_ORIGIN`, `NO_INLINE_STEPS` or `TOO_MANY_KINDS`',
  404: '`NOT_FOUND`, `UNKNOWN_DEFINITION` or `UNKNOWN_PATH`',
  405: '`METHOD_NOT_ALLOWED`; Allow says which are',
  409: "The saga's state refuses it: `ENDED`, `PAST_PIVOT`, `NOT_RESOLVABLE`, `NOT_REBINDABLE`",
  412: '`CHANGED`: the journal has grown since the ETag in If-Match',
  413: '`TOO_LARGE`',
  415: '`UNSUPPORTED_MEDIA_TYPE`',
  421: '`UNKNOWN_HOST`',
  422: '`CONFLICT`: the id is taken by a saga with another definition or other input',
  503: '`STORE_UNAVAILABLE`, `CLOSED` or `TOO_MANY_STREAMS`; Retry-After says when to ask again',
}

const problemAnswer = (status: number): Value => ({
  description: problems[status],
  content: { 'application/problem+json': { schema: ref('Problem') } },
})

const answer = (description: string, content: Value, headers: readonly string[] = []): Value => ({
  description,
  content,
  ...(headers.length === 0
    ? {}
    : { headers: Object.fromEntries(headers.map((name) => [name, { schema: { type: 'string' } }])) }),
})

/** Every path answers these. */
const everywhere = [405, 421]

interface Operation {
  readonly summary: string
  readonly does: Readonly<Record<number, Value>>
  readonly refuses?: readonly number[]
  readonly body?: string
  readonly parameters?: readonly Value[]
  readonly open?: true
}

function operation(id: string, { summary, does, refuses = [], body, parameters, open }: Operation): Value {
  const statuses = [...refuses, ...everywhere, ...(open ? [] : [401]), ...(body ? [400, 403, 413, 415] : [])]
  const refused = Object.fromEntries([...new Set(statuses)].map((status) => [status, problemAnswer(status)]))
  return {
    operationId: id,
    summary,
    ...(parameters ? { parameters } : {}),
    ...(body ? { requestBody: { content: json(body) } } : {}),
    ...(open ? { security: [{}] } : {}),
    responses: { ...does, ...refused },
  }
}

const parameter = (
  at: string,
  name: string,
  description: string,
  schema: Value = { type: 'string' },
): Value => ({
  in: at,
  name,
  description,
  ...(at === 'path' ? { required: true } : {}),
  schema,
})

const flag = { type: 'boolean' }
const id = parameter('path', 'id', 'Percent-encoded; the ids `.` and `..` are written `=.` and `=..`')
const ifMatch = parameter(
  'header',
  'If-Match',
  'The ETag of the saga as you saw it: nothing happens if it has changed',
)
const lastEventId = parameter('header', 'Last-Event-ID', 'Go on behind this event')
const stream = { 'text/event-stream': { schema: { type: 'string' } } }
const saga = (description: string): Value => answer(description, json('Saga'), ['ETag'])

const act = (operationId: string, summary: string, body: string, step = false): Value =>
  operation(operationId, {
    summary,
    body,
    parameters: [id, ...(step ? [parameter('path', 'step', 'Percent-encoded')] : []), ifMatch],
    does: { 200: answer('Done, and in the journal', json('Acted'), ['ETag']) },
    refuses: [404, 409, 412, 503],
  })

const submitted = (description: string): Value =>
  answer(description, { 'application/json': { schema: { anyOf: [ref('Saga'), ref('Pruned')] } } }, [
    'Location',
    'ETag',
    'Preference-Applied',
  ])

const submit = operation('submit', {
  summary: 'Submit a saga; it is durable once this answers 2xx',
  body: 'Submit',
  parameters: [
    parameter('header', 'traceparent', 'Your trace: kept with the saga, and given to its steps'),
    parameter('header', 'Idempotency-Key', 'The id, where the body has none'),
    parameter(
      'header',
      'Prefer',
      '`wait=30`: answer when it has ended, but after so many seconds at the latest (60 at most)',
    ),
  ],
  does: {
    200: submitted('It was there already, with the same input'),
    201: submitted('It is new'),
    202: submitted('The wait is over and the saga is not; it goes on'),
  },
  refuses: [404, 422, 503],
})

const list = operation('list', {
  summary: 'Sagas in pages, newest first',
  parameters: [
    parameter('query', 'status', 'One or more, separated by commas'),
    parameter('query', 'name', "The definition's name"),
    parameter('query', 'stuck', 'Only those that are, or are not', flag),
    parameter('query', 'blocked', 'Only those that are, or are not', flag),
    parameter('query', 'late', 'Only those that are, or are not', flag),
    parameter('query', 'order', '`newest` or `oldest` first'),
    parameter('query', 'limit', '1 to 500; 50 by default', { type: 'integer', minimum: 1, maximum: 500 }),
    parameter('query', 'after', '`next` of the page before'),
    parameter('query', 'counts', 'With how many there are by status', flag),
    parameter('query', 'waits', 'Each with the sagas that it waits for', flag),
  ],
  does: { 200: answer('A page', json('List')) },
  refuses: [400, 503],
})

const look = (operationId: string, summary: string, schema: string, refuses: readonly number[] = []): Value =>
  operation(operationId, { summary, does: { 200: answer(summary, json(schema)) }, refuses })

const session = {
  get: look('whoAmI', 'Who the token or cookie says that you are', 'Session'),
  post: operation('login', {
    summary: 'Exchange a token for a cookie, for pages',
    body: 'Login',
    does: { 200: answer('Set-Cookie has it', json('Session'), ['Set-Cookie']) },
    refuses: [401],
    open: true,
  }),
  delete: operation('logout', {
    summary: 'End the session of this browser',
    does: { 200: answer('Ended', json('Nothing'), ['Set-Cookie']) },
    refuses: [403],
    open: true,
  }),
}

const events = {
  one: operation('follow', {
    summary: 'The journal of a saga as it grows, as server-sent events; ends with the event `ended`',
    parameters: [id, lastEventId],
    does: {
      200: answer(
        'Events: `data` is an Entry, `id` its place; an id that comes again replaces the one before',
        stream,
      ),
      204: { description: 'It has ended, and you have all of it' },
    },
    refuses: [400, 403, 404, 503],
  }),
  all: operation('watch', {
    summary: 'Sagas that change, and the counts, as server-sent events',
    does: { 200: answer('Events `saga` (a Summary) and `counts`, at most a second late', stream) },
    refuses: [403, 503],
  }),
}

const probe = (operationId: string, summary: string, refuses: readonly number[] = []): Value =>
  operation(operationId, { summary, does: { 200: answer(summary, json('Probe')) }, refuses, open: true })

const paths = {
  '/v1/sagas': { get: list, post: submit },
  '/v1/sagas/{id}': {
    get: operation('get', {
      summary: 'One saga: its steps, and why it is where it is',
      parameters: [id],
      does: { 200: saga('The saga') },
      refuses: [400, 404, 503],
    }),
  },
  '/v1/sagas/{id}/journal': {
    get: operation('journal', {
      summary: 'Everything that happened to it, in order',
      parameters: [id],
      does: { 200: answer('The journal', json('Journal')) },
      refuses: [400, 404, 503],
    }),
  },
  '/v1/sagas/{id}/events': { get: events.one },
  '/v1/sagas/{id}/cancel': { post: act('cancel', 'Turn it back', 'Cancel') },
  '/v1/sagas/{id}/retry': { post: act('retry', 'End the wait for its next attempt', 'Retry') },
  '/v1/sagas/{id}/rebind': { post: act('rebind', 'Move it to another version', 'Rebind') },
  '/v1/sagas/{id}/steps/{step}/resolve': { post: act('resolve', 'Settle a step by hand', 'Resolve', true) },
  '/v1/events': { get: events.all },
  '/v1/definitions': { get: look('definitions', 'What this process offers; the newest last', 'Definitions') },
  '/v1/health': { get: look('health', 'The store: counts, workers, problems', 'Health', [503]) },
  '/v1/stats': { get: look('stats', 'The last hour of this process, by ten seconds', 'Stats') },
  '/v1/session': session,
  '/v1/openapi.json': {
    get: operation('openapi', {
      summary: 'This document',
      does: { 200: answer('OpenAPI 3.1', { 'application/json': { schema: { type: 'object' } } }) },
      open: true,
    }),
  },
  '/livez': { get: probe('livez', 'The process answers') },
  '/readyz': { get: probe('readyz', 'The store answers, too', [503]) },
  '/metrics': {
    get: operation('metrics', {
      summary: 'For Prometheus',
      does: { 200: answer('Text', { 'text/plain': { schema: { type: 'string' } } }) },
    }),
  },
}

/** The document of an app that is mounted at `basePath`. */
export const openApi = (basePath = ''): Value => ({
  openapi: '3.1.0',
  info: {
    title: 'Backstep',
    version: '1',
    description: 'Durable sagas: every step commits, or every step is rolled back.',
    license: { name: 'MIT', identifier: 'MIT' },
  },
  servers: [{ url: basePath || '/' }],
  security: [{ token: [] }, { session: [] }],
  paths,
  components: {
    schemas,
    securitySchemes: {
      token: { type: 'http', scheme: 'bearer' },
      session: { type: 'apiKey', in: 'cookie', name: 'backstep_session' },
    },
  },
})
