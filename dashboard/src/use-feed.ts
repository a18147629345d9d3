/**
 * The list as the page holds it: fetched, then kept up to date by the stream of the whole.
 */
import type { SagaSummary } from 'backstep'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { api, type Counts } from './api.js'
import { arranged, type Filter, heard, type Page, pageLength, together } from './feed.js'
import { type Loaded, useLoaded, useStream, useThrottled } from './hooks.js'
import type { Line } from './live.js'

export interface Feed {
  /** Undefined: the first answer has not come. */
  readonly rows: readonly SagaSummary[] | undefined
  readonly next: string | null
  readonly counts: Counts | undefined
  readonly problem: Loaded<Page>['problem']
  readonly line: Line
  readonly reload: () => void
}

/** What is in trouble may be on a later page: it is asked for by itself. */
async function fetchPage(filter: Filter): Promise<Page> {
  const all = filter.status === undefined && filter.show === undefined && filter.after === undefined
  const [page, ...troubled] = await Promise.all([
    api.list(filter, pageLength),
    ...(all ? (['stuck', 'blocked'] as const).map((show) => api.list({ ...filter, show }, pageLength)) : []),
  ])
  const rows = together([...troubled.map(({ sagas }) => sagas), page.sagas])
  return { rows, next: page.next ?? null }
}

/** ms between two looks at the list while the server tells of changes. */
const rest = 3_000

interface Told {
  /** This saga is another than before. */
  readonly changed: (saga: SagaSummary) => void
  /** There may have been a gap: everything is looked at anew. */
  readonly opened: () => void
}

export function useFeed(filter: Filter, signedIn: number, { changed, opened }: Told): Feed {
  const key = JSON.stringify([filter, signedIn])
  const during = useRef<SagaSummary[] | null>(null)
  const { value, problem, load } = useLoaded(key, () => {
    during.current = []
    return fetchPage(filter)
  })
  const [page, setPage] = useState<Page & { key: string }>()
  const [counts, setCounts] = useState<Counts>()
  const news = useRef<SagaSummary[]>([])
  useEffect(() => {
    if (!value) return
    // What was told while the page was fetched may be newer than it; if it is older, what came after it will be told.
    setPage({ key, ...heard(value, during.current ?? [], filter) })
    during.current = null
  }, [value, key])
  // By itself: where counting takes long (a million that wait), the list must not wait for it.
  const health = useLoaded(`health ${signedIn}`, api.health)
  useEffect(() => {
    if (health.value) setCounts(health.value.counts)
  }, [health.value])
  // A busy server tells of hundreds at once: the list is drawn once for all of them.
  const drain = useThrottled(() => {
    const told = news.current
    news.current = []
    setPage((was) => was && { key: was.key, ...heard(was, told, filter) })
  }, 250)
  const tell = useCallback(
    (saga: SagaSummary) => {
      news.current.push(saga)
      during.current?.push(saga)
      drain()
    },
    [drain],
  )
  // The server tells of the newest and of those under way, and not of what happened before its first look for us; that anything
  // happened it tells to all, by the counts.
  const again = useThrottled(load, rest)
  const line = useStream(api.events(), {
    on: {
      saga: (data) => {
        tell(data as SagaSummary)
        changed(data as SagaSummary)
      },
      counts: (data) => {
        setCounts(data as Counts)
        again()
      },
    },
    opened: () => {
      load()
      health.load()
      opened()
    },
  })
  const shown = page?.key === key ? page : undefined
  return {
    rows: shown && arranged(shown.rows, filter),
    next: shown?.next ?? null,
    counts,
    problem,
    line,
    reload: load,
  }
}
