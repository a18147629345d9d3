/**
 * Server-sent events that come back: a stream that is lost is opened again, and whoever listens looks anew at everything then.
 *
 * Invariants
 * - Events are only hints that something changed: after a gap nothing may depend on those that were missed.
 * - A page that nobody sees holds no stream: a browser gives all its tabs together six connections to one server.
 */

export type Line = 'connecting' | 'live' | 'lost'

export interface Listening {
  /** By the name of the event, with its data. */
  readonly on: Readonly<Record<string, (data: unknown) => void>>
  /** The stream is open, for the first time or again: look at everything. */
  readonly opened?: () => void
  readonly line?: (line: Line) => void
}

/** ms; doubled with each attempt in vain. */
const firstPause = 500
const longestPause = 8_000

/** Listens until the function that is returned is called. */
export function listen(address: string, { on, opened, line }: Listening): () => void {
  let source: EventSource | undefined
  let timer = 0
  let pause = firstPause

  const close = (): void => {
    clearTimeout(timer)
    source?.close()
    source = undefined
  }
  const open = (): void => {
    close()
    const stream = new EventSource(address)
    source = stream
    stream.onopen = () => {
      pause = firstPause
      line?.('live')
      opened?.()
    }
    // The browser's own repeats end for good at the first answer that is no stream, such as a proxy's 502.
    stream.onerror = () => {
      close()
      line?.('lost')
      timer = window.setTimeout(open, pause)
      pause = Math.min(2 * pause, longestPause)
    }
    for (const [name, tell] of Object.entries(on)) {
      stream.addEventListener(name, (event) => tell(JSON.parse((event as MessageEvent<string>).data)))
    }
  }
  const seen = (): void => {
    if (document.hidden) close()
    else if (!source) open()
  }

  line?.('connecting')
  seen()
  document.addEventListener('visibilitychange', seen)
  return () => {
    document.removeEventListener('visibilitychange', seen)
    close()
  }
}
