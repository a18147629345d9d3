/**
 * Scenario 49: clients that send slowly, much, or nothing; a server in a process of its own, so that what is measured is its own.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Folder, start } from '../cli/processes.js'
import { Service } from './fixture.js'

interface Child {
  readonly url: string
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

async function serveInChild(folder: Folder): Promise<Child> {
  const child = start(['serve', '--json', '--port', '0', '--store', `sqlite:${folder.file('limits.db')}`])
  const gone = once(child, 'exit')
  const [line] = await once(child.stdout, 'data')
  const { page, pid } = JSON.parse(String(line))
  return {
    url: page,
    port: Number(new URL(page).port),
    pid,
    stop: async () => {
      child.kill('SIGTERM')
      expect(await gone).toEqual([0, null])
    },
  }
}

const rssOf = (pid: number) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Sends the last chunk, once all before it has been taken. */
const end = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.write('0\r\n\r\n', () => resolve()))

/** ms within which half of those that ask, one after the other for so long, are answered: the slowest of them are the machine's. */
async function answeredWithin(url: string, ms: number): Promise<number> {
  const took: number[] = []
  for (const end = performance.now() + ms; performance.now() < end || took.length < 4; ) {
    const begin = performance.now()
    const response = await fetch(`${url}v1/sagas?limit=10`)
    await response.text()
    expect(response.status).toBe(200)
    took.push(performance.now() - begin)
    await sleep(10)
  }
  return took.sort((a, b) => a - b)[took.length >> 1] ?? Number.POSITIVE_INFINITY
}

describe('scenario 49', () => {
  const folder = new Folder()
  let child: Child
  beforeAll(async () => {
    child = await serveInChild(folder)
  })
  afterAll(async () => {
    await child.stop()
    folder.remove()
  })

  test('500 connections that send one byte a second: others are answered within 100 ms', async () => {
    await answeredWithin(child.url, 500)
    const sockets = await Promise.all(Array.from({ length: 500 }, () => open(child.port)))
    const head = 'POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nX-Slow: '
    let sent = 0
    for (const [index, socket] of sockets.entries()) if (index % 2) socket.write(head)
    const drip = setInterval(() => {
      for (const socket of sockets) socket.write('G')
      sent++
    }, 1_000)
    const took = await answeredWithin(child.url, 3_000)
    clearInterval(drip)
    expect(sent).toBeGreaterThanOrEqual(2)
    expect(sockets.filter(({ destroyed }) => !destroyed).length).toBeGreaterThan(0)
    expect(took).toBeLessThan(100)
    for (const socket of sockets) socket.destroy()
  })

  test.each([
    ['that says how large it is', `Content-Length: ${2 ** 30}`, false],
    ['in chunks', 'Transfer-Encoding: chunked', true],
  ])('a body of 1 GB %s: 413, cut off, and not held', async (_, header, chunked) => {
    const before = rssOf(child.pid)
    const socket = await open(child.port)
    let answer = ''
    let closed = false
    socket.on('data', (data) => {
      answer += data
    })
    socket.on('close', () => {
      closed = true
    })
    const lines = ['POST /v1/sagas HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', header]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    const block = Buffer.alloc(65_536, 0x20)
    const frame = chunked ? Buffer.concat([Buffer.from('10000\r\n'), block, Buffer.from('\r\n')]) : block
    let sent = 0
    const others = answeredWithin(child.url, 500)
    others.catch(() => {})
    while (!closed && sent < 2 ** 30) {
      sent += block.length
      // The one who measures lives in this process, too.
      await setImmediate()
      if (!socket.write(frame)) await Promise.race([once(socket, 'drain').catch(() => {}), sleep(2_000)])
    }
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toContain('TOO_LARGE')
    expect(sent).toBeLessThan(2 ** 30)
    expect(await others).toBeLessThan(100)
    expect(rssOf(child.pid) - before).toBeLessThan(60)
    socket.destroy()
  })

  test('1,000 idle streams cost less than 100 MB', async () => {
    // A server that has done nothing before: what garbage it had would make room for them, unseen.
    const fresh = await serveInChild(folder)
    const before = rssOf(fresh.pid)
    const sockets = await Promise.all(
      Array.from({ length: 1_000 }, async () => {
        const socket = await open(fresh.port)
        socket.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
        await once(socket, 'data')
        return socket
      }),
    )
    await sleep(500)
    const cost = rssOf(fresh.pid) - before
    console.log(`1,000 idle streams: ${cost.toFixed(0)} MB`)
    expect(cost).toBeGreaterThan(0)
    expect(cost).toBeLessThan(100)
    for (const socket of sockets) socket.destroy()
    await fresh.stop()
  })

  test('a body in pieces of one byte takes no more than its size', async () => {
    const before = rssOf(child.pid)
    const sockets = await Promise.all(Array.from({ length: 2 }, () => open(child.port)))
    const lines = ['POST /v1/sagas HTTP/1.1', 'Host: localhost', 'Content-Type: application/json']
    const head = `${[...lines, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n`
    const [first] = sockets
    for (const socket of sockets) socket.write(`${head}${'1\r\n \r\n'.repeat(400_000)}`)
    const [answer] = await Promise.all([
      once(first as Socket, 'data'),
      ...sockets.map((socket) => end(socket)),
    ])
    expect(String(answer)).toMatch(/^HTTP\/1\.1 400 /)
    expect(rssOf(child.pid) - before).toBeLessThan(100)
    for (const socket of sockets) socket.destroy()
  }, 90_000)
})

describe('what arrives too slowly is cut off', () => {
  let service: Service
  beforeAll(async () => {
    service = await Service.start({ requestTimeout: '1500ms', maxConnections: 8 })
  })
  afterAll(() => service.stop())

  test.each([
    ['headers', 'GET /v1/sagas HTTP/1.1\r\nHost: localhost\r\nX-Slow: '],
    [
      'a body',
      'POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
    ],
  ])('%s: 408', async (_, head) => {
    const socket = await open(Number(new URL(service.url).port))
    let answer = ''
    socket.on('data', (data) => {
      answer += data
    })
    socket.write(head)
    const drip = setInterval(() => socket.write(' '), 100)
    const since = performance.now()
    await once(socket, 'close')
    clearInterval(drip)
    expect(performance.now() - since).toBeLessThan(5_000)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('headers of more than 16 kB: 431', async () => {
    const { status } = await service.call('/livez', { headers: { 'X-Large': 'x'.repeat(20_000) } })
    expect(status).toBe(431)
  })

  test('requests that are sent ahead of their answers: a few are answered in order, more end the connection', async () => {
    const ahead = async (count: number) => {
      const socket = await open(Number(new URL(service.url).port))
      let answer = ''
      socket.on('data', (data) => {
        answer += data
      })
      const head = 'GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n'
      socket.write(`${`${head}\r\n`.repeat(count - 1)}${head}Connection: close\r\n\r\n`)
      await once(socket, 'close')
      return answer.split('HTTP/1.1 200 OK').length - 1
    }
    expect(await ahead(6)).toBe(6)
    expect(await ahead(300)).toBeLessThan(12)
  })

  test('connections beyond the limit are refused, and there is room again once they go', async () => {
    const port = Number(new URL(service.url).port)
    const sockets = await Promise.all(Array.from({ length: 30 }, () => open(port)))
    const left = () => sockets.filter(({ destroyed, closed }) => !destroyed && !closed).length
    await expect.poll(left).toBeLessThanOrEqual(8)
    for (const socket of sockets) socket.destroy()
    await expect.poll(async () => (await service.call('/livez').catch(() => undefined))?.status).toBe(200)
  })
})
