/**
 * Participants over HTTP: the barrier behind Express, Fastify, Hono and plain node:http, on SQLite and PostgreSQL, called by real sagas
 * through remote steps; with lost answers, duplicates, late commits and stale owners.
 */
import { execFile } from 'node:child_process'
import { createServer, request as requestHttp } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { serve } from '@hono/node-server'
import { type Definition, Orchestrator, Rejected, saga } from 'backstep'
import {
  barrier,
  commitHandler,
  type ParticipantHandler,
  postgresBarrier,
  rollbackHandler,
} from 'backstep/barrier'
import Database from 'better-sqlite3'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { afterEach, describe, expect, test } from 'vitest'
import { remote } from '#dist/remote/index.js'
import { describePostgres } from '../support/postgres.js'
import { participant as onSqlite, uid } from './fixture.js'
import { gate, participant as onPostgres } from './postgres-fixture.js'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

interface Handlers {
  readonly commit: ParticipantHandler
  readonly rollback: ParticipantHandler
}

type Serve = (handlers: Handlers) => Promise<string>

const addressOf = (server: { address(): unknown }): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}/flights`

const frameworks: Readonly<Record<string, Serve>> = {
  async express({ commit, rollback }) {
    const app = express()
    app.use(express.json())
    app.post('/flights', commit)
    app.delete('/flights', rollback)
    app.use(
      (
        _error: unknown,
        _request: express.Request,
        response: express.Response,
        _next: express.NextFunction,
      ) => {
        response.status(500).end()
      },
    )
    const server = await new Promise<ReturnType<typeof app.listen>>((resolve) => {
      const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
    })
    undo.push(() => server.close())
    return addressOf(server)
  },
  async fastify({ commit, rollback }) {
    const app = fastify()
    app.post('/flights', commit)
    app.delete('/flights', rollback)
    await app.listen({ port: 0, host: '127.0.0.1' })
    undo.push(() => app.close())
    return addressOf(app.server)
  },
  async hono({ commit, rollback }) {
    const app = new Hono()
    app.post('/flights', commit)
    app.delete('/flights', rollback)
    app.onError((_, context) => context.text('oops', 500))
    const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
      const listening = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(listening))
    })
    undo.push(() => server.close())
    return addressOf(server)
  },
  async 'node:http'({ commit, rollback }) {
    const server = createServer((request, response) => {
      void (request.method === 'POST' ? commit : rollback)(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    undo.push(() => server.close())
    return addressOf(server)
  },
}

interface Booking {
  readonly id: number
  readonly what: string
}

const allow = ['http://127.0.0.1:*']

/** A saga that books at `url`, and then pays, which fails for those who are poor. */
const trip = (url: string): Definition<{ readonly to: string; readonly poor?: boolean }> =>
  saga<{ readonly to: string; readonly poor?: boolean }>('trip', { keys: () => [] })
    .step(
      'flight',
      remote<Booking>({
        commit: { url, body: { what: '{input.to}' } },
        rollback: { method: 'DELETE', url },
        timeout: '5s',
        retry: { attempts: 3 },
        allow,
      }),
    )
    .step('payment', {
      commit: ({ input }) => {
        if (input.poor) throw new Rejected('declined')
      },
      rollback: () => {},
    })

const open = async (): Promise<Orchestrator> => {
  const orchestrator = await Orchestrator.open('memory:', { log: false })
  undo.push(() => orchestrator.close())
  return orchestrator
}

const sqlite = () => {
  const books = onSqlite()
  return {
    ...books,
    handlers: {
      commit: commitHandler(books.guard, ({ what }: { what: string }) => books.book(what)),
      rollback: rollbackHandler(books.guard, (booking: Booking) => books.release(booking)),
    },
  }
}

/** One request as an orchestrator makes it; its status, and what was said. */
async function ask(
  url: string,
  more: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  const { method = 'POST', body = '{"what":"seat"}' } = more
  const direction = method === 'POST' ? 'commit' : 'rollback'
  const headers = {
    ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
    'idempotency-key': `${uid}:flight:${direction}`,
    'x-backstep-commit-key': `${uid}:flight:commit`,
    'x-backstep-token': '3',
    'x-backstep-saga': 'trip%201',
    'x-backstep-attempt': '2',
    ...more.headers,
  }
  const answer = await fetch(url, { method, headers, ...(method === 'POST' ? { body } : {}) })
  const text = await answer.text()
  const said = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : undefined
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), said }
}

const rollback = { method: 'DELETE' }

describe.each(Object.entries(frameworks))('%s', (_, serve) => {
  test('a saga through remote steps: what it commits stands, what it rolls back is gone', async () => {
    const { handlers, effects } = sqlite()
    const definition = trip(await serve(handlers))
    const orchestrator = await open()
    expect(await orchestrator.run(definition, { to: 'LIS' })).toEqual({ flight: { id: 1, what: 'LIS' } })
    await expect(orchestrator.run(definition, { to: 'OSL', poor: true })).rejects.toMatchObject({
      rolledBack: ['flight'],
    })
    expect(effects()).toEqual(['LIS'])
  })

  test('a duplicate gets the stored answer; a commit after its rollback is refused for good', async () => {
    const { handlers, effects, calls } = sqlite()
    const url = await serve(handlers)
    const first = await ask(url)
    expect(first).toEqual({ status: 200, retryAfter: null, said: { id: 1, what: 'seat' } })
    expect(await ask(url)).toEqual(first)
    expect((await ask(url, rollback)).said).toEqual({ released: 1 })
    expect((await ask(url, rollback)).said).toEqual({ released: 1 })
    expect(await ask(url)).toMatchObject({ status: 409, said: { code: 'ROLLED_BACK_ALREADY', status: 409 } })
    expect([effects(), calls]).toEqual([[], { effect: 1, undo: 1 }])
  })

  test('a rollback without its commit: nothing to undo, 204', async () => {
    const { handlers } = sqlite()
    const url = await serve(handlers)
    expect(await ask(url, rollback)).toEqual({ status: 204, retryAfter: null, said: undefined })
    expect((await ask(url)).status).toBe(409)
  })

  test('what is no call of a saga: 422, by its reason, and nothing happens', async () => {
    const { handlers, calls } = sqlite()
    const url = await serve(handlers)
    const refused = async (headers: Record<string, string>) => {
      const { status, said } = await ask(url, { headers })
      return `${status} ${String(said?.detail)}`
    }
    expect(await refused({ 'idempotency-key': 'order-7' })).toContain(
      '422 idempotencyKey: "order-7" is not a key',
    )
    expect(await refused({ 'idempotency-key': `${uid}:flight:rollback` })).toContain(
      'is not the key of a commit',
    )
    expect(await refused({ 'x-backstep-commit-key': `${uid}:hotel:commit` })).toContain('422 commitKey')
    expect(await refused({ 'x-backstep-token': 'many' })).toContain('422 token')
    const bare = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    expect([bare.status, bare.headers.get('content-type')]).toEqual([
      422,
      expect.stringMatching(/^application\/problem\+json/),
    ])
    expect(await bare.json()).toMatchObject({
      code: 'BAD_INPUT',
      detail: 'the header Idempotency-Key is missing',
    })
    expect(calls.effect).toBe(0)
  })

  test('an owner that has been superseded is told nothing that it could take for a rejection', async () => {
    const { handlers } = sqlite()
    const url = await serve(handlers)
    await ask(url)
    expect(await ask(url, { headers: { 'x-backstep-token': '2' } })).toMatchObject({
      status: 500,
      said: { code: 'STALE_TOKEN' },
    })
  })

  test.each([
    ['Rejected', () => new Rejected('no seats'), { status: 409, said: { detail: 'no seats' } }],
    [
      'Rejected until later',
      () => new Rejected('full', { retryAfter: 1_500 }),
      { status: 503, retryAfter: '2' },
    ],
    [
      'a busy database',
      () => Object.assign(new Error('locked'), { code: 'SQLITE_BUSY' }),
      { status: 503, retryAfter: '1' },
    ],
    ['anything else', () => new Error('a bug'), { status: 500, said: undefined }],
    [
      'an error that another service answered with 404',
      () => Object.assign(new Error('no such card'), { status: 404, statusCode: 404 }),
      { status: 500, said: undefined },
    ],
    [
      'an exception of Hono',
      () => new HTTPException(403, { message: 'no' }),
      { status: 500, said: undefined },
    ],
  ] as const)('%s', async (_name, make, expected) => {
    const { guard, book, effects } = sqlite()
    const commit = commitHandler(guard, () => {
      book()
      throw make()
    })
    // Fastify says what the error was: that is its own affair.
    const { said, ...rest } = await ask(await serve({ commit, rollback: commit }))
    expect(
      rest.status === 500 && !said?.code ? { ...rest, said: undefined } : { ...rest, said },
    ).toMatchObject(expected)
    expect(effects()).toEqual([])
  })
})

test('the function receives the body, the database and the call', async () => {
  const { guard, db } = sqlite()
  const seen: unknown[] = []
  const commit = commitHandler(guard, (body: unknown, given, call) => {
    seen.push(body, given === db, call)
  })
  const url = await (frameworks.hono as Serve)({ commit, rollback: commit })
  expect((await ask(url)).status).toBe(204)
  const key = `${uid}:flight:commit`
  const call = {
    idempotencyKey: key,
    commitKey: key,
    token: '3',
    sagaId: 'trip 1',
    step: 'flight',
    attempt: 2,
  }
  expect(seen).toEqual([{ what: 'seat' }, true, call])
})

test.each(['hono', 'node:http'])(
  '%s: a body that is no JSON, and one that is too large: 422',
  async (name) => {
    const { handlers, calls } = sqlite()
    const url = await (frameworks[name] as Serve)(handlers)
    expect((await ask(url, { body: '{what' })).said).toMatchObject({ detail: 'the body is no JSON' })
    expect((await ask(url, { body: JSON.stringify('x'.repeat(1_100_000)) })).status).toBe(422)
    expect(calls.effect).toBe(0)
  },
)

test('an async function under SQLite is refused when the handler is made', () => {
  const guard = barrier(new Database(':memory:'))
  expect(() => commitHandler(guard, async () => {})).toThrow(
    expect.objectContaining({ code: 'ASYNC_FUNCTION' }),
  )
  expect(() => rollbackHandler(guard, async () => {})).toThrow(
    expect.objectContaining({ code: 'ASYNC_FUNCTION' }),
  )
})

/** Stands between the orchestrator and a participant, and may break what passes. */
async function breaking(
  target: string,
  decide: (count: number, direction: string) => 'pass' | 'lose' | 'twice',
) {
  let count = 0
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const fate = decide(++count, String(request.headers['x-backstep-direction']))
    const forward = () =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const { host: _, ...headers } = request.headers
        const onward = requestHttp(target, { method: request.method ?? 'POST', headers }, async (answer) => {
          let text = ''
          for await (const chunk of answer) text += chunk
          resolve({ status: answer.statusCode ?? 0, text })
        })
        onward.on('error', reject).end(body)
      })
    const answer = await forward()
    if (fate === 'twice') await forward()
    if (fate === 'lose') return void request.socket.destroy()
    response.writeHead(answer.status).end(answer.text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  undo.push(() => server.close())
  return addressOf(server)
}

test('lost answers and duplicates: booked exactly once, or not at all', async () => {
  const { handlers, effects, calls } = sqlite()
  const target = await (frameworks.express as Serve)(handlers)
  const orchestrator = await open()
  // The first answer is lost, the second request arrives twice: the third attempt's answer counts.
  const flaky = await breaking(target, (count) => (count === 1 ? 'lose' : 'twice'))
  expect(await orchestrator.run(trip(flaky), { to: 'LIS' })).toEqual({ flight: { id: 1, what: 'LIS' } })
  expect([effects(), calls.effect]).toEqual([['LIS'], 1])
  // Every answer to a commit is lost, and so is the first one to its rollback.
  let rollbacks = 0
  const deaf = await breaking(target, (_, direction) =>
    direction === 'commit' || rollbacks++ === 0 ? 'lose' : 'pass',
  )
  const lost = await (await open()).run(trip(deaf), { to: 'OSL' }).catch((error: unknown) => error)
  expect(lost).toMatchObject({ reason: 'in_doubt', rolledBack: ['flight'] })
  expect(effects()).toEqual(['LIS'])
})

test('a commit that arrives after its rollback is refused with 409, however late', async () => {
  const { handlers, effects } = sqlite()
  const target = await (frameworks['node:http'] as Serve)(handlers)
  const held: (() => Promise<number>)[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => name !== 'host' && name !== 'connection'),
    ) as Record<string, string>
    const method = request.method ?? 'POST'
    const onward = () => fetch(target, { method, headers, ...(body === '' ? {} : { body }) })
    // The commit hangs on its way until all is over.
    if (method === 'POST') return void held.push(async () => (await onward()).status)
    response.writeHead((await onward()).status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  undo.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = addressOf(server)
  const definition = saga<{ to: string }>('late').step(
    'flight',
    remote({ commit: { url }, rollback: { method: 'DELETE', url }, timeout: '1s', allow }),
  )
  const error = await (await open()).run(definition, { to: 'LIS' }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ reason: 'timeout', rolledBack: ['flight'] })
  expect(await Promise.all(held.map((arrive) => arrive()))).toEqual([409])
  expect(effects()).toEqual([])
})

describePostgres('on PostgreSQL', () => {
  const postgres = async (slow?: Promise<void>) => {
    const books = await onPostgres()
    return {
      ...books,
      handlers: {
        commit: commitHandler(books.guard, async ({ what }: { what: string }, tx) => {
          const booking = await books.book(tx, what)
          await slow
          return booking
        }),
        rollback: rollbackHandler(books.guard, (booking: Booking, tx) => books.release(booking, tx)),
      },
    }
  }

  test.each(Object.entries(frameworks))('%s: a saga through remote steps', async (_, serve) => {
    const { handlers, effects } = await postgres()
    const definition = trip(await serve(handlers))
    const orchestrator = await open()
    expect(await orchestrator.run(definition, { to: 'LIS' })).toEqual({ flight: { id: 1, what: 'LIS' } })
    await expect(orchestrator.run(definition, { to: 'OSL', poor: true })).rejects.toMatchObject({
      rolledBack: ['flight'],
    })
    expect(await effects()).toEqual(['LIS'])
  })

  test('the same key while it is being worked on: 425, and outside of the pool; then the stored answer', async () => {
    const { open: finish, opened } = gate()
    const { handlers, calls, effects, pool } = await postgres(opened)
    const url = await (frameworks.fastify as Serve)(handlers)
    const first = ask(url)
    while (calls.effect === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    const busy = pool.totalCount - pool.idleCount
    expect(await Promise.all([ask(url), ask(url), ask(url, rollback)])).toMatchObject([
      { status: 425, retryAfter: '1', said: { code: 'UNDER_WAY' } },
      { status: 425 },
      { status: 425 },
    ])
    expect([pool.totalCount - pool.idleCount, busy]).toEqual([1, 1])
    finish()
    expect((await first).status).toBe(200)
    expect(await ask(url)).toEqual(await first)
    expect([calls.effect, await effects()]).toEqual([1, ['seat']])
  })

  test('the barrier over a client of the caller is one of both kinds, too', async () => {
    const { pool } = await postgres()
    const client = await pool.connect()
    expect(typeof commitHandler(postgresBarrier(client), () => ({}))).toBe('function')
    client.release()
  })
})

test('a megabyte in chunks of one byte takes no more memory than one in one piece', async () => {
  const child = fileURLToPath(new URL('chunks-child.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [child])
  const { said, most } = JSON.parse(stdout) as { said: string; most: number }
  expect(said).toBe('HTTP/1.1 200 OK')
  expect(most).toBeLessThan(250)
}, 60_000)
