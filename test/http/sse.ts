/**
 * A client of server-sent events, for tests.
 */

export interface SseEvent {
  readonly id: string | undefined
  readonly event: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it it says itself
  readonly data: any
}

function parse(block: string): SseEvent | undefined {
  const fields = new Map<string, string>()
  for (const line of block.split('\n')) {
    const [, name, value] = /^(\w+): (.*)$/.exec(line) ?? []
    if (name !== undefined) fields.set(name, value ?? '')
  }
  const data = fields.get('data')
  if (data === undefined) return undefined
  return { id: fields.get('id'), event: fields.get('event'), data: JSON.parse(data) }
}

export class Events {
  readonly seen: SseEvent[] = []
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  readonly #decoder = new TextDecoder()
  readonly #ready: SseEvent[] = []
  #text = ''

  constructor(body: ReadableStream<Uint8Array> | null) {
    this.#reader = body?.getReader()
  }

  /** The next one; undefined at the end. */
  async next(): Promise<SseEvent | undefined> {
    while (this.#ready.length === 0) {
      const { done, value } = (await this.#reader?.read()) ?? { done: true, value: undefined }
      if (done) return undefined
      this.#text += this.#decoder.decode(value, { stream: true })
      const blocks = this.#text.split('\n\n')
      this.#text = blocks.pop() ?? ''
      this.#ready.push(...blocks.map(parse).filter((event) => event !== undefined))
    }
    const event = this.#ready.shift()
    if (event) this.seen.push(event)
    return event
  }

  async until(is: (event: SseEvent) => boolean): Promise<SseEvent> {
    for (;;) {
      const event = await this.next()
      if (!event) throw new Error(`the stream ended after ${this.seen.length} events`)
      if (is(event)) return event
    }
  }

  /** All that come until the end, and those that came before. */
  async all(): Promise<readonly SseEvent[]> {
    while (await this.next());
    return this.seen
  }
}

export async function listen(url: string, headers: Record<string, string> = {}) {
  const controller = new AbortController()
  const response = await fetch(url, { headers, signal: controller.signal })
  const events = new Events(response.status === 200 ? response.body : null)
  return { status: response.status, headers: response.headers, events, close: (): void => controller.abort() }
}
