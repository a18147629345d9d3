/**
 * Live events: complete, resumable, bounded; and nothing is left of a client that has gone.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore, Orchestrator, Rejected, type Store, saga } from 'backstep'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Streams } from '#dist/http/stream.js'
import { wrapStore } from '../support/wrapped-store.mjs'
import { Service } from './fixture.js'
import { listen, type SseEvent } from './sse.js'

let service: Service

beforeAll(async () => {
  service = await Service.start()
})
afterAll(() => service.stop())

const types = (events: readonly SseEvent[]) => events.map(({ event, data }) => event ?? data.type)

describe("one saga's events", () => {
  test('of an ended saga: its journal, then the end; coming back after that: 204', async () => {
    await service.ended({}, 'done-1')
    const { events, status } = await listen(`${service.url}/v1/sagas/done-1/events`)
    expect(status).toBe(200)
    const all = await events.all()
    const { body } = await service.call('/v1/sagas/done-1/journal')
    expect(all.slice(0, -1).map(({ data }) => data)).toEqual(body.entries)
    expect(all.at(-1)).toMatchObject({ event: 'ended', data: { status: 'committed' } })
    const last = all.at(-2)?.id ?? ''
    const back = await listen(`${service.url}/v1/sagas/done-1/events`, { 'Last-Event-ID': last })
    expect(back.status).toBe(204)
    const fromTheMiddle = await listen(`${service.url}/v1/sagas/done-1/events`, {
      'Last-Event-ID': all[2]?.id ?? '',
    })
    expect((await fromTheMiddle.events.all()).map(({ id }) => id)).toEqual(all.slice(3).map(({ id }) => id))
  })

  test('as it happens, to its end', async () => {
    await service.submit({ commit: { payment: 'wait' } }, 'live-1')
    const { events } = await listen(`${service.url}/v1/sagas/live-1/events`)
    await events.until(({ data }) => data.type === 'pending')
    await service.call('/v1/sagas/live-1/cancel', { body: { reason: 'enough' } })
    const all = await events.all()
    const { body } = await service.call('/v1/sagas/live-1/journal')
    const kept = new Map(all.slice(0, -1).map(({ id, data }) => [id, data]))
    expect([...kept.values()]).toEqual(body.entries)
    expect(types(all).slice(-3)).toEqual(['rolled_back', 'ended', 'ended'])
  })

  test('failures that fold into one entry come again under the id that they had', async () => {
    let failures = 0
    const stubborn = saga('stubborn')
      .step('one', {
        commit: () => 1,
        rollback: () => {
          if (failures++ < 8) throw new Error('not now')
        },
        rollbackRetry: { min: 150, max: 150 },
      })
      .step('two', {
        commit: () => {
          throw new Rejected('no')
        },
        rollback: () => {},
      })
    await service.orchestrator.submit(stubborn, undefined, { id: 'fold-1' })
    const { events } = await listen(`${service.url}/v1/sagas/fold-1/events`)
    const all = (await events.all()).filter(({ event }) => event === undefined)
    const ids = all.map(({ id }) => id)
    expect(new Set(ids).size).toBeLessThan(ids.length)
    // What a client has that keeps the last of each id is the journal.
    const kept = new Map(all.map(({ id, data }) => [id, data]))
    const { body } = await service.call('/v1/sagas/fold-1/journal')
    expect([...kept.values()]).toEqual(body.entries)
    expect(body.entries.find((entry: { failures?: number }) => entry.failures === 8)).toBeDefined()
  })

  test('one saga of hundreds that are followed: its followers hear of it as soon as if it were alone', async () => {
    const store = memoryStore()
    const find: Store['find'] = async (ref) => {
      const saga = await store.find(ref)
      await sleep(5)
      return saga
    }
    const many = await Service.start({}, wrapStore(store, { find }))
    const ids = Array.from({ length: 200 }, (_, i) => `many-${i}`)
    await Promise.all(ids.map((id) => many.submit({ commit: { flight: 'wait' }, keys: [id] }, id)))
    const clients = await Promise.all(ids.map((id) => listen(`${many.url}/v1/sagas/${id}/events`)))
    // All have been looked at, which takes more than a second.
    await sleep(2_500)
    const since = performance.now()
    await many.call('/v1/sagas/many-150/cancel', { body: { reason: 'enough' } })
    await clients[150]?.events.until(({ event }) => event === 'ended')
    expect(performance.now() - since).toBeLessThan(2_000)
    for (const { close } of clients) close()
    await many.stop()
  })

  test('what another process does on the same store is seen, too', async () => {
    const { mkdtempSync, rmSync } = await import('node:fs')
    const folder = mkdtempSync('/tmp/backstep-http-')
    const store = `sqlite:${folder}/a.db`
    const hold = saga('hold').step('one', { commit: () => sleep(1_500), rollback: () => {} })
    const worker = await Orchestrator.open(store, { sagas: [hold], log: false })
    const looker = await Service.start({}, store, { work: false, sagas: [] })
    await worker.submit(hold, undefined, { id: 'elsewhere' })
    const { events } = await listen(`${looker.url}/v1/sagas/elsewhere/events`)
    const whole = await listen(`${looker.url}/v1/events`)
    expect(types(await events.all()).slice(-2)).toEqual(['ended', 'ended'])
    const ended = await whole.events.until(
      ({ event, data }) => event === 'saga' && data.status === 'committed',
    )
    expect(ended.data.id).toBe('elsewhere')
    whole.close()
    await looker.stop()
    await worker.close()
    rmSync(folder, { recursive: true })
  })
})

describe('the events of the whole', () => {
  test('sagas that change and counts, within a second or so; the same to all', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => listen(`${service.url}/v1/events`)))
    for (const { events } of clients) await events.until(({ event }) => event === 'counts')
    await service.ended({}, 'whole-1')
    for (const { events, close } of clients) {
      const { data } = await events.until(({ event, data }) => event === 'saga' && data.id === 'whole-1')
      expect(data).toMatchObject({ name: 'trip', cursor: expect.any(String) })
      expect(data.input).toBeUndefined()
      close()
    }
  })

  test('an old saga that changes is told of, too, though a hundred are newer', async () => {
    await service.submit({ commit: { payment: 'refuse' }, rollback: { flight: 'fail' } }, 'old-1')
    await service.until('old-1', ({ stuck }) => stuck)
    await Promise.all(
      Array.from({ length: 120 }, (_, i) => service.submit({ keys: [`n${i}`] }, `newer-${i}`)),
    )
    const { events, close } = await listen(`${service.url}/v1/events`)
    await events.until(({ event }) => event === 'counts')
    const body = { as: 'rolled_back', reason: 'seen to' }
    await service.call('/v1/sagas/old-1/steps/flight/resolve', { body })
    const { data } = await events.until(({ data }) => data.id === 'old-1' && data.status === 'rolled_back')
    expect(data.stuck).toBe(false)
    close()
  })
})

describe('bounds', () => {
  test('where nobody listens, nobody looks; HEAD leaves no stream open', async () => {
    const store = memoryStore()
    let looks = 0
    const list: Store['list'] = (filter) => {
      looks++
      return store.list(filter)
    }
    const small = await Service.start({ maxStreams: 1 }, wrapStore(store, { list }), { work: false })
    for (let i = 0; i < 3; i++) expect((await small.call('/v1/events', { method: 'HEAD' })).status).toBe(200)
    const { status, events, close } = await listen(`${small.url}/v1/events`)
    expect(status).toBe(200)
    await events.until(({ event }) => event === 'counts')
    expect(looks).toBeGreaterThan(0)
    close()
    await sleep(200)
    looks = 0
    await sleep(1_500)
    expect(looks).toBe(0)
    await small.stop()
  })

  test('more streams than may be: 503, and when to come again; one that leaves makes room', async () => {
    const small = await Service.start({ maxStreams: 2 })
    const first = await listen(`${small.url}/v1/events`)
    const second = await listen(`${small.url}/v1/events`)
    const third = await small.call('/v1/events')
    expect([third.status, third.body.code, third.headers.get('Retry-After')]).toEqual([
      503,
      'TOO_MANY_STREAMS',
      '10',
    ])
    first.close()
    await expect.poll(async () => (await listen(`${small.url}/v1/events`)).status).toBe(200)
    second.close()
    await small.stop()
  })

  test('a client that does not read is dropped, and holds less than a megabyte until then', () => {
    let left = 0
    const streams = new Streams(10)
    const stream = streams.open(() => left++)
    const frame = new Uint8Array(1_000)
    let sent = 0
    while (stream.send(frame)) sent += frame.byteLength
    expect(sent).toBeGreaterThan(100_000)
    expect(sent).toBeLessThan(1_000_000)
    expect([left, streams.size, stream.isOpen]).toEqual([1, 0, false])
    expect(stream.send(frame)).toBe(false)
    expect(left).toBe(1)
  })

  test('the same over a socket: it is cut, and nobody else waits', async () => {
    const big = 'x'.repeat(900_000)
    await service.submit({ commit: { payment: 'wait' }, big }, 'slow-reader')
    const port = Number(new URL(service.url).port)
    const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    for (const socket of sockets) {
      socket.on('error', () => {})
      socket.pause()
      socket.write(`GET /v1/sagas/slow-reader/events HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    }
    const { events, close } = await listen(`${service.url}/v1/sagas/slow-reader/events`)
    const { data } = await events.until(({ data }) => data.type === 'submitted')
    expect(data.input.big).toHaveLength(900_000)
    const since = performance.now()
    expect((await service.call('/livez')).status).toBe(200)
    expect(performance.now() - since).toBeLessThan(500)
    close()
    for (const socket of sockets) socket.destroy()
  })

  test('1,000 idle clients are served, and nothing is left once they have gone', async () => {
    const quiet = await Service.start({ maxStreams: 1_001 })
    const port = Number(new URL(quiet.url).port)
    const sockets = await Promise.all(
      Array.from({ length: 1_000 }, async () => {
        const socket = connect(port, '127.0.0.1').on('error', () => {})
        await once(socket, 'connect')
        socket.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
        await once(socket, 'data')
        return socket
      }),
    )
    const full = await Promise.all([quiet.call('/v1/events', { method: 'HEAD' }), quiet.call('/v1/health')])
    expect(full.map(({ status }) => status)).toEqual([200, 200])
    for (const socket of sockets) socket.destroy()
    const one = async () => {
      const { status, close } = await listen(`${quiet.url}/v1/events`)
      close()
      return status
    }
    await expect.poll(one).toBe(200)
    await quiet.stop()
  })
})
