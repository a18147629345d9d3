/**
 * The clients of the HTTP case, in a thread of their own: so many connections in a closed loop, each of which sends its next
 * submit when the last one is answered.
 *
 * Invariant: an answer that is not 201 ends the run: what is measured is work that was done.
 */
import { connect, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

export interface LoadOrder {
  readonly port: number
  readonly connections: number
  /** For the end of each saga. */
  readonly waits: boolean
}

/** Answered by how many submits were answered within that time, and their latencies. */
export interface LoadSlice {
  readonly count: number
  readonly seconds: number
  readonly latencies: readonly number[]
}

const { port, connections, waits } = workerData as LoadOrder
const prefer = waits ? '\r\nPrefer: wait=30' : ''
let next = 0

/** One answer: its status, and the bytes that it has. */
function answerIn(text: string): { status: number; length: number } | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
  return { status: Number(head.slice(9, 12)), length: end + 4 + length }
}

class Client {
  #socket = this.#connected()
  #text = ''
  #answered: (() => void) | undefined

  submit(): Promise<void> {
    // A connection that was idle for longer than servers keep one is closed by now.
    if (this.#socket.readyState !== 'open' && !this.#socket.connecting) this.#socket = this.#connected()
    const body = `{"definition":"keyed","input":{"key":"k${next++}"}}`
    const head = `POST /v1/sagas HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}${prefer}`
    this.#socket.write(`${head}\r\n\r\n${body}`)
    return new Promise((resolve) => {
      this.#answered = resolve
    })
  }

  #connected(): Socket {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    socket.on('data', (data) => this.#hear(data.toString('latin1')))
    socket.on('error', (error) => {
      throw error
    })
    socket.on('close', () => {
      if (this.#answered) throw new Error('the server closed a connection on which it owed an answer')
    })
    return socket
  }

  #hear(text: string): void {
    this.#text += text
    const answer = answerIn(this.#text)
    if (!answer || this.#text.length < answer.length) return
    if (answer.status !== 201) throw new Error(`answered ${this.#text}`)
    this.#text = this.#text.slice(answer.length)
    const answered = this.#answered
    this.#answered = undefined
    answered?.()
  }
}

const clients = Array.from({ length: connections }, () => new Client())

async function slice(seconds: number): Promise<LoadSlice> {
  const latencies: number[] = []
  const begin = performance.now()
  const end = begin + seconds * 1_000
  const loop = async (client: Client): Promise<void> => {
    for (let sent = begin; sent < end; ) {
      await client.submit()
      const now = performance.now()
      latencies.push(now - sent)
      sent = now
    }
  }
  await Promise.all(clients.map(loop))
  return { count: latencies.length, seconds: (performance.now() - begin) / 1_000, latencies }
}

parentPort?.on('message', (seconds: number) => {
  void slice(seconds).then((result) => parentPort?.postMessage(result))
})
