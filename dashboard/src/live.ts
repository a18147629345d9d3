/**
 * Server-sent events that come back: a stream that is lost is opened again, and whoever listens looks anew at everything then.
 *
 * Invariants
 * - Events are only hints that something changed: after a gap nothing may depend on those that were missed.
 * - Only the window that has the focus holds streams: a browser gives all its windows together six connections to one server, and
 *   the third window with two streams would wait for ever. Others that are seen look by themselves; those that nobody sees rest.
 * - A connection may be dead without anybody having said so (a frozen server, a network that is gone): `doubtStreams` opens all anew.
 */

export type Line = 'connecting' | 'live' | 'lost'

export interface Listening {
  /** By the name of the event, with its data. */
  readonly on: Readonly<Record<string, (data: unknown) => void>>
  /** Look at everything: the stream is open, for the first time or again, or there is none. */
  readonly opened?: () => void
  readonly line?: (line: Line) => void
}

/** ms; doubled with each attempt in vain. */
const firstPause = 500
const longestPause = 8_000
/** ms that a stream may take to open: a connection that is dead takes minutes to say so. */
const patience = 10_000
/** ms between two looks of a window without the focus. */
const glance = 2_000

const losses = new Set<() => void>()

/** Nobody has answered for a while: every stream counts as lost. */
export function doubtStreams(): void {
  for (const lose of losses) lose()
}

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
  const lose = (): void => {
    if (!source) return
    close()
    line?.('lost')
    timer = window.setTimeout(wake, pause)
    pause = Math.min(2 * pause, longestPause)
  }
  const open = (): void => {
    const stream = new EventSource(address)
    source = stream
    timer = window.setTimeout(lose, patience)
    stream.onopen = () => {
      clearTimeout(timer)
      pause = firstPause
      line?.('live')
      opened?.()
    }
    // The browser's own repeats end for good at the first answer that is no stream, such as a proxy's 502.
    stream.onerror = lose
    for (const [name, tell] of Object.entries(on)) {
      stream.addEventListener(name, (event) => tell(JSON.parse((event as MessageEvent<string>).data)))
    }
  }
  const look = (): void => {
    close()
    line?.('live')
    opened?.()
    timer = window.setTimeout(wake, glance)
  }
  const wake = (): void => {
    if (document.hidden) close()
    else if (!document.hasFocus()) look()
    else if (!source) {
      close()
      open()
    }
  }

  line?.('connecting')
  wake()
  losses.add(lose)
  document.addEventListener('visibilitychange', wake)
  addEventListener('focus', wake)
  addEventListener('blur', wake)
  return () => {
    losses.delete(lose)
    document.removeEventListener('visibilitychange', wake)
    removeEventListener('focus', wake)
    removeEventListener('blur', wake)
    close()
  }
}
