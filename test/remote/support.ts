/**
 * Participants for the tests of remote steps: servers that say exactly what a test wants, and calls as the runtime makes them.
 */
import { createServer as createHttp, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net'
import { none } from 'backstep'
import { afterEach } from 'vitest'
import { isInDoubt, isRejected, retryAfterOf } from '#dist/core/errors.js'
import { isPending } from '#dist/definition/answers.js'
import { AllowList, type Resolver } from '#dist/remote/policy.js'
import { defaultSetting } from '#dist/remote/setting.js'
import { remoteStep } from '#dist/remote/step.js'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

export const afterwards = (step: () => unknown): void => void undo.push(step)

/** Listens on loopback until the test ends; its port. */
export async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

/** A server that talks in bytes: `talk` gets each connection once its first request has arrived as a whole. */
export async function rawServer(talk: (socket: Socket, request: string) => void): Promise<string> {
  const server = createTcp((socket) => {
    let request = ''
    socket.on('data', (chunk) => {
      request += chunk
      const length = Number(/content-length: (\d+)/i.exec(request)?.[1] ?? 0)
      const end = request.indexOf('\r\n\r\n')
      if (end >= 0 && request.length >= end + 4 + length) {
        const whole = request
        request = ''
        talk(socket, whole)
      }
    })
  })
  return `http://127.0.0.1:${await listening(server)}`
}

export const httpServer = async (listener: RequestListener): Promise<string> =>
  `http://127.0.0.1:${await listening(createHttp(listener))}`

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A server that answers each request as told, and remembers them all. */
export async function recorder(
  answer: (request: Received) => {
    status?: number
    headers?: Record<string, string>
    body?: unknown
  } = () => ({}),
) {
  const requests: Received[] = []
  const url = await httpServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const received = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body }
    requests.push(received)
    const said = answer(received)
    response.writeHead(said.status ?? 200, { 'content-type': 'application/json', ...said.headers })
    response.end(said.body === undefined ? undefined : JSON.stringify(said.body))
  })
  return { url, requests }
}

export const uid = '019a0000-0000-7000-8000-000000000001'
const nothing = (): void => {}

/** What the runtime hands to a function of a step. */
export const contextOf = (more: Record<string, unknown> = {}) => ({
  input: { to: 'LIS' },
  outputs: {},
  sagaId: 'trip-1',
  step: 'flight',
  attempt: 1,
  idempotencyKey: `${uid}:flight:commit`,
  token: 3,
  signal: new AbortController().signal,
  deadline: 1_800_000_000_000,
  log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  ...more,
})

export const rollbackContext = (more: Record<string, unknown> = {}) =>
  contextOf({
    idempotencyKey: `${uid}:flight:rollback`,
    commitKey: `${uid}:flight:commit`,
    ...more,
  })

export interface MadeOptions {
  /** `any`: no list. */
  readonly allow?: readonly string[] | 'any'
  readonly resolve?: Resolver
}

/** A remote step as the runtime sees it: its functions. */
export function made(
  options: Record<string, unknown>,
  { allow = ['http://127.0.0.1:*'], resolve }: MadeOptions = {},
) {
  const setting = {
    ...defaultSetting,
    allow: AllowList.parse(allow === 'any' ? undefined : allow, []),
    ...(resolve ? { resolve } : {}),
  }
  const rollback = options.rollback ?? none('only its commit is tested')
  return remoteStep({ ...options, rollback }, setting, []) as unknown as {
    commit(context: unknown): Promise<unknown>
    rollback(context: unknown): Promise<unknown>
    verify(context: unknown): Promise<unknown>
  }
}

/** What a call came to, in one word (and its wait in ms, where it has one). */
export async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    const value = await call
    if (isPending(value)) return `pending ${value.checkAfter}`
    return value === undefined ? 'done' : `done ${JSON.stringify(value)}`
  } catch (error) {
    if (isInDoubt(error)) return 'in_doubt'
    const wait = retryAfterOf(error)
    const word = isRejected(error) ? 'rejected' : 'failed'
    return wait === undefined ? word : `${word} ${wait}`
  }
}

/** Times out as the runtime would. */
export const within = (ms: number): AbortSignal => {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new Error('timeout')), ms)
  afterwards(() => clearTimeout(timer))
  return controller.signal
}
