/**
 * Clients that listen and do not read: none keeps its connection, nor what waits for it.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, saga } from 'backstep'
import { serve } from 'backstep/http'
import { expect, test, vi } from 'vitest'

/** More than the kernel's buffers hold: else there would be nothing left to wait. */
const large = 27_000_000

/** Bytes that are still to be had after so long in which nothing was read. */
async function leftAfter(url: string, path: string, ms: number): Promise<number> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  await sleep(ms)
  let left = 0
  socket.on('data', (data) => {
    left += data.length
  })
  socket.resume()
  await once(socket, 'close')
  return left
}

test('a stream that nobody reads is given up, and stderr hears nothing of it', async () => {
  const said = vi.spyOn(console, 'error')
  const orchestrator = await Orchestrator.open('memory:', { log: false })
  const steps = Array.from({ length: 30 }, () => ({
    commit: () => 'x'.repeat(large / 30),
    rollback: () => {},
  }))
  await (await orchestrator.submit(saga('large', steps), undefined, { id: 'a' })).outcome()
  const server = await serve(orchestrator, { port: 0, page: false })
  const left = await Promise.all([
    leftAfter(server.url, '/v1/sagas/a/events', 0),
    leftAfter(server.url, '/v1/sagas/a/events', 50_000),
  ])
  expect(left[0]).toBeGreaterThan(large)
  expect(left[1]).toBeLessThan(large)
  expect(said).not.toHaveBeenCalled()
  await server.close()
  await orchestrator.close()
}, 100_000)
