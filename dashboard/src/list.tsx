/**
 * The list: filters with their counts, search by id, rows, pages.
 */
import type { SagaSummary } from 'backstep'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { safe } from '#dist/runtime/text.js'
import { type Go, type Place, searchOf } from './address.js'
import { api, type Counts, isMissing } from './api.js'
import { inTrouble } from './feed.js'
import { Glyph, State } from './glyph.js'
import { problemIn } from './hooks.js'
import { Trouble } from './trouble.js'
import type { Feed } from './use-feed.js'
import { ageOf, brief, isEnded, type Kind, kindOf, kindWords, lasting } from './words.js'

interface Props {
  readonly place: Place
  readonly go: Go
}

/** A link that the page follows by itself; the browser's own ways (new tab, copy) work as ever. */
export function To({
  to,
  place,
  go,
  children,
  ...rest
}: Props & {
  readonly to: Partial<Place>
  readonly children: ComponentChildren
  readonly class?: string
  readonly 'aria-current'?: 'true' | 'page' | undefined
  readonly 'data-row'?: string
  readonly title?: string
}) {
  return (
    <a
      {...rest}
      href={searchOf({ ...place, ...to })}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
        event.preventDefault()
        go(to)
      }}
    >
      {children}
    </a>
  )
}

const filters: readonly Kind[] = [
  'stuck',
  'blocked',
  'queued',
  'running',
  'rolling_back',
  'committed',
  'rolled_back',
]

const filterTo = (kind: Kind): Partial<Place> =>
  kind === 'stuck' || kind === 'blocked'
    ? { show: kind, status: undefined, after: undefined }
    : { status: kind, show: undefined, after: undefined }

export function Filters({ place, go, counts }: Props & { readonly counts: Counts | undefined }) {
  const all = !place.status && !place.show
  const sum =
    counts && counts.queued + counts.running + counts.rolling_back + counts.committed + counts.rolled_back
  return (
    <nav class="filters" aria-label="Filter by status">
      <To
        {...{ place, go }}
        class="filter"
        to={{ status: undefined, show: undefined, after: undefined }}
        aria-current={all ? 'true' : undefined}
      >
        <span>All</span>
        <b>{sum === undefined ? '–' : brief(sum)}</b>
      </To>
      {filters.map((kind) => {
        const here = place.status === kind || place.show === kind
        const number = counts?.[kind]
        return (
          <To
            key={kind}
            {...{ place, go }}
            to={filterTo(kind)}
            class={`filter ${kind}${number === 0 ? ' none' : ''}`}
            aria-current={here ? 'true' : undefined}
          >
            <span>
              <Glyph kind={kind} />
              {kindWords[kind]}
            </span>
            <b>{number === undefined ? '–' : brief(number)}</b>
          </To>
        )
      })}
    </nav>
  )
}

/** Opens a saga by its id, exactly as it is; narrows the list to a definition's name. */
export function Search({ place, go, names }: Props & { readonly names: readonly string[] }) {
  const [text, type] = useState('')
  const [said, say] = useState('')
  const look = async (event: Event): Promise<void> => {
    event.preventDefault()
    const id = text.trim()
    if (id === '') return
    try {
      await api.get(id)
      say('')
      type('')
      go({ room: 'sagas', saga: id, tab: 'timeline' })
    } catch (error) {
      say(isMissing(error) ? `There is no saga with the id ${id}` : problemIn(error).message)
    }
  }
  return (
    <search>
      <form class="search" onSubmit={(event) => void look(event)}>
        <input
          id="search"
          type="search"
          placeholder="Open a saga by its id"
          aria-label="Open a saga by its id"
          aria-describedby="search-said"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => {
            type(event.currentTarget.value)
            say('')
          }}
        />
        <select
          aria-label="Definition"
          value={place.name ?? ''}
          onChange={(event) => go({ name: event.currentTarget.value || undefined, after: undefined })}
        >
          <option value="">All definitions</option>
          {names.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <LateSwitch {...{ place, go }} />
        <output id="search-said" class="said">
          {said}
        </output>
      </form>
    </search>
  )
}

const LateSwitch = ({ place, go }: Props) => (
  <label class="check" title="A commit took effect after it had been given up">
    <input
      type="checkbox"
      checked={place.show === 'late'}
      onChange={(event) =>
        go({ show: event.currentTarget.checked ? 'late' : undefined, status: undefined, after: undefined })
      }
    />
    Late successes
  </label>
)

export function List({ place, go, feed, now }: Props & { readonly feed: Feed; readonly now: number }) {
  const { rows, next, problem, reload } = feed
  if (!rows) return problem ? <Trouble problem={problem} again={reload} /> : <Loading />
  const troubled = place.status || place.show || place.after ? [] : rows.filter(inTrouble)
  const others = rows.filter((saga) => !troubled.includes(saga))
  return (
    <section class="list" aria-label="Sagas">
      {problem && <Trouble problem={problem} again={reload} />}
      {troubled.length > 0 && (
        <>
          <h2>Needs attention</h2>
          <Rows {...{ place, go, now }} rows={troubled} />
        </>
      )}
      {troubled.length > 0 && others.length > 0 && <h2>Newest first</h2>}
      <Rows {...{ place, go, now }} rows={others} />
      {place.name && <p class="note">The counts are of all definitions.</p>}
      {rows.length === 0 && <Nothing {...{ place, go }} />}
      {(place.after || next) && (
        <nav class="pages" aria-label="Pages">
          {place.after && (
            <To {...{ place, go }} to={{ after: undefined }} class="button">
              Newest
            </To>
          )}
          {next && (
            <To {...{ place, go }} to={{ after: next }} class="button">
              Older
            </To>
          )}
        </nav>
      )}
    </section>
  )
}

function Rows({
  place,
  go,
  now,
  rows,
}: Props & { readonly rows: readonly SagaSummary[]; readonly now: number }) {
  return (
    <ul class="rows">
      {rows.map((saga) => (
        <li key={saga.id}>
          <To
            {...{ place, go }}
            to={{ saga: saga.id, tab: 'timeline', scale: false }}
            class={`row ${kindOf(saga)}`}
            data-row={saga.id}
            aria-current={place.saga === saga.id ? 'true' : undefined}
          >
            <State kind={kindOf(saga)} />
            <span class="id">{safe(saga.id)}</span>
            <span class="name">
              {saga.name}
              <small>@{saga.version}</small>
              {saga.late && <em class="tag">late</em>}
            </span>
            <span class="took">{tookText(saga, now)}</span>
            <span class="age">{ageText(saga, now)}</span>
          </To>
        </li>
      ))}
    </ul>
  )
}

function tookText(saga: SagaSummary, now: number): string {
  if (saga.endedAt !== null) return `took ${lasting(saga.endedAt - saga.submittedAt)}`
  if (saga.status === 'queued' || saga.dueAt === null) return ''
  return saga.dueAt > now ? `due in ${lasting(Math.ceil((saga.dueAt - now) / 1_000) * 1_000)}` : 'due'
}

function ageText(saga: SagaSummary, now: number): string {
  const age = ageOf(Math.max(0, now - (saga.endedAt ?? saga.submittedAt)))
  if (age === 'now') return 'just now'
  return `${age} ${isEnded(saga) ? 'ago' : 'old'}`
}

const Loading = () => (
  <div class="loading" role="status">
    <span class="hidden">Loading</span>
    {[0, 1, 2, 3, 4, 5].map((row) => (
      <i key={row} />
    ))}
  </div>
)

function Nothing({ place, go }: Props) {
  const filtered = place.status || place.show || place.name || place.after
  const calm = place.show === 'stuck' || place.show === 'blocked'
  return (
    <div class="nothing">
      <p>
        {calm
          ? `Nothing is ${place.show}. All is well.`
          : filtered
            ? 'No saga matches.'
            : 'No saga yet. The first one appears here by itself.'}
      </p>
      {filtered && (
        <To
          {...{ place, go }}
          to={{ status: undefined, show: undefined, name: undefined, after: undefined }}
          class="button"
        >
          Show all
        </To>
      )}
    </div>
  )
}

const rowsShown = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('[data-row]')]

export const focusRow = (id: string): void =>
  rowsShown()
    .find((row) => row.dataset['row'] === id)
    ?.focus()

/** Moves the focus by so many rows, from the selected one where none has it. */
export function moveFocus(by: number): void {
  const rows = rowsShown()
  const focused = rows.indexOf(document.activeElement as HTMLElement)
  const from = focused >= 0 ? focused : rows.findIndex((row) => row.getAttribute('aria-current') === 'true')
  const next = rows[from < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, from + by))]
  next?.focus()
  next?.scrollIntoView({ block: 'nearest' })
}

/** What had the focus keeps it when a page of other sagas comes. */
export function useFocusReset(key: string): void {
  const first = useRef(true)
  useEffect(() => {
    if (!first.current) window.scrollTo({ top: 0 })
    first.current = false
  }, [key])
}
