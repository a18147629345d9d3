/**
 * Scenarios 45 and 50: who gets in, what is shown to whom, and what is shown to nobody.
 */
import { spawn } from 'node:child_process'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Orchestrator } from 'backstep'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServeOptions, sagaApp, serve, withoutPayloads } from '#dist/http/index.js'
import { type Init, Service } from './fixture.js'
import { listen } from './sse.js'

const operator = 'operator-token-0123456789abcdef'
const reader = 'reader-token-0123456789abcdef'
const tokens = [
  { token: operator, role: 'operate', name: 'ada' },
  { token: reader, role: 'read', name: 'bob' },
] as const

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

describe('scenario 45: no token off loopback, wrong token, unknown Host, foreign Origin', () => {
  let service: Service
  const call = (path: string, headers: Record<string, string>, init: Init = {}) =>
    service.call(path, { ...init, headers })

  beforeAll(async () => {
    service = await Service.start({ tokens, hosts: ['sagas.example'], origins: ['https://ops.example'] })
  })
  afterAll(() => service.stop())

  test('no server listens off loopback without tokens', async () => {
    const orchestrator = await Orchestrator.open('memory:', { log: false })
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.com', '128.0.0.1']) {
      await expect(serve(orchestrator, { host, port: 0 })).rejects.toMatchObject({ code: 'NEEDS_TOKENS' })
    }
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) {
      const server = await serve(orchestrator, { host, port: 0, page: false })
      expect((await fetch(`${server.url}livez`)).status).toBe(200)
      await server.close()
    }
    const open = await serve(orchestrator, { host: '0.0.0.0', port: 0, tokens, page: false })
    expect((await fetch(`${open.url}v1/health`)).status).toBe(401)
    await open.close()
    await orchestrator.close()
  })

  test('a port that is taken, and other addresses that cannot be', async () => {
    const port = Number(new URL(service.url).port)
    const taken = serve(service.orchestrator, { port })
    await expect(taken).rejects.toMatchObject({
      code: 'LISTEN',
      message: expect.stringContaining('is taken'),
    })
    await expect(serve(service.orchestrator, { port: 70_000 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    const elsewhere = serve(service.orchestrator, { host: '192.0.2.1', port: 0, tokens })
    await expect(elsewhere).rejects.toMatchObject({ code: 'LISTEN' })
  })

  const paths = [
    '/v1/sagas',
    '/v1/health',
    '/v1/stats',
    '/v1/events',
    '/v1/definitions',
    '/v1/session',
    '/metrics',
    '/v1/sagas/x/events',
  ]
  test.each(paths)('%s: 401 without a token, with a wrong one, and with one in the address', async (path) => {
    const wrong = [
      {},
      bearer('wrong'),
      bearer(`${operator}x`),
      bearer(operator.slice(1)),
      { Authorization: operator },
    ]
    const others = [
      { Authorization: `Basic ${btoa(`ada:${operator}`)}` },
      { Cookie: `backstep_session=${operator}` },
    ]
    for (const headers of [...wrong, ...others]) {
      const { status, body, headers: answered } = await call(path, headers)
      expect([status, body.code, answered.get('WWW-Authenticate')]).toEqual([
        401,
        'UNAUTHENTICATED',
        'Bearer realm="backstep"',
      ])
    }
    const { status } = await call(`${path}?token=${operator}&access_token=${operator}`, {})
    expect(status).toBe(401)
  })

  test('probes and the document need none', async () => {
    for (const path of ['/livez', '/readyz', '/v1/openapi.json'])
      expect((await call(path, {})).status).toBe(200)
  })

  test('the role read looks, and does nothing else', async () => {
    expect((await call('/v1/sagas', bearer(reader))).status).toBe(200)
    const actions = ['', '/x/cancel', '/x/retry', '/x/rebind', '/x/steps/flight/resolve']
    for (const action of actions) {
      const { status, body } = await call(`/v1/sagas${action}`, bearer(reader), { body: {} })
      expect([status, body.code]).toEqual([403, 'FORBIDDEN'])
    }
  })

  test('who acts is who the token says; the body may not say another; it is in the journal', async () => {
    const init = { body: { definition: 'trip', id: 'by-1', input: { commit: { flight: 'wait' } } } }
    expect((await call('/v1/sagas', bearer(operator), init)).status).toBe(201)
    const claimed = await call('/v1/sagas/by-1/cancel', bearer(operator), {
      body: { reason: 'x', actor: 'eve' },
    })
    expect([claimed.status, claimed.body.code]).toEqual([400, 'BAD_INPUT'])
    await call('/v1/sagas/by-1/cancel', bearer(operator), { body: { reason: 'no longer' } })
    const { body } = await call('/v1/sagas/by-1/journal', bearer(reader))
    const turned = body.entries.find(({ type }: { type: string }) => type === 'rolling_back')
    expect(turned).toMatchObject({ actor: 'ada', message: 'no longer' })
  })

  test('a session: a cookie that scripts cannot read, of the same rights, until it is ended', async () => {
    const opened = await call('/v1/session', {}, { body: { token: reader } })
    expect(opened.body).toEqual({
      name: 'bob',
      role: 'read',
      needsToken: true,
      readOnly: false,
      payloads: false,
    })
    const cookie = opened.headers.get('Set-Cookie') ?? ''
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(reader)
    const session = { Cookie: `a=b; ${cookie.split(';')[0]}` }
    expect((await call('/v1/session', session)).body.name).toBe('bob')
    expect((await call('/v1/sagas', session, { body: {} })).status).toBe(403)
    // The signature covers the time and the role; and a wrong Bearer is not made good by a cookie.
    const forged = session.Cookie.replace(/=(\d+)\./, (_, ends) => `=${Number(ends) + 1}.`)
    expect((await call('/v1/session', { Cookie: forged })).status).toBe(401)
    expect((await call('/v1/session', { ...session, ...bearer('wrong') })).status).toBe(401)
    const closed = await call('/v1/session', session, { method: 'DELETE' })
    expect(closed.headers.get('Set-Cookie')).toContain('Max-Age=0')
    const tls = await call('/v1/session', { 'X-Forwarded-Proto': 'https' }, { body: { token: operator } })
    expect(tls.headers.get('Set-Cookie')).toContain('; Secure')
    const wrong = await call('/v1/session', {}, { body: { token: 'wrong' } })
    expect([wrong.status, wrong.body.code]).toEqual([401, 'UNAUTHENTICATED'])
    // Nobody knows yet who sends it: it may not be as large as a saga.
    const large = await call('/v1/session', {}, { body: { token: 'x'.repeat(20_000) } })
    expect([large.status, large.body.code]).toEqual([413, 'TOO_LARGE'])
  })

  /** fetch does not let Host be set. */
  const withHost = (host: string, path = '/livez', headers = {}) =>
    new Promise<number>((resolve, reject) => {
      const { port } = new URL(service.url)
      request({ port, host: '127.0.0.1', path, headers: { ...headers, Host: host } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
        .on('error', reject)
        .end()
    })

  test.each([
    ['evil.example', 421],
    ['evil.example:7700', 421],
    ['localhost.evil.example', 421],
    ['127.0.0.1.evil.example', 421],
    ['localhost', 200],
    ['LOCALHOST:1234', 200],
    ['127.0.0.1', 200],
    ['[::1]:7700', 200],
    ['sagas.example:443', 200],
  ])('Host %s: %i', async (host, status) => {
    expect(await withHost(host)).toBe(status)
  })

  test.each([
    ['https://evil.example', 403],
    ['null', 403],
    ['http://127.0.0.1:1', 403],
    ['file://', 403],
    ['https://ops.example', 400],
    ['own', 400],
  ])('a page of %s that acts or listens: %i', async (origin, status) => {
    const Origin = origin === 'own' ? service.url : origin
    const headers = { ...bearer(operator), Origin }
    expect((await call('/v1/sagas', headers, { body: {} })).status).toBe(status)
    const { status: listens, close } = await listen(`${service.url}/v1/events`, headers)
    close()
    expect(listens).toBe(status === 403 ? 403 : 200)
    if (status === 403) {
      expect((await call('/v1/session', { Origin }, { body: { token: operator } })).status).toBe(403)
      expect((await call('/v1/session', { Origin }, { method: 'DELETE' })).status).toBe(403)
    }
  })

  test('a browser that says that the request came from another site is believed', async () => {
    const headers = { ...bearer(operator), 'Sec-Fetch-Site': 'cross-site' }
    expect((await call('/v1/sagas', headers, { body: {} })).status).toBe(403)
  })

  test.each([
    [{ tokens: [{ token: 'short', role: 'read', name: 'x' }] }, /less than 16/],
    [{ tokens: [{ token: 'x'.repeat(20), role: 'admin', name: 'x' }] }, /no role/],
    [{ tokens: [{ token: 'x'.repeat(20), role: 'read' }] }, /no name/],
    [{ tokens: [tokens[0], tokens[0]] }, /two tokens are the same/],
    [{ tokens: {} }, /no array/],
    [{ redact: ['card'] }, /no path/],
    [{ basePath: 'ops' }, /no path/],
    [{ token: 'x' }, /no option token/],
    [{ redact: 'input.card' }, /redact is no list/],
    [{ maxBody: '1mb' }, /maxBody is 1mb/],
    [{ maxBody: 0 }, /maxBody is 0/],
    [{ maxStreams: Number.NaN }, /maxStreams is NaN/],
    [{ maxConnections: -1 }, /maxConnections is -1/],
    [{ requestTimeout: 0 }, /requestTimeout is 0/],
    [{ readOnly: 'no' }, /readOnly is no/],
    [{ hosts: ['ops.example:7700'] }, /hosts: "ops.example:7700" is no name/],
    [{ hosts: ['https://ops.example'] }, /is no name/],
    [{ hosts: 'ops.example' }, /hosts is no list/],
    [{ origins: ['https://ops.example/'] }, /is no origin/],
    [{ allow: ['flights.example'] }, /allow\[0\]: 'flights.example' is no origin/],
  ])('options %j are refused, and no token is quoted', async (options, says) => {
    const error: Error = await serve(service.orchestrator, options as ServeOptions).then(
      () => new Error('it serves'),
      (thrown) => thrown,
    )
    expect(error.message).toMatch(says)
    expect(error.message).not.toContain('xxxx')
  })
})

describe('--read-only', () => {
  test('nobody submits or steps in, whatever the role; all is shown', async () => {
    const service = await Service.start({ readOnly: true })
    const run = service.orchestrator.definitions()[0]
    if (!run) throw new Error('no definition')
    await service.orchestrator.run(run, { n: 1 }, { id: 'a' })
    for (const path of ['/v1/sagas', '/v1/sagas/a/cancel', '/v1/sagas/a/retry']) {
      const { status, body } = await service.call(path, { body: {} })
      expect([status, body.code]).toEqual([403, 'READ_ONLY'])
    }
    expect((await service.call('/v1/sagas/a')).body.input).toEqual({ n: 1 })
    expect((await service.call('/v1/session')).body).toMatchObject({ readOnly: true, needsToken: false })
    await service.stop()
  })
})

describe('scenario 50: a planted secret is in no answer, event, metric or log', () => {
  const secret = '4242424242424242'
  const input = {
    card: { number: secret, digits: 4_242_424_242 },
    guests: [{ name: 'Ann', passport: 'P-99887766' }],
    commit: { payment: 'quote' },
    keys: [`card:${secret}`],
  } as const
  const lines: unknown[] = []
  const sink = (fields: object, message?: string) => void lines.push(fields, message)
  const logger = { debug: sink, info: sink, warn: sink, error: sink }
  let service: Service

  beforeAll(async () => {
    const redact = ['input.card', 'input.guests.*.passport', 'outputs.flight.id']
    const log = withoutPayloads(logger)
    service = await Service.start({ tokens, redact, log }, 'memory:', { log })
    const headers = { ...bearer(operator), Prefer: 'wait=20' }
    await service.call('/v1/sagas', { body: { definition: 'trip', id: 'secret-1', input }, headers })
  })
  afterAll(() => service.stop())

  const secrets = [secret, '4242424242', 'P-99887766', 'flight-1', operator, reader]
  const clean = (value: unknown) => {
    const shown = JSON.stringify(value)
    for (const one of secrets) expect(shown).not.toContain(one)
    return shown
  }

  test('answers: redacted by path, and struck out where an error quotes it', async () => {
    const { body } = await service.call('/v1/sagas/secret-1', { headers: bearer(operator) })
    expect(body.status).toBe('rolled_back')
    expect(body.input.card).toBe('[redacted]')
    expect(body.input.guests).toEqual([{ name: 'Ann', passport: '[redacted]' }])
    expect(body.keys).toEqual(['card:[redacted]'])
    expect(body.steps[2].error.message).toContain('cannot charge')
    expect(body.steps[2].error.message).toContain('[redacted]')
    clean(body)
    const journal = await service.call('/v1/sagas/secret-1/journal', { headers: bearer(operator) })
    expect(journal.body.entries[0].input.commit).toEqual({ payment: 'quote' })
    expect(clean(journal.body)).toContain('[redacted]')
    for (const path of ['/v1/sagas', '/v1/health', '/v1/stats', '/metrics', '/v1/definitions']) {
      clean((await service.call(path, { headers: bearer(operator) })).body)
    }
  })

  test('events', async () => {
    const { events } = await listen(`${service.url}/v1/sagas/secret-1/events`, bearer(operator))
    const all = await events.all()
    expect(all.length).toBeGreaterThan(5)
    clean(all)
  })

  test('the role read sees no payloads at all, unless the server is told to show them', async () => {
    const { body } = await service.call('/v1/sagas/secret-1', { headers: bearer(reader) })
    expect(body.input).toBe('[hidden]')
    clean(body)
    const journal = await service.call('/v1/sagas/secret-1/journal', { headers: bearer(reader) })
    expect(journal.body.entries[0].input).toBe('[hidden]')
    const committed = journal.body.entries.find(({ type }: { type: string }) => type === 'committed')
    expect(committed.output).toBe('[hidden]')
    const shown = await Service.start({ tokens, showPayloads: true })
    await shown.call('/v1/sagas', {
      body: { definition: 'trip', id: 'a', input: { n: 7 } },
      headers: bearer(operator),
    })
    expect((await shown.call('/v1/sagas/a', { headers: bearer(reader) })).body.input).toEqual({ n: 7 })
    await shown.stop()
  })

  test('logs, of refused requests too', async () => {
    const bad = { raw: `{"token": "${secret}`, method: 'POST' }
    const refused = await service.call('/v1/session', {
      ...bad,
      headers: { 'Content-Type': 'application/json' },
    })
    expect(refused.status).toBe(400)
    clean(refused.body)
    await service.call(`/v1/sagas?x=${secret}`, { headers: bearer(operator) })
    expect(lines.length).toBeGreaterThan(5)
    clean(lines)
  })

  test("the store's address, where the store cannot be opened", async () => {
    const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
    const store = `postgres://app:${secret}@127.0.0.1:1/trips?password=${secret}`
    const child = spawn(process.execPath, [main, 'serve', '--port', '0', '--store', store, '--json'], {
      env: { ...process.env, BACKSTEP_TOKENS: JSON.stringify(tokens) },
    })
    const timer = setTimeout(() => child.kill('SIGTERM'), 6_000)
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    clearTimeout(timer)
    expect(stdout + stderr).toContain('127.0.0.1:1')
    clean([stdout, stderr])
  })
})

test('mounted in an app of your own, below a path', async () => {
  const { Hono } = await import('hono')
  const service = await Service.start()
  const app = new Hono()
  app.route('/', sagaApp(service.orchestrator, { basePath: '/ops', page: false }))
  app.get('/hello', (context) => context.text('mine'))
  const send = (path: string, body?: object) =>
    app.request(path, {
      method: body ? 'POST' : 'GET',
      ...(body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {}),
    })
  const submitted = await send('/ops/v1/sagas', { definition: 'trip', id: 'm 1', input: {} })
  expect([submitted.status, submitted.headers.get('Location')]).toEqual([201, '/ops/v1/sagas/m%201'])
  expect((await send('/ops/v1/sagas/m%201')).status).toBe(200)
  expect((await send('/v1/sagas')).status).toBe(404)
  expect(await (await send('/hello')).text()).toBe('mine')
  await service.stop()
})
