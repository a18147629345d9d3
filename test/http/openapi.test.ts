/**
 * openapi.json against the server: every answer that the document promises is brought about, every answer that comes is promised, and
 * each is valid by its schema.
 */
import { request } from 'node:http'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { memoryStore, Orchestrator, StoreError } from 'backstep'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeApp } from '#dist/http/app.js'
import { openApi } from '#dist/http/index.js'
import { wrapStore } from '../support/wrapped-store.mjs'
import { Service } from './fixture.js'
import { listen } from './sse.js'

interface Operation {
  readonly operationId: string
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>
  >
  readonly requestBody?: object
  readonly parameters?: readonly { readonly in: string; readonly name: string }[]
  readonly security?: readonly object[]
}

const document = JSON.parse(JSON.stringify(openApi())) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
)
const byId = new Map(operations.map((one) => [one.operation.operationId, one]))

const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true })
const local = (schema: object): object =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"api#/$defs/'))
ajv.addSchema({ $id: 'api', $defs: local(document.components.schemas) })
const validatorOf = (schema: object) => ajv.compile(local(schema))

const tokens = [
  { token: 'operator-token-0123456789', role: 'operate', name: 'ada' },
  { token: 'reader-token-0123456789ab', role: 'read', name: 'bob' },
] as const
const bearer = { Authorization: `Bearer ${tokens[0].token}` }
const json = { 'Content-Type': 'application/json' }

/** What was answered: operation and status. */
const answered = new Set<string>()

interface Sent {
  readonly service?: Service
  readonly id?: string
  readonly step?: string
  readonly query?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
  readonly raw?: string
  readonly method?: string
}

const noAnswer = new StoreError('postgres://secret-host does not answer', {
  code: 'STORE_UNAVAILABLE',
  hint: 'wait',
})

let service: Service
/** Its store does not answer. */
let broken: Service

/** Node's own client: fetch sets Host and Origin as it likes. */
function send(url: string, method: string, headers: Record<string, string>, body: string | undefined) {
  return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const sent = request(url, { method, headers }, (answer) => {
      const type = String(answer.headers['content-type'] ?? '').split(';')[0] ?? ''
      const done = (text: string) => resolve({ status: answer.statusCode ?? 0, type, text })
      if (type === 'text/event-stream') {
        answer.destroy()
        return done('')
      }
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (data) => {
        text += data
      })
      answer.on('end', () => done(text))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function ask(operationId: string, sent: Sent = {}): Promise<{ status: number; body: unknown }> {
  const known = byId.get(operationId)
  if (!known) throw new Error(`no operation ${operationId}`)
  const path = known.path.replace('{id}', sent.id ?? 'nobody').replace('{step}', sent.step ?? 'flight')
  const body = sent.raw ?? (sent.body === undefined ? undefined : JSON.stringify(sent.body))
  const headers = { ...bearer, ...(body === undefined ? {} : json), ...sent.headers }
  const url = `${(sent.service ?? service).url}${path}${sent.query ?? ''}`
  const { status, type, text } = await send(url, sent.method ?? known.method, headers, body)
  const response = known.operation.responses[status]
  expect(response, `${operationId} answers ${status}, which is not documented`).toBeDefined()
  answered.add(`${operationId} ${status}`)
  const content = response?.content
  if (!content) {
    expect(text).toBe('')
    return { status, body: undefined }
  }
  expect(Object.keys(content)).toEqual([type])
  if (!type.endsWith('json')) return { status, body: text }
  const value: unknown = JSON.parse(text)
  const valid = validatorOf(content[type]?.schema ?? {})
  expect(valid(value), `${operationId} ${status}: ${JSON.stringify(valid.errors)} in ${text}`).toBe(true)
  return { status, body: value }
}

beforeAll(async () => {
  service = await Service.start({ tokens, hosts: [], maxStreams: 5 })
  let answers = true
  const store = memoryStore()
  const unless =
    <Args extends unknown[], Value>(method: (...args: Args) => Promise<Value>) =>
    (...args: Args) =>
      answers ? method.apply(store, args) : Promise.reject(noAnswer)
  const { find, list, health, apply } = store
  const methods = { find: unless(find), list: unless(list), health: unless(health), apply: unless(apply) }
  broken = await Service.start({ tokens }, wrapStore(store, methods), { work: false })
  answers = false
})
afterAll(async () => {
  await service.stop()
  await broken.stop()
})

test('the document names the routes of the app, and no other; ids once; parameters that are in the path', async () => {
  const orchestrator = await Orchestrator.open('memory:', { log: false })
  const { routes } = makeApp(orchestrator, { page: false })
  const named = routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
  expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(named.sort())
  expect(byId.size).toBe(operations.length)
  for (const { path, operation } of operations) {
    const inPath = (operation.parameters ?? [])
      .filter((parameter) => parameter.in === 'path')
      .map(({ name }) => name)
    expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))
  }
  const open = routes.filter(({ need }) => need === 'anybody').map(({ path }) => path)
  const free = operations.filter(({ operation }) => operation.security).map(({ path }) => path)
  expect(free.sort()).toEqual(open.map((path) => path.replace(/:(\w+)/g, '{$1}')).sort())
  await orchestrator.close()
})

describe('answers', () => {
  const submit = (id: string, input: object = {}, more: Sent = {}) =>
    ask('submit', { body: { definition: 'trip', id, input }, ...more })

  test('of those who submit and look', async () => {
    expect((await submit('a', { n: 1 })).status).toBe(201)
    expect((await submit('a', { n: 1 })).status).toBe(200)
    expect((await submit('a', { n: 2 })).status).toBe(422)
    expect(
      (await submit('b', { commit: { flight: 'wait' } }, { headers: { Prefer: 'wait=0' } })).status,
    ).toBe(202)
    await submit('c', { commit: { payment: 'refuse' }, keys: ['k'] }, { headers: { Prefer: 'wait=20' } })
    await submit('d', { commit: { payment: 'refuse' }, rollback: { flight: 'fail' }, keys: ['x'] })
    await submit('e', { keys: ['x'] })
    expect((await ask('submit', { body: { definition: 'nothing' } })).status).toBe(404)
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      expect((await ask('get', { id })).status).toBe(200)
      expect((await ask('journal', { id })).status).toBe(200)
    }
    expect((await ask('list', { query: '?counts=true&waits=true&limit=3' })).status).toBe(200)
    for (const id of ['definitions', 'health', 'stats', 'whoAmI', 'metrics', 'openapi', 'livez', 'readyz']) {
      expect((await ask(id)).status).toBe(200)
    }
    expect((await ask('list', { query: '?limit=0' })).status).toBe(400)
    for (const id of ['get', 'journal', 'follow']) {
      expect((await ask(id, { id: '%ff' })).status).toBe(400)
      expect((await ask(id)).status).toBe(404)
    }
  })

  test('of a pruned saga', async () => {
    await submit('pruned', {}, { headers: { Prefer: 'wait=20' } })
    await service.orchestrator.prune({ olderThan: 0 })
    const { status, body } = await submit('pruned')
    expect([status, body]).toEqual([200, { id: 'pruned', pruned: true }])
  })

  test('of those who step in', async () => {
    const wait = { commit: { flight: 'wait' }, keys: [] }
    const bodies = {
      cancel: { reason: 'x' },
      retry: {},
      rebind: { version: '1', reason: 'x' },
      resolve: { as: 'committed', output: {}, reason: 'x' },
    }
    for (const [action, body] of Object.entries(bodies)) {
      await submit(action, wait)
      await expect
        .poll(async () => (await service.orchestrator.get(action))?.steps[0]?.commit)
        .toBe('waiting')
      expect((await ask(action, { id: action, body, headers: { 'If-Match': '"99"' } })).status).toBe(412)
      expect((await ask(action, { id: action, body })).status).toBe(200)
      expect((await ask(action, { body })).status).toBe(404)
      await submit(`${action}-done`, {}, { headers: { Prefer: 'wait=20' } })
      expect((await ask(action, { id: `${action}-done`, body })).status).toBe(409)
    }
  })

  test('of sessions', async () => {
    expect((await ask('login', { body: { token: tokens[1].token } })).status).toBe(200)
    expect((await ask('login', { body: { token: 'wrong' } })).status).toBe(401)
    expect((await ask('logout')).status).toBe(200)
  })

  test('of streams', async () => {
    await submit('followed', {}, { headers: { Prefer: 'wait=20' } })
    const { events } = await listen(`${service.url}/v1/sagas/followed/events`, bearer)
    const last = (await events.all()).at(-2)?.id ?? ''
    expect((await ask('follow', { id: 'followed' })).status).toBe(200)
    expect((await ask('follow', { id: 'followed', headers: { 'Last-Event-ID': last } })).status).toBe(204)
    expect((await ask('watch')).status).toBe(200)
  })

  const withBody = operations
    .filter(({ operation }) => operation.requestBody)
    .map(({ operation }) => operation.operationId)
  test.each(withBody)(
    '%s refuses a body that is bad, large or no JSON, and a page of another origin',
    async (id) => {
      expect((await ask(id, { raw: '{' })).status).toBe(400)
      expect((await ask(id, { raw: 'x'.repeat(1_048_577) })).status).toBe(413)
      expect((await ask(id, { raw: 'x=y', headers: { 'Content-Type': 'text/plain' } })).status).toBe(415)
      expect((await ask(id, { body: {}, headers: { Origin: 'https://evil.example' } })).status).toBe(403)
    },
  )

  test('of streams and logouts that a page of another origin asks for', async () => {
    for (const id of ['follow', 'watch', 'logout']) {
      expect((await ask(id, { headers: { Origin: 'https://evil.example' } })).status).toBe(403)
    }
  })

  test.each(operations.map(({ operation }) => operation.operationId))(
    '%s: another host, method, or nobody',
    async (id) => {
      expect((await ask(id, { headers: { Host: 'evil.example' } })).status).toBe(421)
      expect((await ask(id, { method: 'PATCH' })).status).toBe(405)
      const isOpen = byId.get(id)?.operation.security !== undefined
      if (!isOpen) expect((await ask(id, { headers: { Authorization: 'Bearer wrong' } })).status).toBe(401)
    },
  )

  test('where the store does not answer: 503', async () => {
    const bodies: Readonly<Record<string, object>> = {
      submit: { definition: 'trip', input: {} },
      cancel: { reason: 'x' },
      retry: {},
      rebind: { version: '2' },
      resolve: { as: 'committed', reason: 'x' },
    }
    const ids = operations
      .filter(({ operation }) => 503 in operation.responses)
      .map(({ operation }) => operation.operationId)
    for (const id of ids.filter((one) => one !== 'watch')) {
      const { status, body } = await ask(id, { service: broken, ...(bodies[id] ? { body: bodies[id] } : {}) })
      expect([id, status, body]).toEqual([id, 503, expect.objectContaining({ code: 'STORE_UNAVAILABLE' })])
      expect(JSON.stringify(body)).not.toContain('secret-host')
    }
    const streams = await Promise.all([1, 2, 3, 4, 5].map(() => listen(`${service.url}/v1/events`, bearer)))
    await expect.poll(async () => (await ask('watch')).status).toBe(503)
    for (const { close } of streams) close()
  })

  test('every one that the document promises has come', () => {
    const promised = operations.flatMap(({ operation }) =>
      Object.keys(operation.responses).map((status) => `${operation.operationId} ${status}`),
    )
    expect(promised.filter((one) => !answered.has(one))).toEqual([])
    expect(promised.length).toBeGreaterThan(100)
  })
})
