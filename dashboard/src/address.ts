/**
 * What the page shows is in its address, so that it can be sent to somebody, and Back goes back.
 *
 * Invariant: whatever an address says, the page shows something: what it does not understand counts as absent.
 */
import type { Status } from 'backstep'
import { useEffect, useState } from 'preact/hooks'

export type Room = 'sagas' | 'lines' | 'numbers'
export type Tab = 'timeline' | 'journal' | 'payloads'

export interface Place {
  readonly room: Room
  readonly status?: Status | undefined
  readonly show?: 'stuck' | 'blocked' | 'late' | undefined
  readonly name?: string | undefined
  readonly after?: string | undefined
  readonly saga?: string | undefined
  readonly tab: Tab
  /** The timeline's axis is true to scale: pauses are not shortened. */
  readonly scale: boolean
}

const rooms: readonly Room[] = ['sagas', 'lines', 'numbers']
const tabs: readonly Tab[] = ['timeline', 'journal', 'payloads']
const statuses: readonly Status[] = ['queued', 'running', 'rolling_back', 'committed', 'rolled_back']
const shows = ['stuck', 'blocked', 'late'] as const

export function placeOf(search: string): Place {
  const query = new URLSearchParams(search)
  const one = <Word extends string>(name: string, words: readonly Word[]): Word | undefined =>
    words.find((word) => word === query.get(name))
  const after = query.get('after') ?? ''
  return {
    room: one('view', rooms) ?? 'sagas',
    status: one('status', statuses),
    show: one('show', shows),
    name: query.get('name') || undefined,
    after: /^\d{1,15}$/.test(after) ? after : undefined,
    saga: query.get('saga') || undefined,
    tab: one('tab', tabs) ?? 'timeline',
    scale: query.get('scale') === 'true',
  }
}

/** `?status=running&saga=…`, or `./` where there is nothing to say. */
export function searchOf({ room, tab, scale, ...words }: Place): string {
  const query = new URLSearchParams()
  if (room !== 'sagas') query.set('view', room)
  for (const [name, word] of Object.entries(words)) if (word !== undefined) query.set(name, word)
  if (words.saga !== undefined && tab !== 'timeline') query.set('tab', tab)
  if (words.saga !== undefined && scale) query.set('scale', 'true')
  const search = query.toString()
  return search === '' ? './' : `?${search}`
}

export type Go = (change: Partial<Place>) => void

/** Where the page is, and how to go elsewhere. */
export function usePlace(): readonly [Place, Go] {
  const [place, set] = useState(() => placeOf(location.search))
  useEffect(() => {
    const back = (): void => set(placeOf(location.search))
    addEventListener('popstate', back)
    return () => removeEventListener('popstate', back)
  }, [])
  const go: Go = (change) => {
    const here = placeOf(location.search)
    const next = { ...here, ...change }
    // Else one would have to go back through nothing.
    if (searchOf(next) !== searchOf(here)) history.pushState(null, '', searchOf(next))
    set(next)
  }
  return [place, go]
}
