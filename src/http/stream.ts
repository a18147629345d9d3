/**
 * Server-sent events: one client's stream, and all that are open.
 *
 * Invariants
 * - A client that does not read is dropped, never buffered for beyond `mostBuffered` and one frame; it comes back with Last-Event-ID.
 * - One timer keeps all of them alive, and there is none while nobody listens.
 * - However a stream ends, it is forgotten, and whoever feeds it is told once.
 */
import { systemClock, type Timer } from '../runtime/clock.js'
import { baseHeaders } from './answer.js'
import { Problem } from './problem.js'

/** Bytes that wait for one client, beside what its socket holds. A page's worth of summaries is a tenth of it. */
const mostBuffered = 256 * 1_024
/** Below what proxies wait before they cut a silent connection, ms. */
const heartbeat = 15_000

const encoder = new TextEncoder()
const beat = encoder.encode(': alive\n\n')

export interface StreamEvent {
  readonly id?: string
  readonly event?: string
  readonly data: unknown
}

/** JSON holds no line break, so that a field is always one line. */
export const frameOf = ({ id, event, data }: StreamEvent): Uint8Array =>
  encoder.encode(
    `${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`,
  )

export class Stream {
  readonly response: Response
  readonly #left: () => void
  readonly #cut: (() => void) | undefined
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  /** `left` is called once, when the stream is over, whoever ended it; `cut` ends the connection below it. */
  constructor(left: () => void, cut?: () => void) {
    this.#left = left
    this.#cut = cut
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
          // Sent at once, so that the client knows that it is heard; how long it waits before it comes back, ms.
          controller.enqueue(encoder.encode('retry: 2000\n\n'))
        },
        cancel: () => this.#end(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: mostBuffered }),
    )
    this.response = new Response(body, {
      headers: {
        'Content-Type': 'text/event-stream',
        ...baseHeaders,
        // Proxies that collect answers would hold events back.
        'X-Accel-Buffering': 'no',
      },
    })
  }

  get isOpen(): boolean {
    return this.#controller !== undefined
  }

  /** False where the client was dropped, because it does not read. */
  send(frame: Uint8Array): boolean {
    const controller = this.#controller
    if (!controller) return false
    if (!this.hasRoom) {
      this.#end()
      // Not closed but cut: a client that saw a proper end might take it for the end of the saga. The server's package would write
      // an error of the stream to stderr, stack and all.
      if (this.#cut) this.#cut()
      else controller.error(new Error('the client does not read'))
      return false
    }
    controller.enqueue(frame)
    return true
  }

  /** Whether a frame would be let through, however large: one entry may be larger than all that may wait. */
  get hasRoom(): boolean {
    return (this.#controller?.desiredSize ?? 0) > 0
  }

  /** What waits to be read keeps it alive as well. */
  beat(): void {
    if (this.hasRoom) this.send(beat)
  }

  close(): void {
    const controller = this.#controller
    if (!controller) return
    this.#end()
    controller.close()
  }

  #end(): void {
    if (!this.#controller) return
    this.#controller = undefined
    this.#left()
  }
}

/** All streams of an app. */
export class Streams {
  readonly #most: number
  readonly #open = new Set<Stream>()
  #timer: Timer | undefined

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#open.size
  }

  /** Throws Problem (503) where there are too many. */
  open(left: () => void, cut?: () => void): Stream {
    if (this.#open.size >= this.#most) {
      throw new Problem(503, `there are ${this.#most} streams already`, {
        code: 'TOO_MANY_STREAMS',
        hint: 'come back later, or poll',
        headers: { 'Retry-After': '10' },
      })
    }
    const stream = new Stream(() => {
      this.#open.delete(stream)
      if (this.#open.size === 0) this.#timer?.cancel()
      left()
    }, cut)
    this.#open.add(stream)
    if (this.#open.size === 1) this.#schedule()
    return stream
  }

  /** Ends all of them; their clients come back. */
  close(): void {
    for (const stream of [...this.#open]) stream.close()
  }

  #schedule(): void {
    this.#timer?.cancel()
    this.#timer = systemClock.timer(heartbeat, () => {
      for (const stream of [...this.#open]) stream.beat()
      if (this.#open.size > 0) this.#schedule()
    })
  }
}
