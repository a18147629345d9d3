/**
 * One request and its answer, whichever framework brings them. Frameworks are told by their shape: none of them is a dependency.
 *
 * Invariants
 * - Node's own request and response are the common ground of Express and node:http: nothing of Express itself is used.
 * - A body that the framework has parsed is taken as it is; one that it has not is read here, up to 1 MB. Hono reads by itself: there only
 *   what says its length is refused before it is read.
 * - What a framework would read out of an error (`status: 404`) never becomes the answer: it would say that there was no effect.
 */
import { Bytes } from '../core/bytes.js'
import { BadInputError } from '../core/errors.js'
import { maxJsonBytes } from '../core/json.js'

export interface Problem {
  readonly status: number
  /** s */
  readonly retryAfter: number | undefined
  readonly body: Readonly<Record<string, unknown>>
}

export interface Exchange {
  readonly header: (name: string) => string | undefined
  /** Parsed; undefined where there is none. */
  body(): Promise<unknown>
  /** 200 with JSON, or 204. */
  answer(value: unknown): unknown
  refuse(problem: Problem): unknown
  /** Leaves the error to the framework. */
  fail(error: unknown): unknown
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Of Hono: its context. */
export interface HonoContext {
  readonly req: { header(name: string): string | undefined; text(): Promise<string> }
}

/** Of Fastify. */
export interface FastifyRequest {
  readonly headers: Headers
  readonly body?: unknown
}
export interface FastifyReply {
  code(status: number): unknown
  header(name: string, value: string): unknown
  send(payload?: string): unknown
}

/** Of node:http, and so of Express. */
export interface NodeRequest {
  readonly headers: Headers
  readonly body?: unknown
}
export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(text?: string): unknown
}

/** A route's handler for Express, Fastify, Hono and node:http alike. */
export interface ParticipantHandler {
  (request: NodeRequest, response: NodeResponse, next?: (error?: unknown) => void): Promise<void>
  (request: FastifyRequest, reply: FastifyReply): Promise<unknown>
  (context: HonoContext): Promise<Response>
}

/** `given`: the arguments of the handler. */
export function exchangeOf([first, second, third]: readonly unknown[]): Exchange {
  if (isHono(first)) return new HonoExchange(first)
  if (isFastify(second)) return new FastifyExchange(first as FastifyRequest, second)
  return new NodeExchange(first as NodeRequest, second as NodeResponse, third as Next | undefined)
}

const isHono = (first: unknown): first is HonoContext =>
  typeof (first as { req?: { header?: unknown } } | undefined)?.req?.header === 'function'

const isFastify = (second: unknown): second is FastifyReply =>
  typeof (second as { code?: unknown } | undefined)?.code === 'function'

interface Written {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string | undefined
}

const written = (value: unknown): Written =>
  value === undefined
    ? { status: 204, headers: {}, text: undefined }
    : { status: 200, headers: { 'content-type': 'application/json' }, text: JSON.stringify(value) }

const refused = ({ status, retryAfter, body }: Problem): Written => ({
  status,
  headers: {
    'content-type': 'application/problem+json',
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  },
  text: JSON.stringify(body),
})

const headerOf =
  (headers: Headers) =>
  (name: string): string | undefined => {
    const value = headers[name]
    return Array.isArray(value) ? value[0] : value
  }

class HonoExchange implements Exchange {
  readonly #context: HonoContext
  readonly header = (name: string): string | undefined => this.#context.req.header(name)

  constructor(context: HonoContext) {
    this.#context = context
  }

  async body(): Promise<unknown> {
    refuseLarge(Number(this.header('content-length') ?? 0))
    const text = await this.#context.req.text()
    refuseLarge(text.length)
    return parsed(text)
  }

  answer(value: unknown): Response {
    return response(written(value))
  }

  refuse(problem: Problem): Response {
    return response(refused(problem))
  }

  fail(error: unknown): never {
    throw anonymous(error)
  }
}

const response = ({ text, ...init }: Written): Response => new Response(text ?? null, init)

class FastifyExchange implements Exchange {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly header: Exchange['header']

  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.#request = request
    this.#reply = reply
    this.header = headerOf(request.headers)
  }

  async body(): Promise<unknown> {
    return this.#request.body ?? undefined
  }

  answer(value: unknown): unknown {
    return this.#send(written(value))
  }

  refuse(problem: Problem): unknown {
    return this.#send(refused(problem))
  }

  fail(error: unknown): never {
    throw anonymous(error)
  }

  #send({ status, headers, text }: Written): unknown {
    this.#reply.code(status)
    for (const [name, value] of Object.entries(headers)) this.#reply.header(name, value)
    this.#reply.send(text)
    // What an async handler of Fastify returns after it has sent.
    return this.#reply
  }
}

type Next = (error?: unknown) => void

class NodeExchange implements Exchange {
  readonly #request: NodeRequest
  readonly #response: NodeResponse
  readonly #next: Next | undefined
  readonly header: Exchange['header']

  constructor(request: NodeRequest, response: NodeResponse, next: Next | undefined) {
    this.#request = request
    this.#response = response
    this.#next = next
    this.header = headerOf(request.headers)
  }

  async body(): Promise<unknown> {
    const { body } = this.#request
    return body === undefined ? readBody(this.#request as unknown as AsyncIterable<Uint8Array>) : body
  }

  answer(value: unknown): void {
    this.#send(written(value))
  }

  refuse(problem: Problem): void {
    this.#send(refused(problem))
  }

  fail(error: unknown): void {
    if (this.#next) return this.#next(anonymous(error))
    const body = { type: 'about:blank', title: 'In doubt', status: 500 }
    this.refuse({ status: 500, retryAfter: undefined, body })
  }

  #send({ status, headers, text }: Written): void {
    this.#response.statusCode = status
    for (const [name, value] of Object.entries(headers)) this.#response.setHeader(name, value)
    this.#response.end(text)
  }
}

async function readBody(request: AsyncIterable<Uint8Array>): Promise<unknown> {
  const bytes = new Bytes()
  for await (const chunk of request) {
    bytes.add(chunk)
    refuseLarge(bytes.size)
  }
  return parsed(bytes.whole().toString())
}

function refuseLarge(bytes: number): void {
  if (bytes > maxJsonBytes) throw new BadInputError('the body is larger than 1 MB', 'send less')
}

/** The error that a framework gets to see; one that names an answer of its own comes as the cause of one that does not. */
function anonymous(error: unknown): unknown {
  const { status, statusCode, getResponse } = (error ?? {}) as Record<string, unknown>
  if (status === undefined && statusCode === undefined && getResponse === undefined) return error
  return new Error(`nobody knows what came of this call: ${(error as Error).message}`, { cause: error })
}

function parsed(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new BadInputError('the body is no JSON', 'send JSON, or nothing')
  }
}
