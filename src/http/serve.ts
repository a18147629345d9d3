/**
 * The server: an app on a socket, with the limits that keep one client from harming the others.
 *
 * Invariants
 * - It does not listen off loopback without tokens.
 * - A client that sends slowly, much, or nothing is cut off by time and by size; nothing that it sends is held beyond the limits.
 * - After `close` nothing of it keeps the process alive.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, BlockList, isIP, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { getRequestListener } from '@hono/node-server'
import { duration } from '../core/duration.js'
import { BadInputError, type Duration, type Orchestrator } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { type App, makeApp } from './app.js'
import { checkAppOptions, checkNumbers, type ServeOptions } from './options.js'

export const defaultPort = 7700
const defaultHost = '127.0.0.1'

/** bytes; a cookie and a token are far below. */
const maxHeaders = 16_384
const keepAlive = 5_000
/** Requests that a client may send ahead of the answer to its first. */
const mostAhead = 8
/** How much of the time for closing those have who wait for a saga: then they are told how far it is. */
const shareOfWaits = 0.8
/**
 * ms without a byte in either direction; a client may wait for 60 s, and a stream is never silent for longer than 15. What the kernel
 * took of an answer meanwhile counts as a byte, once: who reads nothing is cut off after twice as long.
 */
const silence = 90_000

export interface SagaServer {
  /** Of the page; the API is below it, at `v1/`. */
  readonly url: string
  /** Answers what is under way, at most for `drain` (default 10 s), and stops listening. The orchestrator stays open. */
  close(options?: { readonly drain?: Duration }): Promise<void>
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true
  const family = isIP(host)
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** The code of what could not be listened at, in words. */
const listenErrors: Readonly<Record<string, readonly [says: string, hint: string]>> = {
  EADDRINUSE: ['is taken by another process', 'choose another port, or 0 for any that is free'],
  EACCES: ['may not be used by this user', 'choose a port above 1023'],
  EADDRNOTAVAIL: ['is no address of this machine', 'use 127.0.0.1, or an address of its own'],
  ENOTFOUND: ['cannot be resolved', 'use 127.0.0.1, or an address of this machine'],
}

/**
 * Serves the API and the page.
 *
 * @example const server = await serve(orchestrator, { port: 7700 })
 * @throws BadInputError for a bad option, for an address off loopback without tokens, or one that cannot be listened at (`LISTEN`)
 */
export async function serve(orchestrator: Orchestrator, options: ServeOptions = {}): Promise<SagaServer> {
  checkServeOptions(options)
  const { port = defaultPort, host = defaultHost, hosts = [] } = options
  const app = makeApp(orchestrator, { ...options, hosts: [...hosts, hostname(), host] })
  const server = limited(options)
  // Global Request and Response belong to the user's program.
  const listener = getRequestListener(app.hono.fetch, { overrideGlobalObjects: false })
  const isPatient = patience()
  server.on('request', (incoming, outgoing) => {
    if (isPatient(incoming, outgoing)) void listener(incoming, outgoing)
    else incoming.socket.destroy()
  })
  await listen(server, port, host)
  const { address, port: bound } = server.address() as AddressInfo
  const name = isIP(address) === 6 ? `[${address}]` : address
  const url = `http://${name}:${bound}${options.basePath ?? ''}/`
  return {
    url,
    close: async ({ drain = '10s' } = {}) => {
      await closeWithin(server, duration(drain, 'drain'), app)
    },
  }
}

/** What `serve` refuses before it listens. Throws BadInputError. */
export function checkServeOptions(options: ServeOptions): void {
  checkAppOptions(options, 'serve')
  checkNumbers(options, ['maxConnections'], 'serve')
  const { port = defaultPort, host = defaultHost, tokens = [], requestTimeout = '30s' } = options
  if (duration(requestTimeout, 'requestTimeout') < 1) {
    throw new BadInputError('serve: requestTimeout is 0', 'say how long a request may take to arrive: 30s')
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new BadInputError(`there is no port ${port}`, 'use 1 to 65535, or 0 for any that is free')
  }
  if (isLoopback(host) || tokens.length > 0) return
  throw new BadInputError(
    `${host} can be reached from other machines, and there are no tokens`,
    'pass tokens, or listen at 127.0.0.1 behind a proxy that asks who calls',
    { code: 'NEEDS_TOKENS' },
  )
}

function limited({ maxConnections = 2_000, requestTimeout = '30s' }: ServeOptions): Server {
  const whole = duration(requestTimeout, 'requestTimeout')
  const server = createServer({
    maxHeaderSize: maxHeaders,
    headersTimeout: Math.ceil(whole / 3),
    requestTimeout: whole,
    // How late a limit is noticed, ms.
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: keepAlive,
    insecureHTTPParser: false,
  })
  server.maxConnections = maxConnections
  // Who does not read his answer is cut off.
  server.timeout = silence
  server.maxRequestsPerSocket = 0
  return server
}

/**
 * Whether a client waits for its answers: requests that it sends ahead of them (pipelining) are run and their answers kept, a thousand of
 * them from one packet. Browsers and common clients send none.
 */
function patience(): (incoming: IncomingMessage, outgoing: ServerResponse) => boolean {
  const behind = new WeakMap<Socket, number>()
  return ({ socket }, outgoing) => {
    // One that is next to be answered has the connection.
    if (outgoing.socket !== null) return true
    const count = (behind.get(socket) ?? 0) + 1
    if (count > mostAhead) return false
    behind.set(socket, count)
    outgoing.once('close', () => behind.set(socket, (behind.get(socket) ?? 1) - 1))
    return true
  }
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException
    const [says, hint] = listenErrors[code] ?? ['cannot be listened at', 'the cause says why']
    throw new BadInputError(`${host}:${port} ${says}`, hint, { code: 'LISTEN', cause })
  }
}

async function closeWithin(server: Server, drain: number, { streams, waits }: App): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  // Connections that are answered from now on would be kept alive, and waited for.
  Object.assign(server, { keepAliveTimeout: 1, keepAliveTimeoutBuffer: 0 })
  streams.close()
  server.closeIdleConnections()
  const timers = [
    // Early enough for the answers to be sent.
    systemClock.timer(drain * shareOfWaits, () => waits.stop()),
    systemClock.timer(drain, () => server.closeAllConnections()),
  ]
  await closed
  for (const timer of timers) timer.cancel()
}
