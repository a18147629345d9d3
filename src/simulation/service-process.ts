/**
 * One service as a process of its own: an HTTP server with its own books behind the barrier, and its own faults.
 *
 * Invariants
 * - A fault is what a client of a real service would see: a refusal is a status, a lost answer a connection that breaks, a hang no
 *   answer at all, whose effect may land later.
 * - It ends when its parent says so, or is gone.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { Rejected } from '../index.js'
import { every } from './clock.js'
import type { Pong, Told } from './forked-process.js'
import type { SimulationOptions } from './options.js'
import { type FaultCounts, Services } from './services.js'
import type { Booking, ServiceName } from './trip.js'

export type ToService =
  | {
      readonly type: 'begin'
      readonly service: ServiceName
      readonly folder: string
      readonly options: SimulationOptions
      /** Where to listen; 0: anywhere. */
      readonly port: number
    }
  /** Somebody was killed. */
  | { readonly type: 'release'; readonly isFree: boolean }
  /** Say when no effect is under way any more. */
  | { readonly type: 'settle' }

export type FromService =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'counts'; readonly counts: FaultCounts }
  | { readonly type: 'settled'; readonly counts: FaultCounts }
  | { readonly type: 'broke'; readonly message: string }

/** What the body of a request says; a rollback has no order. */
interface Asked {
  readonly trip: number
  readonly order?: Booking
}

const send = (message: FromService | Pong): void => {
  if (process.connected) process.send?.(message)
}

class ServiceServer {
  readonly #service: ServiceName
  readonly #services: Services
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  constructor({ service, folder, options, port }: Extract<ToService, { type: 'begin' }>) {
    this.#service = service
    this.#services = new Services(folder, options, [service])
    this.#server.listen(port, '127.0.0.1', () => {
      send({ type: 'listening', port: (this.#server.address() as AddressInfo).port })
    })
  }

  get counts(): FaultCounts {
    return this.#services.counts
  }

  release(isFree: boolean): void {
    this.#services.release(isFree)
  }

  async settled(): Promise<void> {
    await this.#services.settled()
    send({ type: 'settled', counts: this.counts })
  }

  close(): void {
    this.#services.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const booking = await this.#answer(request)
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(booking))
    } catch (error) {
      refuse(request, response, error)
    }
  }

  async #answer(request: IncomingMessage): Promise<Booking | null> {
    const { trip, order } = (await json(request)) as Asked
    const header = (name: string): string => String(request.headers[name] ?? '')
    const direction = header('x-backstep-direction') === 'rollback' ? 'rollback' : 'commit'
    const call = {
      service: this.#service,
      direction,
      trip,
      attempt: Number(header('x-backstep-attempt')),
      idempotencyKey: header('idempotency-key'),
      commitKey: header('x-backstep-commit-key'),
      token: Number(header('x-backstep-token')),
      ...(order && direction === 'commit' ? { order } : {}),
    } as const
    return this.#services.call(call, () => request.socket.destroyed)
  }
}

/** A failure as HTTP has it. */
function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const { code, message } = error as { code?: string; message?: string }
  if (code === 'ECONNRESET') return void request.socket.destroy()
  const isFinal = error instanceof Rejected || code === 'ROLLED_BACK_ALREADY'
  const isRollback = request.headers['x-backstep-direction'] === 'rollback'
  response.statusCode = isRollback ? 500 : isFinal ? 409 : 429
  response.end(String(message ?? error))
}

let server: ServiceServer | undefined
let told = ''

/** Counts are for a person who watches: a few times a second is enough. */
every(200, () => {
  const now = JSON.stringify(server?.counts)
  if (!server || now === told) return
  told = now
  send({ type: 'counts', counts: server.counts })
})

process.on('message', (message: ToService | Told) => {
  if (message.type === 'begin') {
    try {
      server = new ServiceServer(message)
    } catch (error) {
      send({ type: 'broke', message: String(error) })
    }
  }
  if (message.type === 'release') server?.release(message.isFree)
  if (message.type === 'settle') void server?.settled()
  if (message.type === 'ping') send({ type: 'pong' })
  if (message.type === 'close') {
    server?.close()
    process.exit()
  }
})
process.on('disconnect', () => process.exit())
