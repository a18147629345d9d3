/**
 * What components share of time and of the world outside.
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Problem, serverNow } from './api.js'
import { type Line, type Listening, listen } from './live.js'

/** The server's time, anew every `every` ms; 0: it stands still. */
export function useNow(every: number): number {
  const [now, set] = useState(serverNow)
  useEffect(() => {
    set(serverNow())
    if (every === 0) return
    const timer = setInterval(() => !document.hidden && set(serverNow()), every)
    return () => clearInterval(timer)
  }, [every])
  return now
}

export interface Loaded<Value> {
  /** Undefined: none has come yet. It stays while a newer one is fetched, and where that fails. */
  readonly value: Value | undefined
  readonly problem: Problem | undefined
  readonly load: () => void
}

export const problemIn = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem(0, 'BUG', String(error))

/**
 * What `fetch` gives, anew whenever `key` changes or `load` is called. Calls of `load` during a fetch become one after it.
 */
export function useLoaded<Value>(key: string, fetch: () => Promise<Value>): Loaded<Value> {
  const [state, set] = useState<{ key: string; value?: Value; problem?: Problem }>({ key })
  const work = useRef({ key, fetch, busy: false, again: false })
  work.current.key = key
  work.current.fetch = fetch
  const load = useCallback(async () => {
    const now = work.current
    now.again = now.busy
    if (now.busy) return
    now.busy = true
    const asked = now.key
    try {
      const value = await now.fetch()
      if (asked === now.key) set({ key: asked, value })
    } catch (error) {
      if (asked === now.key)
        set((was) => ({ ...(was.key === asked ? was : {}), key: asked, problem: problemIn(error) }))
    }
    now.busy = false
    if (now.again || asked !== now.key) await load()
  }, [])
  useEffect(() => void load(), [key, load])
  const current = state.key === key ? state : undefined
  return { value: current?.value, problem: current?.problem, load: () => void load() }
}

/** Listens to a stream while the component is there; null: to none. */
export function useStream(address: string | null, listening: Listening): Line {
  const [line, set] = useState<Line>('connecting')
  const latest = useRef(listening)
  latest.current = listening
  const names = Object.keys(listening.on).join()
  useEffect(() => {
    if (address === null) return
    const on = Object.fromEntries(
      names.split(',').map((name) => [name, (data: unknown) => latest.current.on[name]?.(data)]),
    )
    return listen(address, { on, opened: () => latest.current.opened?.(), line: set })
  }, [address, names])
  return line
}

/** At most one call in `ms`, the last one never lost. */
export function useThrottled(run: () => void, ms: number): () => void {
  const latest = useRef(run)
  latest.current = run
  const timer = useRef(0)
  useEffect(() => () => clearTimeout(timer.current), [])
  return useCallback(() => {
    if (timer.current !== 0) return
    timer.current = window.setTimeout(() => {
      timer.current = 0
      latest.current()
    }, ms)
  }, [ms])
}

/** The width of an element, px; 0 until it is there. */
export function useWidth<Place extends Element>() {
  const place = useRef<Place>(null)
  const [width, set] = useState(0)
  useLayoutEffect(() => {
    const element = place.current
    if (!element) return
    const measure = (): void => set(Math.floor(element.clientWidth))
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  return [place, width] as const
}

/** Calls `press` at each key that is not typed into a field. */
export function useKeys(press: (key: string, event: KeyboardEvent) => void): void {
  const latest = useRef(press)
  latest.current = press
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
      // A dialog has its keys to itself: Escape leaves it, and not what is behind it.
      if (document.querySelector('dialog[open]')) return
      const into = event.target instanceof Element && event.target.closest('input, textarea, select')
      if (into && event.key !== 'Escape') return
      latest.current(event.key, event)
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [])
}
