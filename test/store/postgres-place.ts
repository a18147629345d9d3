/** Stores over schemas of their own, and a TCP proxy that can cut or swallow, for tests of the PostgreSQL store. */
import { connect, createServer, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { type PostgresStore, type PostgresStoreOptions, postgresStore } from '#dist/stores/postgres/index.js'

const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

export function atEnd(end: () => Promise<unknown>): void {
  ends.push(end)
}

export async function openStore(at: string | PostgresStoreOptions): Promise<PostgresStore> {
  const store = postgresStore(at)
  await store.open()
  atEnd(() => store.close())
  return store
}

/** Where the data of an address is. */
export const schemaOf = (address: string): string => new URL(address).searchParams.get('schema') ?? 'backstep'

/** Stands between a store and its server. */
export class Relay {
  readonly address: string
  readonly #sockets = new Set<Socket>()
  /** Connections made so far. */
  connections = 0
  /** Called with each message of the server's; true cuts the connection instead of handing it on. */
  cutsAnswer: () => boolean = () => false
  /** Swallows from what the client says like this. */
  swallowsFrom: RegExp | undefined
  /** Answers what the client says like this with an error, and hangs up. */
  refuses: { readonly what: RegExp; readonly code: string; readonly message: string } | undefined
  /** Nothing goes through any more, and nobody is told. */
  swallows = false
  /** The client takes nothing any more, as one that is stopped, and its buffers fill. */
  set stopsReading(stops: boolean) {
    for (const server of this.#servers) {
      if (stops) server.pause()
      else server.resume()
    }
  }
  readonly #servers = new Set<Socket>()

  private constructor(address: string) {
    this.address = address
  }

  static async start(address: string): Promise<Relay> {
    const target = new URL(address)
    const server = createServer()
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const own = new URL(address)
    own.host = `127.0.0.1:${(server.address() as { port: number }).port}`
    const relay = new Relay(own.href)
    server.on('connection', (client) => relay.#join(client, connect(Number(target.port), target.hostname)))
    atEnd(async () => {
      relay.cutAll()
      server.close()
    })
    return relay
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(client: Socket, server: Socket): void {
    this.connections++
    this.#servers.add(server)
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        this.#servers.delete(server)
        client.destroy()
        server.destroy()
      })
    }
    client.on('data', (data) => {
      const text = data.toString('latin1')
      if (this.swallowsFrom?.test(text)) this.swallows = true
      if (this.refuses?.what.test(text)) client.end(refusal(this.refuses))
      else if (!this.swallows) server.write(data)
    })
    server.on('data', (data) => {
      if (this.swallows) return
      if (this.cutsAnswer()) client.destroy()
      else client.write(data)
    })
  }
}

/** ErrorResponse of the protocol. */
function refusal({ code, message }: { readonly code: string; readonly message: string }): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`)
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}
