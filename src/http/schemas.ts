/**
 * The schemas of what the API takes and answers, for openapi.json. A test validates every answer of the server by them.
 *
 * Invariant: what an object has is all that it may have, so that a member that was forgotten here fails the test.
 */

type Schema = Readonly<Record<string, unknown>>

export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const count = { type: 'integer', minimum: 0 } as const
const number = { type: 'number' } as const
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] })
const list = (items: Schema): Schema => ({ type: 'array', items })
const oneOf = (...values: readonly string[]): Schema => ({ type: 'string', enum: values })
const time: Schema = { type: 'integer', description: 'ms since 1970' }
const anything: Schema = { description: 'Any JSON' }

/** `name?` is optional. */
function object(members: Readonly<Record<string, Schema>>, description?: string): Schema {
  const entries = Object.entries(members)
  const required = entries.map(([name]) => name).filter((name) => !name.endsWith('?'))
  return {
    type: 'object',
    ...(description === undefined ? {} : { description }),
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace('?', ''), schema])),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  }
}

const status = oneOf('queued', 'running', 'rolling_back', 'committed', 'rolled_back')
const reason = oneOf('rejected', 'in_doubt', 'timeout', 'cancelled', 'deadline', 'crash_loop')

const summary = {
  id: text,
  name: text,
  version: text,
  status,
  stuck: flag,
  blocked: flag,
  late: flag,
  submittedAt: time,
  endedAt: orNull(time),
  dueAt: orNull(time),
  owner: orNull(text),
  cursor: text,
}

const counts = object({
  queued: count,
  running: count,
  rolling_back: count,
  committed: count,
  rolled_back: count,
  stuck: count,
  blocked: count,
})

const step = object({
  name: text,
  position: count,
  pivot: flag,
  commit: oneOf('idle', 'skipped', 'open', 'waiting', 'committed', 'failed'),
  rollback: oneOf('idle', 'open', 'waiting', 'done'),
  commitAttempts: count,
  rollbackAttempts: count,
  round: { type: 'integer', minimum: 1 },
  inDoubt: flag,
  stuck: flag,
  'output?': anything,
  'error?': ref('StoredError'),
  'nextAt?': time,
  'pending?': { const: true },
  'since?': time,
})

const waitsFor = list(
  object({
    id: text,
    key: orNull(text),
    stuck: flag,
    blocked: flag,
    stage: oneOf('waiting', 'holding', 'done'),
  }),
)

const view = object({
  ...summary,
  'input?': anything,
  keys: orNull(list(text)),
  shape: text,
  deadline: orNull(time),
  seq: count,
  steps: list(ref('Step')),
  outputs: { type: 'object' },
  wayBack: orNull(object({ reason, 'step?': text, 'message?': text, 'actor?': text })),
  waitsFor,
  why: { ...text, description: 'A sentence for a person: what it waits for, and until when' },
})

const offer = object({ name: text, version: text, shape: text })

export const schemas: Readonly<Record<string, Schema>> = {
  Problem: object(
    {
      type: text,
      title: text,
      status: { type: 'integer' },
      code: { ...text, description: 'Stable; match on this' },
      detail: text,
      'hint?': text,
      'sagaId?': text,
      'step?': text,
    },
    'RFC 9457',
  ),
  StoredError: object({
    name: text,
    message: text,
    'code?': text,
    'stack?': text,
    'cause?': ref('StoredError'),
  }),
  Submit: object({
    'definition?': {
      ...text,
      description: 'name, or name@version; without a version the newest that is offered',
    },
    'name?': { ...text, description: 'Where the saga brings its steps along: what it is called' },
    'steps?': {
      type: 'array',
      description: 'Instead of a definition: remote steps, as in a definition file',
    },
    'keys?': { description: 'With steps: templates of keys, as in a definition file' },
    'input?': anything,
    'id?': { ...text, minLength: 1, maxLength: 256 },
    'deadline?': { type: ['string', 'number'], description: "From now: ms, or text such as '30s', '2h'" },
  }),
  Cancel: object({ reason: text, 'actor?': text }),
  Retry: object({ 'actor?': text }),
  Rebind: object({ version: text, 'reason?': text, 'actor?': text }),
  Resolve: object({
    as: oneOf('rolled_back', 'committed'),
    'output?': anything,
    reason: text,
    'actor?': text,
  }),
  Login: object({ token: text }),
  Saga: view,
  Pruned: object({ id: text, pruned: { const: true } }, 'It ended long ago, and only its id is left'),
  Step: step,
  Summary: object({ ...summary, 'waitsFor?': waitsFor }),
  List: object({ sagas: list(ref('Summary')), next: orNull(text), 'counts?': counts }),
  Entry: {
    type: 'object',
    description: 'A fact, with its place in the journal; what else it has depends on its type',
    properties: {
      type: oneOf(
        ...['submitted', 'skipped', 'started', 'committed', 'failed', 'pending', 'verified', 'rolling_back'],
        ...['rolled_back', 'late', 'retry_requested', 'resolved', 'rebound', 'deadline_passed', 'ended'],
      ),
      seq: count,
      at: time,
    },
    required: ['type', 'seq', 'at'],
  },
  Journal: object({ entries: list(ref('Entry')) }),
  Acted: object({
    result: oneOf(
      ...['cancelled', 'already_rolling_back', 'retry_requested', 'rebound', 'rolled_back', 'committed'],
    ),
    saga: ref('Saga'),
  }),
  Definitions: object({ definitions: list(offer) }),
  Health: object({
    engine: text,
    schema: count,
    counts,
    workers: list(object({ worker: text, alive: flag, offers: list(offer) })),
    problems: list(text),
  }),
  Stats: object({
    bucketMs: count,
    buckets: list(
      object({
        at: time,
        committed: count,
        rolledBack: count,
        attempts: count,
        failures: count,
        p50: orNull(number),
        p99: orNull(number),
      }),
    ),
  }),
  Session: object({
    name: text,
    role: oneOf('read', 'operate'),
    needsToken: flag,
    readOnly: flag,
    payloads: flag,
  }),
  Nothing: object({}),
  Probe: object({ status: oneOf('live', 'ready') }),
}
