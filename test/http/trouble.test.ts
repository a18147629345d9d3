/**
 * A store that hangs or goes away, clients that break off or do not read, and a server that closes meanwhile.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore, Orchestrator, type Store, saga } from 'backstep'
import { sagaApp, sagaMetrics, serve } from 'backstep/http'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Streams } from '#dist/http/stream.js'
import { Waits } from '#dist/http/waits.js'
import { wrapStore } from '../support/wrapped-store.mjs'
import { Service, trip } from './fixture.js'

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

const start = async (...args: Parameters<typeof Service.start>) => {
  const service = await Service.start(...args)
  cleanUps.push(() => service.stop())
  return service
}

async function socketTo(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  cleanUps.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

describe('a store that hangs', () => {
  test('every route answers 503 all the same, and works again once the store does', async () => {
    const store = memoryStore()
    let hangs = false
    const handler: ProxyHandler<Store> = {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        const stays = ['open', 'close', 'onHint', 'skew'].includes(String(name))
        return (...args: unknown[]) =>
          hangs && !stays ? new Promise(() => {}) : Reflect.apply(value, target, args)
      },
    }
    const options = { work: false, log: false, sagas: [trip()] } as const
    const orchestrator = await Orchestrator.open(new Proxy(store, handler), options)
    const app = sagaApp(orchestrator, { page: false })
    await orchestrator.submit(trip(), {}, { id: 'a' })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    hangs = true
    const paths = ['/readyz', '/v1/health', '/v1/sagas', '/v1/sagas/a', '/v1/sagas/a/journal']
    const post = (body: object) => ({
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    const asked = [
      ...[...paths, '/v1/sagas/a/events'].map((path) => app.request(path)),
      app.request('/v1/sagas', post({ definition: 'trip', id: 'b' })),
      app.request('/v1/sagas/a/cancel', post({ reason: 'x' })),
    ]
    const scraped = app.request('/metrics')
    expect((await app.request('/livez')).status).toBe(200)
    // The bodies are read before the store is asked.
    for (let round = 0; round < 4; round++) await vi.advanceTimersByTimeAsync(5_000)
    for (const answered of await Promise.all(asked)) {
      const { code } = (await answered.json()) as { code: string }
      expect([answered.status, code, answered.headers.get('Retry-After')]).toEqual([
        503,
        'STORE_UNAVAILABLE',
        '2',
      ])
    }
    expect(await (await scraped).text()).toMatch(/^backstep_store_up 0$/m)
    hangs = false
    for (const path of paths) expect((await app.request(path)).status).toBe(200)
    vi.useRealTimers()
    await orchestrator.close({ drain: 0 }).catch(() => {})
  })

  test('what /metrics says of the store is what it is now, not what it was at the last scrape', async () => {
    const store = memoryStore()
    let answers = true
    const health = () => (answers ? store.health() : Promise.reject(new Error('gone')))
    const orchestrator = await Orchestrator.open(wrapStore(store, { health }), { log: false })
    cleanUps.push(() => orchestrator.close())
    const { registry } = sagaMetrics(orchestrator)
    for (const now of [true, false, true, false]) {
      answers = now
      const text = await registry.metrics()
      expect(text.includes('\nbackstep_store_up 1')).toBe(now)
      expect(text.includes('\nbackstep_workers 1')).toBe(now)
      expect(text.includes('\nbackstep_sagas{status="queued"} 0')).toBe(now)
      await sleep(250)
    }
  })

  test('a blocked saga with steps of its own is found once the store answers again', async () => {
    const participant = (await import('node:http')).createServer((request, response) => {
      request.resume()
      response.setHeader('Content-Type', 'application/json')
      response.end('{}')
    })
    participant.listen(0, '127.0.0.1')
    await once(participant, 'listening')
    cleanUps.push(() => participant.close())
    const url = `http://127.0.0.1:${(participant.address() as { port: number }).port}`
    const store = memoryStore()
    const steps = [{ name: 'one', commit: { url }, rollback: { none: 'x' } }]
    const first = await start({ allow: [url] }, wrapStore(store, { close: async () => {} }), { work: false })
    const body = { name: 'brought', id: 'b', steps, input: {} }
    expect((await first.call('/v1/sagas', { body })).status).toBe(201)
    await first.stop()
    cleanUps.pop()
    let answers = false
    const gone = () => Promise.reject(new Error('gone'))
    const methods: Partial<Store> = {
      open: async () => {},
      list: (filter) => (answers ? store.list(filter) : gone()),
      find: (ref) => (answers ? store.find(ref) : gone()),
      apply: (writes) =>
        answers || writes.some(({ type }) => type === 'join') ? store.apply(writes) : gone(),
    }
    const second = await start({ allow: [url] }, wrapStore(store, methods))
    await sleep(300)
    answers = true
    await second.until('b', ({ status }) => status === 'committed')
  })
})

test('kinds of sagas that bring their steps along are bounded; those that are known go on', async () => {
  const url = 'http://127.0.0.1:9'
  const service = await start({ allow: [url] }, 'memory:', { work: false })
  const submit = (name: string, input: object = {}) => {
    const steps = [{ name: 'one', commit: { url }, rollback: { none: 'x' } }]
    return service.call('/v1/sagas', { body: { name, steps, input } })
  }
  for (let n = 0; n < 999; n++) {
    const definition = saga(`kind-${n}`, { version: 'inline-1' })
    service.orchestrator.offer(definition.step('one', { commit: () => 1, rollback: () => {} }))
  }
  expect((await submit('the-last')).status).toBe(201)
  const { status, body } = await submit('one-more')
  expect([status, body.code]).toEqual([403, 'TOO_MANY_KINDS'])
  expect((await submit('the-last', { other: true })).status).toBe(201)
})

describe('clients that break off, or do not read', () => {
  test('a body that breaks off is no failure of the server: nothing is logged', async () => {
    const lines: unknown[] = []
    const sink = (fields: object) => void lines.push(fields)
    const log = { debug: sink, info: sink, warn: sink, error: sink }
    const service = await start({ log })
    const head = 'POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
    for (const rest of [
      'Content-Length: 100\r\n\r\n{"to',
      'Transfer-Encoding: chunked\r\n\r\n3\r\n{"t\r\n',
    ]) {
      const socket = await socketTo(service.url)
      socket.write(head + rest)
      await sleep(100)
      socket.destroy()
    }
    const counted = async () => (await service.call('/metrics')).body
    await expect.poll(counted).toMatch(/requests_total{method="POST",route="\/v1\/session",status="400"} 2/)
    expect(lines).toEqual([])
  })

  test('a connection on which nothing moves ends, whatever waits to be read from it', async () => {
    const servers: Server[] = []
    const hear = (message: unknown) => void servers.push((message as { readonly server: Server }).server)
    subscribe('http.server.request.start', hear)
    const service = await start()
    await service.call('/livez')
    unsubscribe('http.server.request.start', hear)
    // Longer than what the API itself may take: 60 s of waiting, 30 s of an arriving request.
    expect(servers.map(({ timeout }) => timeout)).toEqual([90_000])
  })

  test('a slow client is not dropped by the heartbeat, nor a dropped one written to stderr', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let cuts = 0
    const streams = new Streams(1)
    const stream = streams.open(
      () => {},
      () => cuts++,
    )
    stream.send(new Uint8Array(300_000))
    expect(stream.hasRoom).toBe(false)
    vi.advanceTimersByTime(60_000)
    expect([stream.isOpen, cuts]).toEqual([true, 0])
    stream.send(new Uint8Array(1))
    expect([stream.isOpen, cuts, streams.size]).toEqual([false, 1, 0])
  })
})

describe('closing', () => {
  test('is done as soon as the last answer is: a connection that is kept alive is not waited for', async () => {
    const slow = saga('slow', { keys: () => [] }).step('one', {
      commit: () => sleep(400, 1),
      rollback: () => {},
    })
    const orchestrator = await Orchestrator.open('memory:', { sagas: [slow], log: false })
    cleanUps.push(() => orchestrator.close())
    const server = await serve(orchestrator, { port: 0, page: false })
    const events = await fetch(`${server.url}v1/events`)
    const waiting = fetch(`${server.url}v1/sagas`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Prefer: 'wait=9' },
      body: '{"definition": "slow"}',
    })
    await sleep(150)
    const since = performance.now()
    const closed = server.close()
    expect(await (await waiting).json()).toMatchObject({ status: 'committed' })
    await closed
    expect(performance.now() - since).toBeLessThan(1_500)
    expect(await events.text()).toContain('retry: 2000')
  })

  test('whoever waits for longer than it takes is told how far the saga is', async () => {
    const orchestrator = await Orchestrator.open('memory:', { sagas: [trip()], log: false })
    cleanUps.push(() => orchestrator.close({ drain: 0 }))
    const server = await serve(orchestrator, { port: 0, page: false })
    const waiting = fetch(`${server.url}v1/sagas`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Prefer: 'wait=50' },
      body: '{"definition": "trip", "id": "far", "input": {"commit": {"flight": "hang"}}}',
    })
    await expect.poll(async () => (await orchestrator.get('far'))?.status).toBe('running')
    const closed = server.close({ drain: 1_000 })
    const answer = await waiting
    expect([answer.status, await answer.json()]).toMatchObject([202, { id: 'far', status: 'running' }])
    await closed
  })

  test('a thousand waits for one saga leave one behind', async () => {
    let outcomes = 0
    let end: (value: never) => void = () => {}
    const outcome = () => {
      outcomes++
      return new Promise<never>((resolve) => {
        end = resolve
      })
    }
    const waits = new Waits()
    const handle = { id: 'a', created: true, outcome }
    const all = await Promise.all(Array.from({ length: 1_000 }, () => waits.endsWithin(handle, 5)))
    expect([new Set(all.map(({ isOver }) => isOver)), outcomes]).toEqual([new Set([false]), 1])
    const [last, stopped] = [waits.endsWithin(handle, 60_000), waits.endsWithin(handle, 60_000)]
    end(undefined as never)
    expect([(await last).isOver, (await stopped).isOver]).toEqual([true, true])
    const other = waits.endsWithin(handle, 60_000)
    waits.stop()
    expect([(await other).isOver, outcomes]).toEqual([false, 2])
  })

  test('whoever waits for a saga that has no id of his own is told which it is', async () => {
    const service = await start()
    const body = { definition: 'trip', input: { commit: { flight: 'wait' } } }
    const waiting = service.call('/v1/sagas', { body, headers: { Prefer: 'wait=50' } })
    waiting.catch(() => {})
    const listed = async () => (await service.orchestrator.list()).sagas.length
    await expect.poll(listed, { timeout: 10_000 }).toBe(1)
    const [one] = (await service.orchestrator.list()).sagas
    await service.orchestrator.close({ drain: 0 })
    const { status, headers, body: answered } = await waiting
    expect([status, answered.id, headers.get('Location')]).toEqual([202, one?.id, `/v1/sagas/${one?.id}`])
  })
})
