/**
 * The page as a whole: who is looking, where they are, what they press.
 */
import type { SagaSummary } from 'backstep'
import { useEffect, useRef, useState } from 'preact/hooks'
import { safe } from '#dist/runtime/text.js'
import { type Go, type Place, type Room, usePlace } from './address.js'
import { api, mayAct, onSignedOut, type Session } from './api.js'
import { Detail } from './detail.js'
import type { Filter } from './feed.js'
import { Mark, ThemeGlyph } from './glyph.js'
import { Help } from './help.js'
import { type Loaded, useKeys, useLoaded, useNow } from './hooks.js'
import { Filters, focusRow, List, moveFocus, Search, To, useFocusReset } from './list.js'
import { doubtStreams, type Line } from './live.js'
import { Login } from './login.js'
import { Numbers } from './numbers.js'
import { type Theme, useTheme } from './theme.js'
import { type Feed, useFeed } from './use-feed.js'
import { Lines } from './waits.js'

export function App() {
  const [signedIn, setSignedIn] = useState(0)
  const [out, setOut] = useState(false)
  useEffect(() => onSignedOut(() => setOut(true)), [])
  const session = useSession(signedIn)
  const enter = (): void => {
    setOut(false)
    setSignedIn((times) => times + 1)
  }
  if (out) return <Login done={enter} />
  // First who is there: else everything that the page asks for is refused to one who has to sign in.
  if (!session.value && !session.problem) return null
  return <Page {...{ signedIn, session }} leave={() => setOut(true)} />
}

/** ms between two questions whether somebody is there. */
const often = 15_000

/** Who is signed in and may do what; and whether anybody answers at all, which a connection that is dead does not say. */
function useSession(signedIn: number): Loaded<Session> {
  const session = useLoaded(`session ${signedIn}`, api.session)
  const { problem, load } = session
  const asks = useRef(load)
  asks.current = load
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && asks.current(), often)
    return () => clearInterval(timer)
  }, [])
  useEffect(() => {
    if (problem) doubtStreams()
  }, [problem])
  return session
}

const filterOf = ({ status, show, name, after }: Place): Filter => ({
  ...(status && { status }),
  ...(show && { show }),
  ...(name && { name }),
  ...(after && { after }),
})

interface PageProps {
  readonly signedIn: number
  readonly session: Loaded<Session>
  readonly leave: () => void
}

function Page({ signedIn, session, leave }: PageProps) {
  const [place, go] = usePlace()
  const [theme, turn] = useTheme()
  const [help, showHelp] = useState(false)
  const [version, setVersion] = useState(0)
  const open = useRef(place.saga)
  open.current = place.saga
  const feed = useFeed(filterOf(place), signedIn, {
    changed: ({ id }: SagaSummary) => {
      if (id === open.current) setVersion((number) => number + 1)
    },
    opened: session.load,
  })
  usePageKeys({ place, go, feed, turn, help: () => showHelp(true) })
  useFocusReset(JSON.stringify([filterOf(place), place.room]))
  useWayBack(place.saga)
  useTitle(place, feed)
  const line = session.problem ? 'lost' : feed.line
  return (
    <>
      <Header
        {...{ place, go, line, theme, turn, leave }}
        session={session.value}
        help={() => showHelp(true)}
      />
      <main class={`room ${place.room}${place.saga && place.room === 'sagas' ? ' split' : ''}`}>
        {place.room === 'sagas' && <Sagas {...{ place, go, feed, version }} session={session.value} />}
        {place.room === 'lines' && <Lines {...{ place, go }} />}
        {place.room === 'numbers' && <Numbers large />}
      </main>
      {help && <Help close={() => showHelp(false)} />}
    </>
  )
}

interface SagasProps {
  readonly place: Place
  readonly go: Go
  readonly feed: Feed
  readonly version: number
  readonly session: Session | undefined
}

function Sagas({ place, go, feed, version, session }: SagasProps) {
  const now = useNow(1_000)
  const { saga } = place
  const definitions = useLoaded('names', api.definitions)
  const names = new Set([...(definitions.value ?? []), ...(feed.rows ?? []).map(({ name }) => name)])
  if (place.name) names.add(place.name)
  return (
    <>
      <div class="overview">
        {!saga && <h1 class="hidden">Sagas</h1>}
        <Filters {...{ place, go }} counts={feed.counts} />
        {!saga && <Numbers />}
        <Search {...{ place, go }} names={[...names].sort()} />
        <List {...{ place, go, feed, now }} />
      </div>
      {saga && <Detail key={saga} id={saga} {...{ place, go, version, session }} />}
    </>
  )
}

const rooms: readonly (readonly [Room, string])[] = [
  ['sagas', 'Sagas'],
  ['lines', 'Lines'],
  ['numbers', 'Numbers'],
]

interface HeaderProps {
  readonly place: Place
  readonly go: Go
  readonly line: Line
  readonly theme: Theme
  readonly turn: () => void
  readonly help: () => void
  readonly session: Session | undefined
  readonly leave: () => void
}

function Header({ place, go, line, theme, turn, help, session, leave }: HeaderProps) {
  const signOut = async (): Promise<void> => {
    await api.signOut().catch(() => {})
    leave()
  }
  return (
    <header class="top">
      <To
        {...{ place, go }}
        to={{
          room: 'sagas',
          saga: undefined,
          status: undefined,
          show: undefined,
          name: undefined,
          after: undefined,
        }}
        class="home"
      >
        <Mark />
        <span>Backstep</span>
      </To>
      <nav aria-label="Rooms">
        {rooms.map(([room, word]) => (
          <To
            key={room}
            {...{ place, go }}
            to={{ room, saga: undefined }}
            aria-current={place.room === room ? 'page' : undefined}
          >
            {word}
          </To>
        ))}
      </nav>
      <span class="spring" />
      {session && !mayAct(session) && (
        <em class="tag" title="You may look, and change nothing">
          read only
        </em>
      )}
      <LineState {...{ line }} />
      <button type="button" class="plain" onClick={turn} title="Light, dark, or as the system has it (t)">
        <ThemeGlyph theme={theme} />
        <span class="hidden">Theme: {theme}</span>
      </button>
      <button type="button" class="plain" onClick={help} aria-label="Keys (?)" title="Keys (?)">
        ?
      </button>
      {session?.needsToken && (
        <button
          type="button"
          class="plain"
          onClick={() => void signOut()}
          title={`Signed in as ${session.name}`}
        >
          Sign out
        </button>
      )}
    </header>
  )
}

const lineWords: Readonly<Record<Line, string>> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
}

const LineState = ({ line }: { readonly line: Line }) => (
  <span class={`line-state ${line}`} role="status">
    <i aria-hidden="true" />
    <span>{lineWords[line]}</span>
  </span>
)

interface Pressed {
  readonly place: Place
  readonly go: Go
  readonly feed: Feed
  readonly turn: () => void
  readonly help: () => void
}

function usePageKeys({ place, go, feed, turn, help }: Pressed): void {
  useKeys((key, event) => {
    const press = presses[key]
    if (!press) return
    press({ place, go, feed, turn, help })
    // Else the character is typed into the field that got the focus.
    if (key === '/') event.preventDefault()
  })
}

const presses: Readonly<Record<string, (pressed: Pressed) => void>> = {
  j: () => moveFocus(1),
  k: () => moveFocus(-1),
  '/': () => document.getElementById('search')?.focus(),
  '?': ({ help }) => help(),
  t: ({ turn }) => turn(),
  1: ({ go }) => go({ room: 'sagas', saga: undefined }),
  2: ({ go }) => go({ room: 'lines', saga: undefined }),
  3: ({ go }) => go({ room: 'numbers', saga: undefined }),
  '[': ({ place, go }) => place.after && go({ after: undefined }),
  ']': ({ go, feed }) => feed.next && go({ after: feed.next }),
  Escape: ({ place, go }) => {
    const field = document.activeElement
    if (field instanceof HTMLInputElement && field.type === 'search') field.blur()
    else if (place.saga) go({ saga: undefined })
  },
}

/** Who leaves a saga comes back to its row. */
function useWayBack(saga: string | undefined): void {
  const last = useRef(saga)
  useEffect(() => {
    if (saga === undefined && last.current !== undefined) focusRow(last.current)
    last.current = saga
  }, [saga])
}

/** In a row of tabs one sees which server has trouble. */
function useTitle({ saga }: Place, { counts }: Feed): void {
  const trouble = counts ? counts.stuck + counts.blocked : 0
  useEffect(() => {
    document.title = `${trouble > 0 ? `(${trouble}) ` : ''}${saga ? `${safe(saga)} · ` : ''}Backstep`
  }, [saga, trouble])
}
