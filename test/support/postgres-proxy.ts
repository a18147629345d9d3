/**
 * A TCP proxy that understands as much of PostgreSQL's protocol as it takes to break a connection at a chosen message.
 *
 * Invariants
 * - Messages are passed on byte for byte and in order, until the fate of one of them says otherwise; after that nothing of this
 *   connection is passed on, in either direction.
 * - A connection that is cut after a message to the server is closed in order on that side: the server reads, and does, all
 *   that was passed on to it. What it answers is lost.
 * - What was done is counted, so that a test can prove that its faults happened.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll } from 'vitest'

export interface Message {
  readonly to: 'server' | 'client'
  /**
   * The byte that the protocol has for it, as a letter: `Q` a query, `P` `B` `E` `S` parse, bind, execute, sync; to the client
   * `C` command complete, `Z` ready, `A` a notification. Empty: the first message of a connection.
   */
  readonly type: string
  /** Of `Q` and `P`. */
  readonly sql: string
  /** Among all messages of this proxy, from 1. */
  readonly number: number
  /** Of its connection among all of this proxy, from 1. */
  readonly connection: number
}

/**
 * `before`, `after`: the connection is cut before or after the message is passed on. `silence`: from this message on nothing is
 * passed on, and nobody is told; both sides believe that they are connected.
 */
export type Fate = 'pass' | 'before' | 'after' | 'silence'

/** Cuts at every nth message, of those that `among` picks. */
export function everyNth(n: number, fate: Fate, among: (message: Message) => boolean = () => true) {
  let count = 0
  return (message: Message): Fate => (among(message) && ++count % n === 0 ? fate : 'pass')
}

/** The first message that `picks` is broken; all others pass. */
export function onFirst(picks: (message: Message) => boolean, fate: Fate) {
  let isDone = false
  return (message: Message): Fate => {
    if (isDone || !picks(message)) return 'pass'
    isDone = true
    return fate
  }
}

const proxies: PostgresProxy[] = []
afterAll(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()))
})

export class PostgresProxy {
  /** As the one given to `start`, with the proxy in place of the server. */
  readonly address: string
  /** What happens to each message. */
  fate: (message: Message) => Fate = () => 'pass'
  /** ms that each message takes in addition, in each direction. */
  latency = 0
  /** New connections are closed at once. */
  refuses = false
  readonly counts = { connections: 0, messages: 0, cuts: 0, silences: 0, refusals: 0 }
  readonly #server: Server
  readonly #links = new Set<Link>()

  private constructor(server: Server, address: string, target: URL) {
    this.#server = server
    this.address = address
    server.on('connection', (client) => this.#accept(client, target))
  }

  /** Closed when the test file ends. */
  static async start(address: string): Promise<PostgresProxy> {
    const target = new URL(address)
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const own = new URL(address)
    own.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const proxy = new PostgresProxy(server, own.href, target)
    proxies.push(proxy)
    return proxy
  }

  /** Connections that are open on either side. */
  get open(): number {
    return this.#links.size
  }

  /** Cuts, or silences, all connections that are open now. */
  breakAll(fate: 'before' | 'silence' = 'before'): void {
    for (const link of this.#links) link.suffer(fate)
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const link of this.#links) link.destroy()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  #accept(client: Socket, target: URL): void {
    if (this.refuses) {
      this.counts.refusals++
      client.destroy()
      return
    }
    const connection = ++this.counts.connections
    const server = connect(Number(target.port || 5432), target.hostname)
    const link = new Link(this, connection, client, server)
    this.#links.add(link)
    void link.gone.then(() => this.#links.delete(link))
  }
}

/** One client's connection and its own to the server. */
class Link {
  readonly gone: Promise<unknown>
  readonly #proxy: PostgresProxy
  readonly #connection: number
  readonly #client: Socket
  readonly #server: Socket
  #isBroken = false

  constructor(proxy: PostgresProxy, connection: number, client: Socket, server: Socket) {
    this.#proxy = proxy
    this.#connection = connection
    this.#client = client
    this.#server = server
    this.gone = Promise.all([closed(client), closed(server)])
    this.#pass(client, server, new Splitter('server'))
    this.#pass(server, client, new Splitter('client'))
  }

  #pass(from: Socket, to: Socket, splitter: Splitter): void {
    const line = new Line(to)
    from.setNoDelay(true)
    from.on('data', (chunk) => {
      for (const piece of splitter.add(chunk)) {
        if (isEncryptionRequest(piece)) from.write('N')
        else this.#forward(piece, line, splitter.to)
      }
    })
    from.on('end', () => {
      if (!this.#isBroken) line.end(this.#proxy.latency)
    })
    from.on('error', () => this.#isBroken || to.destroy())
  }

  #forward(piece: Piece, line: Line, to: Message['to']): void {
    if (this.#isBroken) return
    const { counts, fate, latency } = this.#proxy
    const message: Message = {
      to,
      type: piece.type,
      sql: sqlOf(piece),
      number: ++counts.messages,
      connection: this.#connection,
    }
    const what = fate(message)
    if (what === 'pass' || what === 'after') line.send(piece.bytes, latency)
    if (what !== 'pass') line.after(latency, () => this.suffer(what))
  }

  suffer(fate: Exclude<Fate, 'pass'>): void {
    if (this.#isBroken) return
    this.#isBroken = true
    const { counts } = this.#proxy
    if (fate === 'silence') {
      counts.silences++
      return
    }
    counts.cuts++
    this.#client.destroy()
    // Not destroyed: what has been passed on is to arrive. Its answers are read, and dropped.
    this.#server.end()
  }

  destroy(): void {
    this.#client.destroy()
    this.#server.destroy()
  }
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()))

/** One direction, with latency: later pieces never overtake earlier ones, also when the latency shrinks. */
class Line {
  readonly #to: Socket
  #due = 0

  constructor(to: Socket) {
    this.#to = to
  }

  send(bytes: Buffer, latency: number): void {
    this.after(latency, () => this.#to.writable && this.#to.write(bytes))
  }

  end(latency: number): void {
    this.after(latency, () => this.#to.end())
  }

  /** Runs `act` once everything before it has been sent. */
  after(latency: number, act: () => unknown): void {
    const now = performance.now()
    const due = Math.max(this.#due, now + latency)
    this.#due = due
    if (due <= now) act()
    else setTimeout(act, due - now)
  }
}

interface Piece {
  readonly type: string
  readonly bytes: Buffer
}

/** Cuts a stream into messages: a type, a length that counts itself, a body. The client's first has no type. */
class Splitter {
  readonly to: Message['to']
  #rest: Buffer = Buffer.alloc(0)
  #isFirst: boolean

  constructor(to: Message['to']) {
    this.to = to
    this.#isFirst = to === 'server'
  }

  *add(chunk: Buffer): Iterable<Piece> {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    for (let piece = this.#next(); piece; piece = this.#next()) yield piece
  }

  #next(): Piece | undefined {
    const head = this.#isFirst ? 0 : 1
    if (this.#rest.length < head + 4) return undefined
    const size = head + this.#rest.readInt32BE(head)
    if (this.#rest.length < size) return undefined
    const bytes = this.#rest.subarray(0, size)
    this.#rest = this.#rest.subarray(size)
    const piece = { type: bytes.toString('latin1', 0, head), bytes }
    // After the answer to a request for encryption, the client begins again.
    this.#isFirst = this.#isFirst && isEncryptionRequest(piece)
    return piece
  }
}

/** SSLRequest and GSSENCRequest: the proxy says no, since it could not read what follows. */
const isEncryptionRequest = ({ type, bytes }: Piece): boolean =>
  type === '' && bytes.length === 8 && [80_877_103, 80_877_104].includes(bytes.readInt32BE(4))

function sqlOf({ type, bytes }: Piece): string {
  if (type !== 'Q' && type !== 'P') return ''
  // Of `P`, the name of the statement comes first.
  const start = type === 'Q' ? 5 : bytes.indexOf(0, 5) + 1
  return bytes.toString('utf8', start, bytes.indexOf(0, start))
}
