/**
 * What a remote step sends: its templates, and the headers that every participant may rely on; and what is refused when it is made.
 */
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { none, Orchestrator, saga, step } from 'backstep'
import { describe, expect, test } from 'vitest'
import { remote } from '#dist/remote/index.js'
import { contextOf, made, outcomeOf, rawServer, recorder, rollbackContext, uid } from './support.js'

describe('what is sent', () => {
  /** The one request that a step with these options makes. */
  async function sent(commit: Record<string, unknown>, more: Record<string, unknown> = {}) {
    const { url, requests } = await recorder()
    const step = made({ commit: { ...commit, url: url + (commit.url ?? '/') } })
    const outcome = await outcomeOf(step.commit(contextOf(more)))
    return { outcome, ...requests[0] }
  }

  test('by default a POST of the input, with the headers of the contract', async () => {
    const { method, url, headers, body } = await sent({}, { attempt: 2, sagaId: 'größe 7\u2028' })
    expect([method, url, body]).toEqual(['POST', '/', '{"to":"LIS"}'])
    expect(headers).toEqual({
      host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      connection: 'keep-alive',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'content-type': 'application/json',
      'content-length': '12',
      'user-agent': 'backstep',
      traceparent: expect.stringMatching(/^00-019a0000000070008000000000000001-[0-9a-f]{16}-01$/),
      'idempotency-key': `${uid}:flight:commit`,
      'x-backstep-saga': 'gr%C3%B6%C3%9Fe%207%E2%80%A8',
      'x-backstep-step': 'flight',
      'x-backstep-direction': 'commit',
      'x-backstep-attempt': '2',
      'x-backstep-commit-key': `${uid}:flight:commit`,
      'x-backstep-token': '3',
      'x-backstep-deadline': '1800000000000',
    })
  })

  test('a request belongs to the span of OpenTelemetry that is active', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    try {
      const span = new BasicTracerProvider().getTracer('test').startSpan('booking')
      const { traceId, spanId } = span.spanContext()
      const inside = await context.with(trace.setSpan(context.active(), span), () => sent({}))
      expect(inside.headers?.traceparent).toBe(`00-${traceId}-${spanId}-01`)
    } finally {
      context.disable()
    }
    expect((await sent({})).headers?.traceparent).toContain(uid.replaceAll('-', ''))
  })

  test('a rollback names the commit to undo, and sends no body unless told to', async () => {
    const { url, requests } = await recorder()
    const rollback = { method: 'DELETE', url: `${url}/bookings/{output.id ?? commitKey}` }
    const step = made({ commit: { url }, rollback })
    await step.rollback(rollbackContext({ output: { id: 'F/7' } }))
    await step.rollback(rollbackContext())
    expect(requests.map((request) => [request.method, request.url, request.body])).toEqual([
      ['DELETE', '/bookings/F%2F7', ''],
      ['DELETE', `/bookings/${encodeURIComponent(`${uid}:flight:commit`)}`, ''],
    ])
    expect(requests[0]?.headers).toMatchObject({
      'idempotency-key': `${uid}:flight:rollback`,
      'x-backstep-direction': 'rollback',
      'x-backstep-commit-key': `${uid}:flight:commit`,
    })
  })

  test('values in an address stay where they are put', async () => {
    const url = '/a/{input.id}/b?q={input.q}&none={input.empty}'
    const input = { id: '.../x?y#z%', q: 'a&b=c d/../ü', empty: '' }
    expect((await sent({ url }, { input })).url).toBe(
      '/a/...%2Fx%3Fy%23z%25/b?q=a%26b%3Dc%20d%2F..%2F%C3%BC&none=',
    )
  })

  test.each([
    ['absent', undefined],
    ['null', null],
    ['empty', ''],
    ['a dot segment', '..'],
    ['a way up', 'x/../../admin'],
    ['a way up, for some', '..\\admin'],
    ['an encoded dot segment', '.'],
    ['an object', { a: 1 }],
  ])('a value in the path that is %s: rejected, and nothing is sent', async (_, id) => {
    expect(await sent({ url: '/a/{input.id}' }, { input: { id } })).toEqual({ outcome: 'rejected' })
  })

  test('JSON keeps the types of its values, leaves out what is absent, and keeps the places of a list', async () => {
    const body = {
      ...{ whole: '{input}', seats: '{input.seats}', first: '{input.seats[0]}', text: 'to {input.to}!' },
      ...{ gone: '{input.gone}', list: ['{input.gone}', '{input.to}', 7], braces: '{{to}}', nil: null },
      ...{ key: '{idempotencyKey}', dotted: '{outputs["my.step"].id}', other: '{input.gone ?? input.to}' },
    }
    const input = { to: 'LIS', seats: [3, 4] }
    const sentBody = (await sent({ body }, { input, outputs: { 'my.step': { id: true } } })).body ?? ''
    expect(JSON.parse(sentBody)).toEqual({
      ...{ whole: input, seats: [3, 4], first: 3, text: 'to LIS!', list: [null, 'LIS', 7], braces: '{to}' },
      ...{ nil: null, key: `${uid}:flight:commit`, dotted: true, other: 'LIS' },
    })
  })

  test('only what a value holds itself is looked up', async () => {
    const body = { a: '{input.constructor.name}', b: '{input.__proto__}', c: '{input.to.length}' }
    expect((await sent({ body })).body).toBe('{}')
  })

  test('headers: templates; one that is nothing but an absent value is left out; a line feed is refused', async () => {
    const headers = { Authorization: 'Bearer {input.token}', 'x-trip': '{input.gone}', 'x-n': '{input.n}' }
    const given = (await sent({ headers }, { input: { token: 't1', n: 5 } })).headers
    expect(given).toMatchObject({ authorization: 'Bearer t1', 'x-n': '5' })
    expect(given).not.toHaveProperty('x-trip')
    const odd = { input: { token: 'a\r\nhost: evil' } }
    expect(await sent({ headers }, odd)).toEqual({ outcome: 'rejected' })
  })

  test('functions of what the step receives', async () => {
    const { url, requests } = await recorder()
    const definition = saga<{ to: string }>('trip').step(
      'flight',
      remote({
        commit: {
          method: 'PUT',
          url: ({ input, sagaId }) => `${url}/${input.to}/${sagaId}`,
          headers: { 'x-attempt': ({ attempt }) => `no ${attempt}` },
          body: ({ input }) => [input.to],
        },
        rollback: none('a test'),
        allow: ['http://127.0.0.1:*'],
      }),
    )
    await using orchestrator = await Orchestrator.open('memory:', { log: false })
    await orchestrator.run(definition, { to: 'LIS' }, { id: 's1' })
    expect(requests).toMatchObject([
      { method: 'PUT', url: '/LIS/s1', body: '["LIS"]', headers: { 'x-attempt': 'no 1' } },
    ])
  })

  test('connections are used again', async () => {
    const connections = new Set<unknown>()
    const url = await rawServer((socket) => {
      connections.add(socket)
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1')
    })
    const step = made({ commit: { url } })
    for (let call = 0; call < 5; call++) expect(await outcomeOf(step.commit(contextOf()))).toBe('done 1')
    expect(connections.size).toBe(1)
  })

  test('a connection that is used again may be silent for longer than an idle one is kept', async () => {
    let wait = 0
    const connections = new Set<unknown>()
    const url = await rawServer((socket) => {
      connections.add(socket)
      setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1'), wait)
    })
    const step = made({ commit: { url } })
    expect(await outcomeOf(step.commit(contextOf()))).toBe('done 1')
    wait = 1_700
    expect(await outcomeOf(step.commit(contextOf()))).toBe('done 1')
    expect(connections.size).toBe(1)
  })

  test('an error tells the method, the address without its query, and what was said; no header', async () => {
    const { url } = await recorder(() => ({ status: 409, body: { title: 'Conflict', detail: 'no\nseats' } }))
    const step = made({ commit: { url: `${url}/a?key=secret`, headers: { authorization: 'secret' } } })
    const error = await step.commit(contextOf()).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ message: `POST ${url}/a answered 409, no seats` })
  })
})

describe('a rollback that could not be sent', () => {
  const made204 = async () => {
    const participant = await recorder()
    const rollback = (path: string, more: object = {}) => ({
      method: 'DELETE' as const,
      url: participant.url + path,
      ...more,
    })
    return { ...participant, rollback }
  }

  test.each([
    ['/{input.gone}', {}, '{input.gone} is absent'],
    ['/{outputs.skipped.id}', {}, '{outputs.skipped.id} is absent'],
    ['/', { headers: { authorization: 'Bearer {input.gone}' } }, '{input.gone} is absent'],
    ['/', { body: { text: 'for {input.gone}' } }, '{input.gone} is absent'],
  ])('for lack of a value, %s: its commit is rejected, and not sent', async (path, more, why) => {
    const { url, requests, rollback } = await made204()
    const { commit } = made({ commit: { url }, rollback: rollback(path, more) })
    const error = await commit(contextOf()).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      name: 'Rejected',
      message: `nothing was sent: its rollback could not be: ${why}`,
    })
    expect(requests).toEqual([])
  })

  test('is not asked about again: an earlier attempt may have taken effect', async () => {
    const { url, requests, rollback } = await made204()
    const { commit } = made({ commit: { url }, rollback: rollback('/{input.gone}') })
    expect(await outcomeOf(commit(contextOf({ attempt: 2 })))).toBe('done')
    expect(requests).toHaveLength(1)
  })

  test('is none behind the pivot: the commit is sent', async () => {
    const { url, requests, rollback } = await made204()
    const trip = saga<{ vip: boolean }>('trip')
      .step('lounge', { commit: () => 1, rollback: none('free'), when: ({ input }) => input.vip })
      .step('pay', { commit: () => 2, rollback: none('no way back'), pivot: true })
      .step(
        'mail',
        remote({
          commit: { url },
          rollback: rollback('/{outputs.lounge.id}'),
          allow: ['http://127.0.0.1:*'],
        }),
      )
    await using orchestrator = await Orchestrator.open('memory:', { log: false })
    await orchestrator.run(trip, { vip: false }, { wait: '5s' })
    expect(requests).toHaveLength(1)
  })

  test.each([{ id: '' }, { id: {} }, { id: '..' }])(
    'with what the commit answered, %j: goes without it',
    async (body) => {
      const { url, requests } = await recorder(({ method }) =>
        method === 'POST' ? { body } : { status: 204 },
      )
      const rollback = {
        method: 'DELETE',
        url: `${url}/{output.id ?? commitKey}`,
        headers: { 'x-key': '{output.id ?? commitKey}' },
        body: { key: '{commitKey}', answered: '{output}' },
      }
      const step = made({ commit: { url }, rollback })
      expect(await outcomeOf(step.commit(contextOf()))).toMatch(/^done/)
      expect(await outcomeOf(step.rollback(rollbackContext({ output: body })))).toBe('done')
      const key = `${uid}:flight:commit`
      expect(requests[1]).toMatchObject({ url: `/${encodeURIComponent(key)}`, headers: { 'x-key': key } })
      expect(JSON.parse(requests[1]?.body ?? '')).toEqual({ key })
    },
  )
})

describe('outcomes and verify', () => {
  test('a step may say what its participant means by a status, or by a class of them', async () => {
    let status = 0
    const { url } = await recorder(() => ({ status, body: { id: 1 } }))
    const commit = { url, outcomes: { 404: 'in_doubt', '4xx': 'busy', 500: 'rejected', 302: 'committed' } }
    const step = made({ commit, rollback: { url, outcomes: { 404: 'done', 200: 'failed' } } })
    const heard: unknown[] = []
    for (status of [404, 409, 500, 501, 302, 200]) {
      heard.push([
        status,
        await outcomeOf(step.commit(contextOf())),
        await outcomeOf(step.rollback(rollbackContext())),
      ])
    }
    expect(heard).toEqual([
      [404, 'in_doubt', 'done'],
      [409, 'rejected 0', 'failed'],
      [500, 'rejected', 'failed'],
      [501, 'in_doubt', 'failed'],
      [302, 'done {"id":1}', 'failed'],
      [200, 'done {"id":1}', 'failed'],
    ])
  })

  test.each([
    [200, { committed: { id: 1 } }],
    [410, 'never'],
    [404, 'unknown'],
    [202, 'unknown'],
    [503, 'unknown'],
  ])('verify: %i', async (status, verdict) => {
    const { url, requests } = await recorder(() => ({ status, body: { id: 1 } }))
    const step = made({ commit: { url }, verify: { url: `${url}/{commitKey}` } })
    expect(await step.verify(contextOf({ commitKey: `${uid}:flight:commit` }))).toEqual(verdict)
    expect(requests).toMatchObject([{ method: 'GET', headers: { 'x-backstep-direction': 'verify' } }])
  })

  test('verify: nobody there', async () => {
    const step = made({ commit: { url: 'http://127.0.0.1:1' }, verify: { url: 'http://127.0.0.1:1' } })
    expect(await step.verify(contextOf())).toBe('unknown')
  })
})

describe('refused when it is made', () => {
  const url = 'https://flights.example/'
  test.each([
    ['commit is missing', { commit: undefined }],
    ['rollback is missing', { rollback: undefined }],
    ["comit: there is no field 'comit' here", { comit: { url } }],
    ["did you mean 'commit'", { comit: { url } }],
    ["commit.uri: there is no field 'uri' here", { commit: { uri: url } }],
    ['commit.url is missing', { commit: {} }],
    ['commit is no object', { commit: url }],
    ["commit.method: 'FETCH' is no method", { commit: { url, method: 'FETCH' } }],
    ['commit.url: unknown placeholder {inptu.to}', { commit: { url: `${url}{inptu.to}` } }],
    ['did you mean {input.to}?', { commit: { url: `${url}{inputs.to}` } }],
    ['commit.url: unknown placeholder {output.id}', { commit: { url: `${url}{output.id}` } }],
    ['unknown placeholder {env.HOME}', { commit: { url, headers: { a: '{env.HOME}' } } }],
    ['unknown placeholder {}', { commit: { url: `${url}{}` } }],
    ['cannot be read', { commit: { url: `${url}{input..to}` } }],
    ['commit.url: a lone {', { commit: { url: `${url}{input` } }],
    ['commit.body.a[1]: unknown placeholder', { commit: { url, body: { a: [1, '{x}'] } } }],
    ['commit.body: a GET has no body', { commit: { url, method: 'GET', body: {} } }],
    [
      'commit.headers.Idempotency-Key is set by Backstep',
      { commit: { url, headers: { 'Idempotency-Key': 'x' } } },
    ],
    ['commit.headers.Traceparent is set', { commit: { url, headers: { Traceparent: 'x' } } }],
    ['commit.headers.x-backstep-token is set', { commit: { url, headers: { 'x-backstep-token': 'x' } } }],
    ['commit.headers.a b is no name', { commit: { url, headers: { 'a b': 'x' } } }],
    ['commit.outcomes.42 is no status', { commit: { url, outcomes: { 42: 'rejected' } } }],
    ["commit.outcomes.404: 'done' is no outcome", { commit: { url, outcomes: { 404: 'done' } } }],
    [
      'rollback.url: {output.id} is absent where the commit is in doubt',
      { rollback: { url: `${url}{output.id}` } },
    ],
    ['write {output.id ?? commitKey}', { rollback: { url: `${url}{output.id}` } }],
    [
      'rollback.body.notes[0]: {output.id} is absent where the commit is in doubt',
      { rollback: { url, body: { id: '{output.id}', notes: ['undo {output.id}'] } } },
    ],
    ['commit.headers.x-A is there twice', { commit: { url, headers: { 'X-A': '1', 'x-A': '2' } } }],
    ['commit.headers.x has characters', { commit: { url, headers: { x: '中' } } }],
    ['commit.body: body.at is a Date', { commit: { url, body: { at: new Date(0) } } }],
    ['commit.body: body.n is NaN', { commit: { url, body: { n: Number.NaN } } }],
    ['timeout: ', { timeout: 'soon' }],
    ['retrys: there is no field', { retrys: {} }],
    [`remote step: ${'x'.repeat(60)}: there is no field '${'x'.repeat(60)}' here`, { ['x'.repeat(999)]: {} }],
  ])('%s', (message, wrong) => {
    expect(() => remote({ commit: { url }, rollback: { url }, ...wrong } as never)).toThrow(message)
    const code = { code: 'BAD_DEFINITION' }
    expect(() => remote({ commit: { url }, rollback: { url }, ...wrong } as never)).toThrow(
      expect.objectContaining(code),
    )
  })

  test('what the lint of a step refuses, it refuses of a remote one', () => {
    const options = { commit: { url }, rollback: { url } }
    expect(() => saga('a').step('x', remote({ ...options, retry: { attempts: 0 } }))).toThrow(
      'retry.attempts is 0',
    )
    const { plan } = saga('a')
      .parallel({
        x: step(remote({ ...options, timeout: '2s', retry: { attempts: 3 } })),
        y: step(remote(options)),
      })
      .step('pay', remote({ ...options, pivot: true }))
      .step('mail', remote({ ...options, rollback: none('sent is sent') }))
    expect(plan.shape).toBe('x | y > pay! > mail')
    expect(plan.steps[0]).toMatchObject({ timeout: 2_000, retry: { attempts: 3 }, hasRollback: true })
  })
})
