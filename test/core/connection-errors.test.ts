/** Which errors mean a lost answer: made by the real clients where that takes no network, by their shape where it does. */
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { answerLost } from '#dist/core/connection-errors.js'

const withCode = (code: unknown, more: object = {}) => Object.assign(new Error('x'), { code }, more)

/** A server that does `meet` with each connection, its port handed to `use`. */
async function against(
  meet: (socket: net.Socket) => void,
  use: (port: number) => Promise<unknown>,
): Promise<unknown> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    meet(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use((server.address() as AddressInfo).port).then(
      () => 'no error',
      (error: unknown) => error,
    )
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

const get = (port: number) =>
  new Promise((resolve, reject) => {
    http
      .get({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.on('error', reject).on('end', resolve).resume()
      })
      .on('error', reject)
  })

describe('real errors', () => {
  test('the connection is reset before an answer: fetch and http', async () => {
    const reset = (socket: net.Socket) => socket.once('data', () => socket.resetAndDestroy())
    expect(answerLost(await against(reset, (port) => fetch(`http://127.0.0.1:${port}`)))).toBe(true)
    expect(answerLost(await against(reset, get))).toBe(true)
  })

  test('the connection is closed before an answer: fetch and http', async () => {
    const close = (socket: net.Socket) => socket.once('data', () => socket.end())
    expect(answerLost(await against(close, (port) => fetch(`http://127.0.0.1:${port}`)))).toBe(true)
    expect(answerLost(await against(close, get))).toBe(true)
  })

  test('the answer is cut short', async () => {
    const cut = (socket: net.Socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'))
    expect(
      answerLost(await against(cut, async (port) => (await fetch(`http://127.0.0.1:${port}`)).text())),
    ).toBe(true)
    expect(answerLost(await against(cut, get))).toBe(true)
  })

  test('the answer is no HTTP', async () => {
    const garble = (socket: net.Socket) => socket.once('data', () => socket.end('what?\r\n\r\n'))
    expect(answerLost(await against(garble, (port) => fetch(`http://127.0.0.1:${port}`)))).toBe(true)
    expect(answerLost(await against(garble, get))).toBe(true)
  })

  test('a timeout and an abort', async () => {
    const hang = () => {}
    const timedOut = (port: number) => fetch(`http://127.0.0.1:${port}`, { signal: AbortSignal.timeout(30) })
    expect(answerLost(await against(hang, timedOut))).toBe(true)
    expect(answerLost(AbortSignal.abort().reason)).toBe(true)
  })

  test('an http2 session that dies', async () => {
    const request = (port: number) =>
      new Promise((resolve, reject) => {
        const session = http2.connect(`http://127.0.0.1:${port}`).on('error', reject)
        session.request({ ':path': '/' }).on('error', reject).on('end', resolve).resume()
      })
    expect(
      answerLost(await against((socket) => socket.once('data', () => socket.resetAndDestroy()), request)),
    ).toBe(true)
  })

  test('nothing listens: it was never sent', async () => {
    let closed = 0
    await against(
      () => {},
      async (port) => {
        closed = port
      },
    )
    const refused = (port: number) => fetch(`http://127.0.0.1:${port}`)
    const error = await refused(closed).catch((thrown: unknown) => thrown)
    expect((error as Error).cause).toMatchObject({ code: 'ECONNREFUSED' })
    expect(answerLost(error)).toBe(false)
    expect(answerLost(await get(closed).catch((thrown: unknown) => thrown))).toBe(false)
  })
})

/** What each client is known to say. One that is forgotten leaves an effect standing. */
const known: Readonly<Record<string, string>> = {
  'a socket that had been connected':
    'ECONNRESET ECONNABORTED ECANCELED EHOSTDOWN EHOSTUNREACH ENETDOWN ENETRESET ENETUNREACH ENOTCONN EPIPE EPROTO ESHUTDOWN ETIMEDOUT',
  'a stream of Node':
    'ABORT_ERR ERR_SOCKET_CLOSED ERR_STREAM_DESTROYED ERR_STREAM_PREMATURE_CLOSE ERR_STREAM_WRITE_AFTER_END',
  'http of Node': 'HPE_INVALID_CONSTANT HPE_HEADER_OVERFLOW HPE_CLOSED_CONNECTION',
  'http2 of Node':
    'ERR_HTTP2_GOAWAY_SESSION ERR_HTTP2_INVALID_STREAM ERR_HTTP2_PING_CANCEL ERR_HTTP2_SESSION_ERROR ERR_HTTP2_SOCKET_UNBOUND ERR_HTTP2_STREAM_CANCEL ERR_HTTP2_STREAM_ERROR',
  'undici, in fetch too':
    'UND_ERR_ABORTED UND_ERR_BODY_TIMEOUT UND_ERR_DESTROYED UND_ERR_HEADERS_OVERFLOW UND_ERR_HEADERS_TIMEOUT UND_ERR_RES_CONTENT_LENGTH_MISMATCH UND_ERR_RES_EXCEEDED_MAX_SIZE UND_ERR_SOCKET',
  axios: 'ECONNABORTED ETIMEDOUT ERR_CANCELED ERR_NETWORK',
  request: 'ESOCKETTIMEDOUT',
  'PostgreSQL, whose session may have committed':
    '08000 08003 08006 08007 08P01 40003 57P01 57P02 57P04 57P05',
  'MySQL, through mysql and mysql2':
    'PROTOCOL_CONNECTION_LOST PROTOCOL_SEQUENCE_TIMEOUT PROTOCOL_PACKETS_OUT_OF_ORDER',
  'SQL Server, through tedious': 'ECANCEL ECONNCLOSED ESOCKET ETIMEOUT',
  Prisma: 'P1008 P1017',
  'SQLite, whose disk failed': 'SQLITE_IOERR SQLITE_IOERR_WRITE SQLITE_IOERR_FSYNC',
}

const codes = Object.entries(known).flatMap(([client, all]) => all.split(' ').map((code) => [client, code]))

describe('errors by their shape', () => {
  test.each(codes)('%s: code %s', (_, code) => {
    expect(answerLost(withCode(code))).toBe(true)
    expect(answerLost(new Error('outer', { cause: withCode(code) }))).toBe(true)
  })

  test.each([
    ['the web', 'AbortError'],
    ['the web', 'TimeoutError'],
    ['ioredis', 'MaxRetriesPerRequestError'],
    ['MongoDB', 'MongoNetworkError'],
    ['MongoDB', 'MongoNetworkTimeoutError'],
    ['MongoDB', 'MongoOperationTimeoutError'],
  ])('%s: name %s', (_, name) => {
    expect(answerLost(Object.assign(new Error('x'), { name }))).toBe(true)
  })

  test.each([
    ['pg', 'Connection terminated unexpectedly'],
    ['pg', 'Connection terminated'],
    ['pg', 'Query read timeout'],
    ['ioredis', 'Connection is closed.'],
    ['ioredis', 'Command timed out'],
    ['node-redis', 'Socket closed unexpectedly'],
    ['node-redis', 'Disconnects client'],
  ])('%s: message %s', (_, message) => {
    expect(answerLost(new Error(message))).toBe(true)
    expect(answerLost(new Error(`not so: ${message}`))).toBe(false)
  })

  test.each([
    'ECONNREFUSED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_INVALID_ARG',
    'ERR_INVALID_URL',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    '08001',
    '08004',
    '23505',
    '40001',
    '57014',
    '57P03',
    'ENOENT',
    'SQLITE_BUSY',
    5,
    14,
    undefined,
  ])('code %s says nothing of the kind', (code) => {
    expect(answerLost(withCode(code))).toBe(false)
    expect(answerLost(new Error('outer', { cause: withCode(code) }))).toBe(false)
  })

  test.each(['ETIMEDOUT', 'ECONNRESET', 'EHOSTUNREACH'])('%s while connecting was never sent', (code) => {
    expect(answerLost(withCode(code, { syscall: 'connect' }))).toBe(false)
    expect(answerLost(withCode(code, { syscall: 'getaddrinfo' }))).toBe(false)
    expect(answerLost(withCode(code, { syscall: 'read' }))).toBe(true)
  })

  test('all attempts to connect failed', () => {
    const attempts = [
      withCode('ETIMEDOUT', { syscall: 'connect' }),
      withCode('ECONNREFUSED', { syscall: 'connect' }),
    ]
    expect(answerLost(new TypeError('fetch failed', { cause: new AggregateError(attempts) }))).toBe(false)
    expect(answerLost(new AggregateError([...attempts, withCode('EPIPE')]))).toBe(true)
  })

  test('a pool without a connection to give: it was never sent', () => {
    expect(answerLost(new Error('timeout exceeded when trying to connect'))).toBe(false)
  })

  test('a gateway without an answer, wherever the client puts the status', () => {
    expect(answerLost({ status: 504 })).toBe(true)
    expect(answerLost({ statusCode: 502 })).toBe(true)
    expect(answerLost(withCode('ERR_BAD_RESPONSE', { response: { status: 504 } }))).toBe(true)
    for (const status of [400, 404, 409, 422, 429, 500, 503]) expect(answerLost({ status })).toBe(false)
  })

  test('a disk that failed, and one that was busy', () => {
    expect(answerLost(withCode('SQLITE_IOERR_FSYNC'))).toBe(true)
    expect(answerLost(withCode('SQLITE_BUSY_SNAPSHOT'))).toBe(false)
  })

  test('gRPC', () => {
    for (const code of [1, 2, 4, 13, 14, 15])
      expect(answerLost(withCode(code, { details: 'unavailable', metadata: {} })), `${code}`).toBe(true)
    // Numbers of others mean others.
    expect(answerLost(withCode(14, { details: 'unavailable' }))).toBe(false)
    expect(answerLost(withCode(14, { metadata: {} }))).toBe(false)
    expect(answerLost(withCode(9, { details: 'failed precondition', metadata: {} }))).toBe(false)
  })
})

describe('hostile values', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['text', 'ECONNRESET'],
    ['a symbol', Symbol('ECONNRESET')],
    ['a function', () => 1],
    ['no prototype', Object.create(null)],
  ])('%s', (_name, thrown) => {
    expect(answerLost(thrown)).toBe(false)
  })

  test('a value that throws at every look', () => {
    const { proxy, revoke } = Proxy.revocable([], {})
    revoke()
    expect(answerLost(proxy)).toBe(false)
    expect(answerLost(new Error('x', { cause: proxy }))).toBe(false)
    expect(answerLost({ errors: proxy })).toBe(false)
  })

  test('cycles and endless chains end', () => {
    const cycle = new Error('x')
    cycle.cause = new AggregateError([cycle, cycle], 'y')
    expect(answerLost(cycle)).toBe(false)
    const endless: object = new Proxy({}, { get: (_target, key) => (key === 'cause' ? endless : undefined) })
    expect(answerLost(endless)).toBe(false)
    const wide = { errors: Array.from({ length: 1e5 }, () => ({ errors: [] })) }
    expect(answerLost(wide)).toBe(false)
  })
})
