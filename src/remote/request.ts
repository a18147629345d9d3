/**
 * One HTTP request to an address that has been judged, and what was heard of it.
 *
 * Invariants
 * - Nothing is written before the connection stands, TLS and its certificate included: so a failure until then was never sent.
 * - The connection goes to the given address, whatever the name means by then; a connection that is used again belongs to that address.
 * - Never more than 16 kB of headers and 1 MB of body are read. No redirect is followed. No body is decompressed.
 * - It ends with the signal, and leaves neither a timer nor a socket in use behind.
 */
import { Agent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps, Agent as TlsAgent } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Bytes } from '../core/bytes.js'
import { maxJsonBytes } from '../core/json.js'
import { after, type Patience } from './patience.js'
import type { Address } from './policy.js'

export interface Message {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly signal: AbortSignal
  /** Until a connection stands, whichever address it is to. */
  readonly patience: Patience
  /** Whether the body of an answer with this status is of use: else only its beginning is read, for the error. */
  readonly wants: (status: number) => boolean
}

export type Body =
  /** `isFramed`: its end was said, by its length or the last chunk; else it ended with the connection. */
  | { readonly is: 'whole'; readonly bytes: Buffer; readonly isFramed: boolean }
  | { readonly is: 'cut' | 'too_large' }
  /** Not asked for: as much of it as was there. */
  | { readonly is: 'note'; readonly text: string }

export type Reply =
  | {
      readonly is: 'answered'
      readonly status: number
      readonly retryAfter: string | undefined
      readonly date: string | undefined
      readonly body: Body
    }
  | { readonly is: 'unreached' | 'lost'; readonly error: Error }

const maxHeaders = 16_384
/** Of a body that is only good for an error's message. */
const maxNote = 2_000
/** ms that such a body may keep us waiting. */
const notePatience = 250

/**
 * Shared by all remote steps of the process. Idle connections are closed before the servers that close theirs soonest (gunicorn: 2 s) do:
 * a request that meets such a close is in doubt, and sends a saga back for nothing.
 */
const pool = { keepAlive: true, timeout: 1_500, maxSockets: 128, maxFreeSockets: 16, maxTotalSockets: 1_024 }
const agents = { plain: new Agent(pool), tls: new TlsAgent(pool) }

export class NotConnected extends Error {
  override readonly name = 'NotConnected'
  readonly code = 'CONNECT_TIMEOUT'
}

/** Tries one address after the other, as long as none has been reached; each has its share of the time. Never rejects. */
export async function send(message: Message, addresses: readonly Address[]): Promise<Reply> {
  let reply: Reply = { is: 'unreached', error: new NotConnected(`${message.url.hostname} has no address`) }
  const tried = addresses.slice(0, 4)
  for (const [index, address] of tried.entries()) {
    const share = message.patience.left / (tried.length - index)
    reply = await new Exchange(message, address, share).reply
    if (reply.is !== 'unreached' || message.signal.aborted) break
  }
  return reply
}

class Exchange {
  readonly reply: Promise<Reply>
  readonly #message: Message
  readonly #request: ClientRequest
  readonly #stopWaiting: () => void
  #sent = false
  #hasStatus = false
  #settle: (reply: Reply) => void = () => {}

  /** `patience`: ms until a connection stands, the wait for a place in the pool included. */
  constructor(message: Message, address: Address, patience: number) {
    this.#message = message
    this.reply = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#request = open(message, address)
    this.#stopWaiting = after(patience, () => {
      const error = new NotConnected(`no connection to ${message.url.host} in time`)
      // One that waits for a place in the pool would not say that it was destroyed.
      this.#request.destroy(error)
      this.#ended(error)
    })
    this.#request
      .once('socket', (socket) => this.#whenConnected(socket))
      .once('response', (response) => this.#answered(response))
      // 101 is no answer to anything that was asked.
      .once('upgrade', (_, socket) => socket.destroy())
      .on('error', (error) => this.#ended(error))
      // Whatever ends a request without a word: the first to settle counts.
      .once('close', () => this.#ended(hungUp()))
  }

  #whenConnected(socket: Socket): void {
    const isTls = this.#message.url.protocol === 'https:'
    // `secureConnecting`: Node's own flag, true until the certificate has been judged.
    const isOpen = isTls ? (socket as SecuringSocket).secureConnecting === false : !socket.connecting
    if (isOpen) return this.#send(socket)
    socket.once(isTls ? 'secureConnect' : 'connect', () => this.#send(socket))
  }

  #send(socket: Socket): void {
    this.#sent = true
    this.#stopWaiting()
    // The pool's bound on idle connections is none on a participant that takes its time.
    socket.setTimeout(0)
    this.#request.end(this.#message.body)
  }

  /** Once there is a status, what became of the connection is a matter of the body. */
  #ended(error: Error): void {
    this.#stopWaiting()
    if (!this.#hasStatus) this.#settle({ is: this.#sent ? 'lost' : 'unreached', error })
  }

  #answered(response: IncomingMessage): void {
    this.#hasStatus = true
    const status = response.statusCode ?? 0
    const { 'retry-after': retryAfter, date } = response.headers
    const isWanted = this.#message.wants(status)
    readBody(response, isWanted, (body) => {
      this.#settle({ is: 'answered', status, retryAfter, date, body })
      if (!response.complete) this.#request.destroy()
    })
  }
}

interface SecuringSocket extends TLSSocket {
  readonly secureConnecting?: boolean
}

const hungUp = (): Error => Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })

function open({ url, method, headers, body, signal }: Message, { address, family }: Address): ClientRequest {
  const isTls = url.protocol === 'https:'
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  const options = {
    host: address,
    family,
    port: url.port || (isTls ? 443 : 80),
    method,
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, host: url.host, ...length },
    maxHeaderSize: maxHeaders,
    signal,
  }
  if (!isTls) return requestHttp({ ...options, agent: agents.plain })
  // The certificate must be the name's, although the connection goes to an address; an address has no server name.
  const servername = isIP(url.hostname.replace(/^\[|\]$/g, '')) ? '' : url.hostname
  return requestHttps({ ...options, agent: agents.tls, servername })
}

/** Calls `done` once; the caller destroys what is left. */
function readBody(response: IncomingMessage, isWanted: boolean, done: (body: Body) => void): void {
  const limit = isWanted ? maxJsonBytes : maxNote
  const bytes = new Bytes()
  let isOver = false
  const finish = (body: Body): void => {
    if (isOver) return
    isOver = true
    stopWaiting()
    response.removeAllListeners('data').resume()
    done(isWanted ? body : { is: 'note', text: bytes.whole().toString().slice(0, maxNote) })
  }
  const stopWaiting = isWanted ? () => {} : after(notePatience, () => finish({ is: 'cut' }))
  // Errors come with a close, and after it nothing that we wait for.
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    bytes.add(chunk)
    if (bytes.size > limit) finish({ is: 'too_large' })
  })
  response.once('end', () => {
    if (!response.complete) return finish({ is: 'cut' })
    finish({ is: 'whole', bytes: bytes.whole(), isFramed: isFramed(response) })
  })
  response.once('close', () => finish({ is: 'cut' }))
}

function isFramed({ statusCode, headers }: IncomingMessage): boolean {
  const isChunked = /\bchunked\s*$/i.test(headers['transfer-encoding'] ?? '')
  return statusCode === 204 || 'content-length' in headers || isChunked
}
