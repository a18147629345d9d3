/**
 * Scenario 48: whatever a participant answers, or does instead of answering, becomes committed, pending, rejected or in doubt by the
 * written table; on a real socket, byte by byte.
 */
import { execFile } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { Orchestrator, saga } from 'backstep'
import { describe, expect, test } from 'vitest'
import { remote } from '#dist/remote/index.js'
import { contextOf, made, outcomeOf, rawServer, rollbackContext, within } from './support.js'

const head = (status: string, ...headers: string[]): string =>
  [`HTTP/1.1 ${status}`, ...headers, '', ''].join('\r\n')
const json = (status: string, body: string, ...headers: string[]): string =>
  `${head(status, `Content-Length: ${Buffer.byteLength(body)}`, 'Content-Type: application/json', ...headers)}${body}`

const date = 'Date: Sun, 22 Nov 2026 12:00:00 GMT'

type Talk = (socket: Socket) => void
const say =
  (text: string): Talk =>
  (socket) =>
    void socket.write(text)
const sayAndClose =
  (text: string): Talk =>
  (socket) =>
    void socket.end(text)

/** Writes until nobody reads any more; 1 GB if nobody stops it. */
const flood: Talk = (socket) => {
  const chunk = Buffer.alloc(65_536, 'x')
  let left = 1_000_000_000 / chunk.length
  socket.write(head('200 OK', 'Content-Length: 1000000000'))
  const more = () => {
    while (left-- > 0 && !socket.destroyed) if (!socket.write(chunk)) return
  }
  socket.on('drain', more)
  more()
}

/** What it does → what that means to a commit, and to a rollback. */
const table: readonly (readonly [name: string, talk: Talk, commit: string, rollback: string])[] = [
  ['200 with JSON', say(json('200 OK', '{"id":7}')), 'done {"id":7}', 'done'],
  ['201 with null', say(json('201 Created', 'null')), 'done null', 'done'],
  ['200 without a body', say(head('200 OK', 'Content-Length: 0')), 'done', 'done'],
  ['204', say(head('204 No Content')), 'done', 'done'],
  [
    '200 in chunks',
    say(`${head('200 OK', 'Transfer-Encoding: chunked')}3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n`),
    'done {"a":1}',
    'done',
  ],
  ['200 up to the close', sayAndClose(`${head('200 OK')}{"a":1}`), 'done {"a":1}', 'done'],
  ['100, then 200', say(`${head('100 Continue')}${json('200 OK', '1')}`), 'done 1', 'done'],
  ['200 with half a body', sayAndClose(`${head('200 OK', 'Content-Length: 20')}{"id":`), 'in_doubt', 'done'],
  [
    '200 with half a body in chunks',
    sayAndClose(`${head('200 OK', 'Transfer-Encoding: chunked')}5\r\n{"id"\r\n`),
    'in_doubt',
    'done',
  ],
  ['200 with half a body up to the close', sayAndClose(`${head('200 OK')}{"id":`), 'in_doubt', 'done'],
  ['200 up to the close, without a body', sayAndClose(head('200 OK')), 'in_doubt', 'done'],
  ['200 up to the close, with a number', sayAndClose(`${head('200 OK')}12`), 'in_doubt', 'done'],
  [
    '200 up to the close in an encoding without an end, with a number',
    sayAndClose(`${head('200 OK', 'Transfer-Encoding: identity')}12`),
    'in_doubt',
    'done',
  ],
  [
    '200 with an id of 64 bits',
    say(json('200 OK', '{"id":12345678901234567890,"n":[-1700000000000000123,1]}')),
    'done {"id":"12345678901234567890","n":["-1700000000000000123",1]}',
    'done',
  ],
  [
    '200 with large numbers that are exact',
    say(json('200 OK', '{"id":"a\\" 12345678901234567890","n":[9007199254740991,0.1234567890123456]}')),
    'done {"id":"a\\" 12345678901234567890","n":[9007199254740991,0.1234567890123456]}',
    'done',
  ],
  ['200 with a byte order mark', say(json('200 OK', '\ufeff{"id":7}')), 'done {"id":7}', 'done'],
  [
    '200 that is no UTF-8',
    (socket) => void socket.write(Buffer.from(`${head('200 OK', 'Content-Length: 5')}"Fé7"`, 'latin1')),
    'in_doubt',
    'done',
  ],
  [
    '200 that is compressed, although nobody asked for it',
    (socket) => {
      const body = gzipSync('{"id":7}')
      socket.write(head('200 OK', 'Content-Encoding: gzip', `Content-Length: ${body.length}`))
      socket.write(body)
    },
    'in_doubt',
    'done',
  ],
  [
    '200 that never closes its quotes',
    say(json('200 OK', `1234567890123456"${'\\"'.repeat(500_000)}`)),
    'in_doubt',
    'done',
  ],
  [
    '200 up to the close, with a long number',
    sayAndClose(`${head('200 OK')}12345678901234567`),
    'in_doubt',
    'done',
  ],
  ['200 with wrong JSON', say(json('200 OK', '{id: 7}')), 'in_doubt', 'done'],
  ['200 with a page', say(json('200 OK', '<html>welcome</html>')), 'in_doubt', 'done'],
  ['200 with 1 GB', flood, 'in_doubt', 'done'],
  ['202', say(json('202 Accepted', '{}')), 'pending 1000', 'pending 1000'],
  [
    '202 with Retry-After',
    say(json('202 Accepted', '', 'Retry-After: 30')),
    'pending 30000',
    'pending 30000',
  ],
  ['202, again at once', say(json('202 Accepted', '', 'Retry-After: 0')), 'pending 100', 'pending 100'],
  [
    '202, again in a year',
    say(json('202 Accepted', '', 'Retry-After: 31536000')),
    'pending 3600000',
    'pending 3600000',
  ],
  [
    '202, again at a time',
    say(json('202 Accepted', '', date, 'Retry-After: Sun, 22 Nov 2026 12:00:09 GMT')),
    'pending 9000',
    'pending 9000',
  ],
  [
    '202, again in an age',
    say(json('202 Accepted', '', `Retry-After: ${'9'.repeat(30)}`)),
    'pending 3600000',
    'pending 3600000',
  ],
  [
    '202, again yesterday',
    say(json('202 Accepted', '', date, 'Retry-After: -5')),
    'pending 1000',
    'pending 1000',
  ],
  ['202, again whenever', say(json('202 Accepted', '', 'Retry-After: soon')), 'pending 1000', 'pending 1000'],
  ['425', say(json('425 Too Early', '', 'Retry-After: 2')), 'pending 2000', 'pending 2000'],
  ['301 to elsewhere', say(json('301 Moved', '', 'Location: http://127.0.0.1:1/')), 'in_doubt', 'failed'],
  ['303 after the deed', say(json('303 See Other', '', 'Location: /done')), 'in_doubt', 'failed'],
  [
    '307 to metadata',
    say(json('307 Temporary Redirect', '', 'Location: http://169.254.169.254/')),
    'in_doubt',
    'failed',
  ],
  ['400', say(json('400 Bad Request', '{}')), 'rejected', 'failed'],
  ['401', say(json('401 Unauthorized', '')), 'rejected', 'failed'],
  ['404', say(json('404 Not Found', '')), 'rejected', 'failed'],
  ['408', say(json('408 Request Timeout', '')), 'in_doubt', 'failed'],
  ['409', say(json('409 Conflict', '{"detail":"no seats left"}')), 'rejected', 'failed'],
  [
    '409 with half a body',
    sayAndClose(`${head('409 Conflict', 'Content-Length: 900')}{"det`),
    'rejected',
    'failed',
  ],
  [
    '409 that hangs after the headers',
    say(head('409 Conflict', 'Content-Length: 900')),
    'rejected',
    'failed',
  ],
  ['410', say(json('410 Gone', '')), 'rejected', 'failed'],
  [
    '429 with Retry-After',
    say(json('429 Too Many Requests', '', 'Retry-After: 5')),
    'rejected 5000',
    'failed 5000',
  ],
  ['429 without', say(json('429 Too Many Requests', '')), 'rejected 0', 'failed'],
  [
    '503 with Retry-After',
    say(json('503 Unavailable', '', 'Retry-After: 5')),
    'rejected 5000',
    'failed 5000',
  ],
  ['503, again yesterday', say(json('503 Unavailable', '', date, 'Retry-After: -5')), 'in_doubt', 'failed'],
  ['503 without', say(json('503 Unavailable', '')), 'in_doubt', 'failed'],
  ['500', say(json('500 Oops', '')), 'in_doubt', 'failed'],
  ['500 with Retry-After', say(json('500 Oops', '', 'Retry-After: 5')), 'in_doubt', 'failed 5000'],
  ['502', say(json('502 Bad Gateway', '')), 'in_doubt', 'failed'],
  ['999', say(json('999 What', '')), 'in_doubt', 'failed'],
  ['101', say(head('101 Switching Protocols', 'Upgrade: x', 'Connection: Upgrade')), 'in_doubt', 'failed'],
  ['no HTTP', say('220 mail.example ESMTP\r\n\r\n'), 'in_doubt', 'failed'],
  [
    'headers without end',
    say(`HTTP/1.1 200 OK\r\n${`X: ${'y'.repeat(100)}\r\n`.repeat(400)}`),
    'in_doubt',
    'failed',
  ],
  ['a close without a word', (socket) => void socket.end(), 'in_doubt', 'failed'],
  ['a reset', (socket) => void socket.resetAndDestroy(), 'in_doubt', 'failed'],
]

/** A rollback says that it failed, and perhaps when to try again. */
const asFailure = (word: string): string => word.replace('rejected', 'failed')

describe('scenario 48: what a participant answers is judged by the table', () => {
  test.each(table)('%s', async (_, talk, commit, rollback) => {
    const url = await rawServer(talk)
    const step = made({ commit: { url }, rollback: { url } })
    const signal = within(10_000)
    expect(await outcomeOf(step.commit(contextOf({ signal })))).toBe(commit)
    expect(asFailure(await outcomeOf(step.rollback(rollbackContext({ signal }))))).toBe(rollback)
  })

  test.each([
    ['hangs before its answer', () => {}],
    ['hangs after the headers', say(head('200 OK', 'Content-Length: 10'))],
    ['hangs after headers that name no length', say(head('200 OK'))],
    [
      'drips',
      (socket) => {
        socket.write(head('200 OK', 'Content-Length: 1000'))
        const timer = setInterval(() => socket.write(' '), 20)
        socket.on('close', () => clearInterval(timer))
      },
    ],
  ] satisfies [string, Talk][])(
    'a participant that %s: over at the timeout, and the connection is closed',
    async (_, talk) => {
      let closed = () => {}
      const isClosed = new Promise<void>((resolve) => {
        closed = resolve
      })
      const url = await rawServer((socket) => {
        socket.on('close', () => closed())
        talk(socket)
      })
      const step = made({ commit: { url } })
      expect(await outcomeOf(step.commit(contextOf({ signal: within(500) })))).toBe('in_doubt')
      await isClosed
    },
  )

  test('a megabyte in chunks of one byte takes no more memory than one in one piece', async () => {
    const chunks = Buffer.from('1\r\n7\r\n'.repeat(10_000))
    const url = await rawServer((socket) => {
      let left = 110
      socket.write(head('200 OK', 'Transfer-Encoding: chunked'))
      const more = () => {
        while (left-- > 0 && !socket.destroyed) if (!socket.write(chunks)) return
      }
      socket.on('drain', more)
      more()
    })
    const child = fileURLToPath(new URL('chunks-child.mjs', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [child, url])
    const { said, most } = JSON.parse(stdout) as { said: string[]; most: number }
    expect(said[0]).toContain('the body is larger than 1 MB')
    expect(most).toBeLessThan(300)
  }, 60_000)

  test('a refusal whose body drips is one in time', async () => {
    const url = await rawServer((socket) => {
      socket.write(head('409 Conflict', 'Content-Length: 1000'))
      const timer = setInterval(() => socket.write(' '), 100)
      socket.on('close', () => clearInterval(timer))
    })
    const signal = within(2_000)
    expect(await outcomeOf(made({ commit: { url } }).commit(contextOf({ signal })))).toBe('rejected')
    expect(signal.aborted).toBe(false)
  })

  test('in a saga: a commit whose answer is cut is rolled back, one that is refused is not', async () => {
    const seen: string[] = []
    const url = await rawServer((socket, request) => {
      const [, path = '', direction] = /^\w+ (\S+).*x-backstep-direction: (\w+)/is.exec(request) ?? []
      seen.push(`${direction} ${path}`)
      if (path === '/cut')
        socket.end(
          direction === 'commit' ? `${head('200 OK', 'Content-Length: 9')}{` : head('204 No Content'),
        )
      else socket.write(json('409 Conflict', '{"detail":"no seats left"}'))
    })
    const allow = [new URL(url).origin]
    const to = (path: string) => remote({ commit: { url: url + path }, rollback: { url: url + path }, allow })
    const [cut, refused] = [saga('cut').step('a', to('/cut')), saga('refused').step('a', to('/refused'))]
    await using orchestrator = await Orchestrator.open('memory:', { log: false })
    await expect(orchestrator.run(cut, undefined)).rejects.toMatchObject({
      reason: 'in_doubt',
      cause: { name: 'InDoubt', message: expect.stringContaining('the body was cut') },
    })
    await expect(orchestrator.run(refused, undefined)).rejects.toMatchObject({
      reason: 'rejected',
      cause: { name: 'Rejected', message: `POST ${url}/refused answered 409, no seats left` },
    })
    expect(seen).toEqual(['commit /cut', 'rollback /cut', 'commit /refused'])
  })

  test('in a saga: 202 until it is done, 429 until it may; always with the same key', async () => {
    const keys = new Set<string | undefined>()
    const answers = [
      json('202 Accepted', '', 'Retry-After: 0'),
      json('429 Too Many Requests', '', 'Retry-After: 0'),
      json('425 Too Early', '', 'Retry-After: 0'),
      json('200 OK', '{"id":"F1"}'),
    ]
    const url = await rawServer((socket, request) => {
      keys.add(/idempotency-key: (\S+)/i.exec(request)?.[1])
      socket.write(answers.shift() ?? head('500 Oops'))
    })
    const options = { commit: { url }, rollback: { url }, allow: [new URL(url).origin] }
    const definition = saga('patient').step(
      'a',
      remote<{ id: string }>({ ...options, retry: { attempts: 2 } }),
    )
    await using orchestrator = await Orchestrator.open('memory:', { log: false })
    expect(await orchestrator.run(definition, undefined)).toEqual({ a: { id: 'F1' } })
    expect(keys.size).toBe(1)
  })
})
