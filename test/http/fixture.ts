/**
 * A server on a free port, with sagas whose steps do what their input says; and a client that speaks to it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  InDoubt,
  Orchestrator,
  type OrchestratorOptions,
  pending,
  Rejected,
  type Store,
  saga,
} from 'backstep'
import { type ServeOptions, serve } from '#dist/http/index.js'

export interface Wish {
  readonly keys?: readonly string[]
  readonly commit?: Readonly<Record<string, 'book' | 'refuse' | 'doubt' | 'wait' | 'hang' | 'quote'>>
  readonly rollback?: Readonly<Record<string, 'undo' | 'fail'>>
  readonly [more: string]: unknown
}

interface Call {
  readonly input: Wish
  readonly signal: AbortSignal
}

const commits = {
  book: (name: string) => ({ id: `${name}-1` }),
  refuse: (name: string) => {
    throw new Rejected(`${name} is sold out`)
  },
  doubt: (name: string) => {
    throw new InDoubt(`${name} hung up`)
  },
  wait: () => pending({ checkAfter: '40s' }),
  hang: (_: string, { signal }: Call) => sleep(60_000, { id: '' }, { signal }),
  /** An error that quotes what it was given. */
  quote: (_: string, { input }: Call) => {
    throw new Rejected(`cannot charge ${JSON.stringify(input)}`)
  },
}

const rollbacks = {
  undo: () => {},
  fail: (name: string) => {
    throw new Error(`${name} answers 503`)
  },
}

const retry = { min: 30_000, max: 60_000 }

const step = (name: string) => ({
  commit: (call: Call) => commits[call.input?.commit?.[name] ?? 'book'](name, call),
  rollback: (call: Call) => rollbacks[call.input?.rollback?.[name] ?? 'undo'](name),
  timeout: '90s',
  rollbackRetry: retry,
})

const keys = (input: Wish) => [...(input?.keys ?? [])]

export const trip = (version = '1') =>
  saga<Wish>('trip', { version, keys, stuck: { attempts: 1 } })
    .step('flight', step('flight'))
    .step('hotel', step('hotel'))
    .step('payment', step('payment'))

/** Its first step is the pivot. */
export const gift = () =>
  saga<Wish>('gift', { keys })
    .step('pay', { ...step('pay'), pivot: true })
    .step('send', step('send'))

export interface Reply {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of a body it says itself
  readonly body: any
}

export type Init = Omit<RequestInit, 'body'> & {
  readonly body?: unknown
  readonly raw?: string | Uint8Array | ReadableStream<Uint8Array>
}

export class Service {
  readonly orchestrator: Orchestrator
  readonly url: string
  readonly #close: () => Promise<void>
  /** Of every answer, for what the documents say of them. */
  static readonly seen: { readonly method: string; readonly path: string; readonly reply: Reply }[] = []

  private constructor(orchestrator: Orchestrator, url: string, close: () => Promise<void>) {
    this.orchestrator = orchestrator
    this.url = url.replace(/\/$/, '')
    this.#close = close
  }

  static async start(
    options: ServeOptions = {},
    store: string | Store = 'memory:',
    more: OrchestratorOptions = {},
  ): Promise<Service> {
    const sagas = [trip(), gift()]
    const orchestrator = await Orchestrator.open(store, { sagas, log: false, ...more })
    const server = await serve(orchestrator, { port: 0, page: false, ...options })
    return new Service(orchestrator, server.url, () => server.close({ drain: 0 }))
  }

  async stop(): Promise<void> {
    await this.#close()
    await this.orchestrator.close({ drain: 0 })
  }

  async call(path: string, { body, raw, headers, ...init }: Init = {}): Promise<Reply> {
    const method = init.method ?? (body === undefined && raw === undefined ? 'GET' : 'POST')
    const response = await fetch(this.url + path, {
      redirect: 'manual',
      ...init,
      method,
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      ...(raw === undefined ? {} : { body: raw, duplex: 'half' }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    } as RequestInit)
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('Content-Type') ?? '')
    const reply = {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    }
    Service.seen.push({ method, path, reply })
    return reply
  }

  submit(input: Wish, id: string, definition = 'trip'): Promise<Reply> {
    return this.call('/v1/sagas', { body: { definition, id, input } })
  }

  /** Submits, and waits for its end. */
  ended(input: Wish, id: string, definition = 'trip'): Promise<Reply> {
    const headers = { Prefer: 'wait=20' }
    return this.call('/v1/sagas', { body: { definition, id, input }, headers })
  }

  async until(id: string, what: (saga: Reply['body']) => boolean): Promise<Reply['body']> {
    for (let round = 0; round < 1_000; round++) {
      const { body } = await this.call(`/v1/sagas/${encodeURIComponent(id)}`)
      if (what(body)) return body
      await sleep(10)
    }
    throw new Error(`${id} never came to it`)
  }
}
