/**
 * The API, route by route: what a client sends, and what it is told.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Service, trip } from './fixture.js'

let service: Service

beforeAll(async () => {
  service = await Service.start()
})
afterAll(() => service.stop())

describe('POST /v1/sagas', () => {
  test('a new saga: 201, where it is, and what it is', async () => {
    const { status, headers, body } = await service.submit({ keys: [] }, 'new-1')
    expect(status).toBe(201)
    expect(headers.get('Location')).toBe('/v1/sagas/new-1')
    expect(headers.get('ETag')).toBe(`"${body.seq}"`)
    expect(body).toMatchObject({ id: 'new-1', name: 'trip', version: '1', input: { keys: [] } })
    expect(body.why).toMatch(/^(nothing to wait for|.*process)/)
  })

  test('without an id it is given one; Location leads to it', async () => {
    const { status, headers, body } = await service.call('/v1/sagas', {
      body: { definition: 'trip', input: {} },
    })
    expect(status).toBe(201)
    const found = await service.call(headers.get('Location') ?? '')
    expect(found.body.id).toBe(body.id)
  })

  test('the same again: 200 and the same saga; another input: 422; by id and by Idempotency-Key', async () => {
    const body = { definition: 'trip', input: { keys: ['a'], n: 1 } }
    const headers = { 'Idempotency-Key': 'again-1' }
    expect((await service.call('/v1/sagas', { body, headers })).status).toBe(201)
    // The order of members is no difference.
    const same = { input: { n: 1, keys: ['a'] }, definition: 'trip@1', id: 'again-1' }
    const again = await service.call('/v1/sagas', { body: same })
    expect([again.status, again.body.id]).toEqual([200, 'again-1'])
    const other = await service.call('/v1/sagas', { body: { ...body, input: { n: 2 } }, headers })
    expect([other.status, other.body.code, other.body.sagaId]).toEqual([422, 'CONFLICT', 'again-1'])
    expect(other.headers.get('Content-Type')).toBe('application/problem+json')
  })

  test('a quoted Idempotency-Key, and one beyond ASCII, mean what they say', async () => {
    const body = { definition: 'trip', input: {} }
    const key = Buffer.from('"clé-🎒"').toString('latin1')
    const { body: saga } = await service.call('/v1/sagas', { body, headers: { 'Idempotency-Key': key } })
    expect(saga.id).toBe('clé-🎒')
  })

  test('Prefer: wait answers when it has ended, or 202 when the time is over', async () => {
    const headers = { Prefer: 'respond-async, wait=20' }
    const done = await service.call('/v1/sagas', { body: { definition: 'trip', input: {} }, headers })
    expect([done.status, done.body.status]).toEqual([201, 'committed'])
    expect(done.headers.get('Preference-Applied')).toBe('wait=20')
    expect(done.body.outputs.flight).toEqual({ id: 'flight-1' })

    const back = await service.ended({ commit: { payment: 'refuse' } }, 'back-1')
    expect(back.body).toMatchObject({
      status: 'rolled_back',
      wayBack: { reason: 'rejected', step: 'payment' },
    })

    const slow = { definition: 'trip', id: 'slow-1', input: { commit: { flight: 'wait' } } }
    const waited = await service.call('/v1/sagas', { body: slow, headers: { Prefer: 'wait=0' } })
    expect([waited.status, waited.body.status]).toEqual([202, 'running'])
    await service.call('/v1/sagas/slow-1/cancel', { body: { reason: 'enough' } })
    const ended = await service.call('/v1/sagas', { body: slow, headers: { Prefer: 'wait=20' } })
    expect([ended.status, ended.body.status]).toEqual([200, 'rolled_back'])
  })

  test.each([
    ['committed', {}],
    ['rolled back', { commit: { payment: 'refuse' } }],
    ['in doubt, and rolled back', { commit: { hotel: 'doubt' } }],
    ['with keys', { keys: ['told-key'], commit: { hotel: 'quote' } }],
  ])('who waits is told what GET says: %s', async (name, input) => {
    const body = { definition: 'trip', id: `told ${name}`, input }
    const told = await service.call('/v1/sagas', { body, headers: { Prefer: 'wait=20' } })
    expect(told.status).toBe(201)
    const got = await service.call(`/v1/sagas/${encodeURIComponent(body.id)}`)
    expect(got.body).toEqual(told.body)
    expect(got.headers.get('ETag')).toBe(told.headers.get('ETag'))
  })

  test('who waits is told what GET says: resolved by hand, behind one that held its key', async () => {
    const input = { keys: ['told-shared'], commit: { payment: 'refuse' }, rollback: { hotel: 'fail' } }
    const first = service.call('/v1/sagas', {
      body: { definition: 'trip', id: 'told-first', input },
      headers: { Prefer: 'wait=20' },
    })
    await expect.poll(async () => (await service.call('/v1/sagas/told-first')).body.stuck).toBe(true)
    const second = service.call('/v1/sagas', {
      body: { definition: 'trip', id: 'told-second', input: { keys: ['told-shared'] } },
      headers: { Prefer: 'wait=20' },
    })
    await expect.poll(async () => (await service.call('/v1/sagas/told-second')).status).toBe(200)
    await service.call('/v1/sagas/told-first/steps/hotel/resolve', {
      body: { as: 'rolled_back', reason: 'by phone' },
    })
    for (const told of [await first, await second]) {
      const got = await service.call(`/v1/sagas/${told.body.id}`)
      expect(got.body).toEqual(told.body)
      expect(got.headers.get('ETag')).toBe(told.headers.get('ETag'))
    }
  })

  test('a deadline', async () => {
    const body = {
      definition: 'trip',
      id: 'deadline-1',
      input: { commit: { flight: 'wait' } },
      deadline: '50ms',
    }
    const { body: saga } = await service.call('/v1/sagas', { body, headers: { Prefer: 'wait=20' } })
    expect(saga).toMatchObject({ status: 'rolled_back', wayBack: { reason: 'deadline' } })
  })

  test.each([
    [{ definition: 'trop' }, 404, 'UNKNOWN_DEFINITION'],
    [{ definition: 'trip@2' }, 404, 'UNKNOWN_DEFINITION'],
    [{ definition: 7 }, 400, 'BAD_INPUT'],
    [{}, 400, 'BAD_INPUT'],
    [[], 400, 'BAD_INPUT'],
    [{ definition: 'trip', inptu: {} }, 400, 'BAD_INPUT'],
    [{ definition: 'trip', deadline: 'soon' }, 400, 'BAD_INPUT'],
    [{ definition: 'trip', input: { a: 'x\0y' } }, 400, 'BAD_INPUT'],
    [{ definition: 'trip', input: { keys: [''] } }, 400, 'BAD_INPUT'],
  ])('%j: %i %s', async (body, status, code) => {
    const reply = await service.call('/v1/sagas', { body })
    expect([reply.status, reply.body.code]).toEqual([status, code])
    expect(reply.body).toMatchObject({ status, hint: expect.any(String), detail: expect.any(String) })
  })

  const headers = { 'Content-Type': 'application/json' }
  test.each([
    ['no JSON', '{"definition": "SECRET', headers, 400, 'BAD_JSON'],
    ['not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), headers, 400, 'BAD_JSON'],
    ['too deep', `{"input":${'['.repeat(100_000)}`, headers, 400, 'TOO_DEEP'],
    [
      '64 levels, brackets in texts aside',
      `{"definition":"${'[{\\"'.repeat(100)}"}`,
      headers,
      404,
      'UNKNOWN_DEFINITION',
    ],
    [
      'a form',
      'definition=trip',
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['text', '{}', { 'Content-Type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['compressed', '{}', { ...headers, 'Content-Encoding': 'gzip' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['too large', JSON.stringify({ definition: 'x'.repeat(1_048_577) }), headers, 413, 'TOO_LARGE'],
  ])('%s', async (_, raw, sent, status, code) => {
    const reply = await service.call('/v1/sagas', { raw, method: 'POST', headers: sent })
    expect([reply.status, reply.body.code]).toEqual([status, code])
    expect(JSON.stringify(reply.body)).not.toContain('SECRET')
  })

  test('too large without saying how large: refused as soon as it is', async () => {
    let sent = 0
    const raw = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 65_536
        controller.enqueue(new Uint8Array(65_536))
      },
    })
    const reply = await service.call('/v1/sagas', { raw, method: 'POST', headers })
    expect(reply.status).toBe(413)
    expect(sent).toBeLessThan(20_000_000)
  })

  test('id and Idempotency-Key that differ are refused', async () => {
    const body = { definition: 'trip', id: 'a' }
    const reply = await service.call('/v1/sagas', { body, headers: { 'Idempotency-Key': 'b' } })
    expect([reply.status, reply.body.code]).toEqual([400, 'BAD_INPUT'])
  })
})

describe('looking', () => {
  test('who waits for whom, of a whole page at once', async () => {
    const line = await Service.start()
    await line.submit({ commit: { flight: 'hang' }, keys: ['line'] }, 'in-the-way')
    for (const id of ['waits-1', 'waits-2']) await line.submit({ keys: ['line'] }, id)
    const { body } = await line.call('/v1/sagas?status=queued,running&order=oldest&waits=true')
    const [first, ...behind] = body.sagas
    expect([first.id, first.waitsFor]).toEqual(['in-the-way', []])
    expect(behind.map(({ id }: { id: string }) => id)).toEqual(['waits-1', 'waits-2'])
    for (const { waitsFor } of behind) {
      expect(waitsFor[0]).toMatchObject({ id: 'in-the-way', key: 'line', stage: 'holding' })
    }
    await line.stop()
  })

  test('pages, filters and counts', async () => {
    for (let i = 0; i < 5; i++) await service.ended({ keys: ['page'] }, `page-${i}`)
    await service.ended({ commit: { flight: 'refuse' } }, 'page-back')
    const first = await service.call('/v1/sagas?limit=2&status=committed')
    expect(first.body.sagas.map(({ id }: { id: string }) => id)).toEqual(['page-4', 'page-3'])
    const second = await service.call(`/v1/sagas?limit=2&status=committed&after=${first.body.next}`)
    expect(second.body.sagas.map(({ id }: { id: string }) => id)).toEqual(['page-2', 'page-1'])
    const back = await service.call('/v1/sagas?status=rolled_back,rolling_back&limit=1&counts=true&name=trip')
    expect(back.body.sagas[0].id).toBe('page-back')
    const countsSoon = async () => (await service.call('/v1/sagas?limit=1&counts=true')).body.counts.committed
    await expect.poll(countsSoon).toBeGreaterThanOrEqual(5)
    const oldest = await service.call('/v1/sagas?order=oldest&limit=1&stuck=false&late=false&blocked=false')
    expect(oldest.body.sagas[0].id).toBe('new-1')
    const none = await service.call('/v1/sagas?name=nothing')
    expect(none.body).toEqual({ sagas: [], next: null })
  })

  test.each([
    'limit=0',
    'limit=501',
    'name=a%00b',
    'limit=x',
    'stuck=yes',
    'statuz=x',
    'status=done',
    'after=x',
    'order=up',
  ])('?%s: 400', async (query) => {
    const { status, body } = await service.call(`/v1/sagas?${query}`)
    expect([status, body.code]).toEqual([400, 'BAD_INPUT'])
  })

  test('a journal', async () => {
    await service.ended({ commit: { payment: 'refuse' } }, 'journal-1')
    const { body } = await service.call('/v1/sagas/journal-1/journal')
    expect(body.entries.map(({ type }: { type: string }) => type)).toEqual([
      ...['submitted', 'started', 'committed', 'started', 'committed', 'started', 'failed', 'rolling_back'],
      ...['started', 'rolled_back', 'started', 'rolled_back', 'ended'],
    ])
  })

  test('definitions, the newest last; health; figures; probes; metrics', async () => {
    const { body } = await service.call('/v1/definitions')
    expect(body.definitions).toEqual([
      { name: 'trip', version: '1', shape: 'flight > hotel > payment' },
      { name: 'gift', version: '1', shape: expect.stringContaining('pay') },
    ])
    const health = await service.call('/v1/health')
    expect(health.body.workers).toHaveLength(1)
    const stats = await service.call('/v1/stats')
    const ended = stats.body.buckets.reduce(
      (sum: number, { committed }: { committed: number }) => sum + committed,
      0,
    )
    expect(ended).toBeGreaterThan(5)
    expect((await service.call('/livez')).body).toEqual({ status: 'live' })
    expect((await service.call('/readyz')).body).toEqual({ status: 'ready' })
    const metrics = await service.call('/metrics')
    expect(metrics.headers.get('Content-Type')).toMatch(/^text\/plain/)
    expect(metrics.body).toMatch(/backstep_sagas_ended_total\{status="committed"\} [1-9]/)
    expect(metrics.body).toMatch(
      /backstep_http_requests_total\{method="POST",route="\/v1\/sagas",status="201"\} [1-9]/,
    )
  })

  test('HEAD is GET without a body, also of a stream, which is not left open', async () => {
    for (let i = 0; i < 3; i++)
      expect((await service.call('/v1/events', { method: 'HEAD' })).status).toBe(200)
    expect((await service.call('/v1/sagas', { method: 'HEAD' })).status).toBe(200)
  })

  test('what is not there: 404 as a problem; another method: 405, and which there are', async () => {
    for (const path of ['/v1/sagas/nobody', '/v1/sagas/nobody/journal', '/v1/sagas/nobody/events']) {
      const { status, body } = await service.call(path)
      expect([status, body.code, body.sagaId]).toEqual([404, 'NOT_FOUND', 'nobody'])
    }
    const unknown = await service.call('/v2/sagas')
    expect([unknown.status, unknown.body.code]).toEqual([404, 'UNKNOWN_PATH'])
    const wrong = await service.call('/v1/sagas', { method: 'PUT', body: {} })
    expect([wrong.status, wrong.body.code, wrong.headers.get('Allow')]).toEqual([
      405,
      'METHOD_NOT_ALLOWED',
      'POST, GET, HEAD',
    ])
    const preflight = await service.call('/v1/sagas/x/cancel', { method: 'OPTIONS' })
    expect([preflight.status, preflight.headers.get('Allow')]).toEqual([405, 'POST'])
  })

  test('what every answer carries', async () => {
    for (const path of ['/v1/sagas', '/v1/sagas/nobody', '/nothing', '/livez']) {
      const { headers } = await service.call(path)
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
      expect(headers.get('Referrer-Policy')).toBe('no-referrer')
      expect(headers.get('Cache-Control')).toBe('no-store')
      expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'")
      expect(headers.get('Access-Control-Allow-Origin')).toBeNull()
    }
  })
})

describe('actions', () => {
  test('cancel, with who and why in the journal', async () => {
    await service.submit({ commit: { payment: 'wait' } }, 'cancel-1')
    await service.until('cancel-1', ({ steps }) => steps[2].commit === 'waiting')
    const reply = await service.call('/v1/sagas/cancel-1/cancel', {
      body: { reason: 'too late', actor: 'ada' },
    })
    expect([reply.status, reply.body.result, reply.body.saga.id]).toEqual([200, 'cancelled', 'cancel-1'])
    const saga = await service.until('cancel-1', ({ status }) => status === 'rolled_back')
    expect(saga.wayBack).toEqual({ reason: 'cancelled', message: 'too late', actor: 'ada' })
    const again = await service.call('/v1/sagas/cancel-1/cancel', { body: { reason: 'again' } })
    expect([again.status, again.body.code, again.body.sagaId]).toEqual([409, 'ENDED', 'cancel-1'])
    expect(again.body.hint).toContain('GET /v1/sagas')
  })

  test('retry ends the wait; resolve settles a step', async () => {
    await service.submit({ commit: { payment: 'refuse' }, rollback: { hotel: 'fail' } }, 'stuck-1')
    const stuck = await service.until('stuck-1', ({ stuck }) => stuck)
    expect(stuck.why).toMatch(/^stuck, waiting .* for attempt 2 of the rollback of hotel; last error/)
    expect(
      (await service.call('/v1/sagas?stuck=true')).body.sagas.map(({ id }: { id: string }) => id),
    ).toContain('stuck-1')
    const retried = await service.call('/v1/sagas/stuck-1/retry', { method: 'POST' })
    expect([retried.status, retried.body.result]).toEqual([200, 'retry_requested'])
    await service.until(
      'stuck-1',
      ({ steps }) => steps[1].rollbackAttempts === 2 && steps[1].rollback === 'waiting',
    )
    const path = `/v1/sagas/stuck-1/steps/${encodeURIComponent('hotel')}/resolve`
    const resolved = await service.call(path, { body: { as: 'rolled_back', reason: 'by phone' } })
    expect([resolved.status, resolved.body.result]).toEqual([200, 'rolled_back'])
    await service.until('stuck-1', ({ status }) => status === 'rolled_back')
    const { body } = await service.call('/v1/sagas/stuck-1/journal')
    expect(body.entries.find(({ type }: { type: string }) => type === 'resolved')).toMatchObject({
      step: 'hotel',
      reason: 'by phone',
      actor: 'local',
    })
  })

  test('resolve as committed, with an output for the steps behind it', async () => {
    await service.submit({ commit: { flight: 'wait' } }, 'resolve-1')
    await service.until('resolve-1', ({ steps }) => steps[0].commit === 'waiting')
    const body = { as: 'committed', output: { id: 'by hand' }, reason: 'fax' }
    expect((await service.call('/v1/sagas/resolve-1/steps/flight/resolve', { body })).status).toBe(200)
    const saga = await service.until('resolve-1', ({ status }) => status === 'committed')
    expect(saga.outputs.flight).toEqual({ id: 'by hand' })
  })

  test('refusals: past the pivot, not resolvable, not rebindable, not there', async () => {
    await service.submit({ commit: { send: 'wait' } }, 'gift-1', 'gift')
    await service.until('gift-1', ({ steps }) => steps[1].commit === 'waiting')
    const refused = async (path: string, body: object) => {
      const reply = await service.call(`/v1/sagas/${path}`, { body })
      return [reply.status, reply.body.code]
    }
    expect(await refused('gift-1/cancel', { reason: 'x' })).toEqual([409, 'PAST_PIVOT'])
    expect(await refused('gift-1/steps/nothing/resolve', { as: 'committed', reason: 'x' })).toEqual([
      409,
      'NOT_RESOLVABLE',
    ])
    expect(await refused('gift-1/rebind', { version: '9' })).toEqual([409, 'NOT_REBINDABLE'])
    expect(await refused('nobody/cancel', { reason: 'x' })).toEqual([404, 'NOT_FOUND'])
    expect(await refused('gift-1/cancel', {})).toEqual([400, 'BAD_INPUT'])
    expect(await refused('gift-1/cancel', { reason: ' ' })).toEqual([400, 'BAD_INPUT'])
    expect(await refused('gift-1/steps/send/resolve', { as: 'done', reason: 'x' })).toEqual([
      400,
      'BAD_INPUT',
    ])
    expect(await refused('gift-1/retry', { reason: 'no such member' })).toEqual([400, 'BAD_INPUT'])
  })

  test('rebind, with a reason', async () => {
    await service.submit({ commit: { flight: 'wait' }, keys: ['rebind'] }, 'rebind-1')
    await service.until('rebind-1', ({ steps }) => steps[0].commit === 'waiting')
    await service.orchestrator.run(trip('2'), {})
    const reply = await service.call('/v1/sagas/rebind-1/rebind', {
      body: { version: '2', reason: 'the old one is gone' },
    })
    expect([reply.status, reply.body.result, reply.body.saga.version]).toEqual([200, 'rebound', '2'])
    const { body } = await service.call('/v1/sagas/rebind-1/journal')
    expect(body.entries.at(-1)).toMatchObject({
      type: 'rebound',
      version: '2',
      reason: 'the old one is gone',
      actor: 'local',
    })
    // The newest that is registered is what a name alone means now.
    const { body: newest } = await service.submit({}, 'newest-1')
    expect(newest.version).toBe('2')
    expect((await service.call('/v1/sagas', { body: { definition: 'trip@1' } })).body.version).toBe('1')
  })

  test('If-Match: nothing happens once the journal has grown', async () => {
    await service.submit({ commit: { payment: 'refuse' }, rollback: { flight: 'fail' } }, 'match-1')
    await service.until('match-1', ({ stuck }) => stuck)
    const { headers } = await service.call('/v1/sagas/match-1')
    const etag = headers.get('ETag') ?? ''
    const retry = (match: string) =>
      service.call('/v1/sagas/match-1/retry', { body: {}, headers: { 'If-Match': match } })
    expect((await retry('W/"1"')).status).toBe(400)
    const stale = await retry('"0"')
    expect([stale.status, stale.body.code]).toEqual([412, 'CHANGED'])
    // Of many at once with the same ETag exactly one wins.
    const statuses = await Promise.all(Array.from({ length: 10 }, async () => (await retry(etag)).status))
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 412)).toHaveLength(9)
    expect((await retry('*')).status).toBe(200)
  })
})

describe('scenario 16: ids of every kind are refused, or found again byte for byte', () => {
  const ids = [
    '../x',
    '..',
    '.',
    '%',
    '%2F',
    'a/b?c#d',
    'x;y=1',
    '=.',
    '=..',
    'a+b c',
    '🧳é́',
    'ﬀ',
    '"quoted"',
    "'",
    '\\',
    '__proto__',
    'x'.repeat(256),
  ]
  test.each(ids)('%s', async (id) => {
    const { status, headers } = await service.submit({ keys: [id] }, id)
    expect(status).toBe(201)
    const location = headers.get('Location') ?? ''
    const found = await service.call(location)
    expect([found.status, found.body.id, found.body.keys]).toEqual([200, id, [id]])
    const journal = await service.call(`${location}/journal`)
    expect(journal.status).toBe(200)
    const cancelled = await service.call(`${location}/cancel`, { body: { reason: 'x' } })
    expect([200, 409]).toContain(cancelled.status)
    const { body } = await service.call('/v1/sagas?limit=1')
    expect(body.sagas[0].id).toBe(id)
  })

  test.each(['', ' ', ' x', 'x\n', 'nul\0', 'x'.repeat(257), '\ud800'])('%j is refused', async (id) => {
    const { status, body } = await service.submit({}, id)
    expect([status, body.code]).toEqual([400, 'BAD_INPUT'])
  })

  test('10 kB, in a path as in a header, is refused; a path that is no UTF-8, too', async () => {
    const long = 'x'.repeat(10_000)
    expect((await service.call(`/v1/sagas/${long}`)).status).toBe(400)
    const headers = { 'Idempotency-Key': long }
    expect((await service.call('/v1/sagas', { body: { definition: 'trip' }, headers })).status).toBe(400)
    expect((await service.call('/v1/sagas/%ff')).status).toBe(400)
    expect((await service.call(`/v1/sagas/${'x'.repeat(20_000)}`)).status).toBe(431)
  })
})

test('scenario 44 (in a process): a client that hears nothing sends again, and finds the same saga', async () => {
  const body = { definition: 'trip', input: { commit: { payment: 'wait' }, keys: ['44'] } }
  const init = { body, headers: { 'Idempotency-Key': 'lost-1', Prefer: 'wait=30' } }
  const controller = new AbortController()
  const first = service.call('/v1/sagas', { ...init, signal: controller.signal }).catch(() => 'gone')
  await sleep(100)
  controller.abort()
  expect(await first).toBe('gone')
  const again = await service.call('/v1/sagas', { body, headers: { 'Idempotency-Key': 'lost-1' } })
  expect([again.status, again.body.id]).toEqual([200, 'lost-1'])
  expect(again.body.steps[0].commitAttempts).toBe(1)
})
