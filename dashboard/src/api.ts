/**
 * The API as the page calls it. It lies beside the page, at `v1/` below whatever path the page is served at.
 *
 * Invariants
 * - Everything that goes wrong is a `Problem` that a person can read; nothing is swallowed.
 * - A 401 is told to `onSignedOut`, whoever asked: the page then asks for a token.
 */
import type { Health, JournalEntry, SagaSummary, SagaView } from 'backstep'
import type { Filter } from './feed.js'

export type View = SagaView & { readonly why?: string }
export type Counts = Health['counts']

export interface SagaPage {
  readonly sagas: readonly SagaSummary[]
  readonly next?: string | null
}

export type Waiter = SagaSummary & Pick<SagaView, 'waitsFor'>

export interface WaitPage {
  readonly sagas: readonly Waiter[]
  readonly next?: string | null
}

/** What happened in one stretch of time in the process that answers. */
export interface Bucket {
  /** When it began, ms since 1970. */
  readonly at: number
  readonly committed: number
  readonly rolledBack: number
  readonly attempts: number
  readonly failures: number
  /** From submit to end, ms; null: nothing ended. */
  readonly p50: number | null
  readonly p99: number | null
}

export interface Stats {
  /** The length of a bucket. */
  readonly bucketMs: number
  readonly buckets: readonly Bucket[]
}

/** Who is looking, and what the server lets them do. */
export interface Session {
  readonly name: string
  readonly role: 'read' | 'operate'
  /** Somebody signed in, and can sign out. */
  readonly needsToken: boolean
  readonly readOnly: boolean
  /** They see what goes in and comes out of steps. */
  readonly payloads: boolean
}

export const mayAct = (session: Session | undefined): boolean =>
  session?.role === 'operate' && !session.readOnly

/** `application/problem+json`, or what stands for it where nobody answered. */
export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly hint: string

  constructor(status: number, code: string, message: string, hint = '') {
    super(message)
    this.status = status
    this.code = code
    this.hint = hint
  }
}

export const isMissing = (problem: unknown): boolean => problem instanceof Problem && problem.status === 404

/** `http://host/any/path/v1/…` */
export const addressOf = (path: string): string =>
  new URL(`v1/${path}`, `${location.origin}${location.pathname}`).href

let signedOut = (): void => {}
/** Called when the server asks who we are. */
export const onSignedOut = (then: () => void): void => {
  signedOut = then
}

/** The server's clock less ours, ms: countdowns go by the server's. */
let ahead = 0
export const serverNow = (): number => Date.now() + ahead

function readClock(answer: Response): void {
  const date = Date.parse(answer.headers.get('Date') ?? '')
  // `Date` has whole seconds; what is less than two may be no difference at all.
  const difference = date + 500 - Date.now()
  ahead = Math.abs(difference) < 2_000 || Number.isNaN(date) ? 0 : difference
}

async function problemOf(answer: Response): Promise<Problem> {
  const text = await answer.text().catch(() => '')
  try {
    const { code, detail, title, hint } = JSON.parse(text) as Record<string, string | undefined>
    return new Problem(answer.status, code ?? '', detail ?? title ?? answer.statusText, hint)
  } catch {
    return new Problem(answer.status, '', `the server answered ${answer.status} ${answer.statusText}`.trim())
  }
}

/** ms; a server that is frozen, or a network that is gone, never answers. */
const patience = 15_000

async function call<Answer>(path: string, init: RequestInit = {}, wait = patience): Promise<Answer> {
  const answer = await fetch(addressOf(path), {
    credentials: 'same-origin',
    signal: AbortSignal.timeout(wait),
    ...init,
  }).catch((error: unknown) => {
    throw unanswered(error)
  })
  readClock(answer)
  if (answer.status === 401) signedOut()
  if (!answer.ok) throw await problemOf(answer)
  if (answer.status === 204) return undefined as Answer
  return await (answer.json() as Promise<Answer>).catch((error: unknown) => {
    throw error instanceof SyntaxError ? error : unanswered(error)
  })
}

const unanswered = (error: unknown): Problem =>
  error instanceof DOMException && error.name === 'TimeoutError'
    ? new Problem(
        0,
        'TIMEOUT',
        'the server takes too long',
        'what it was asked to do it may have done: look again',
      )
    : new Problem(0, 'UNREACHABLE', 'the server does not answer', 'is `backstep serve` still running?')

const post = (path: string, body: unknown): Promise<unknown> =>
  call(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })

/** As the server reads it: `.` and `..` cannot stand in a path, however they are encoded. */
export const encoded = (name: string): string =>
  name === '.' || name === '..' ? `=${name}` : encodeURIComponent(name)

const sagaPath = (id: string): string => `sagas/${encoded(id)}`

function listPath({ status, show, name, after, order }: Filter, limit: number): string {
  const query = new URLSearchParams({ limit: String(limit) })
  if (status) query.set('status', status)
  if (show) query.set(show, 'true')
  if (name) query.set('name', name)
  if (after) query.set('after', after)
  if (order) query.set('order', order)
  return `sagas?${query}`
}

export const api = {
  list: (filter: Filter, limit: number) => call<SagaPage>(listPath(filter, limit)),
  waits: (filter: Filter, limit: number) => call<WaitPage>(`${listPath(filter, limit)}&waits=true`),
  get: (id: string) => call<View>(sagaPath(id)),
  journal: async (id: string) =>
    (await call<{ entries: readonly JournalEntry[] }>(`${sagaPath(id)}/journal`)).entries,
  health: () => call<Health>('health'),
  stats: () => call<Stats>('stats'),
  /** The names of what is offered here. */
  definitions: async () => {
    const { definitions } = await call<{ definitions: readonly { readonly name: string }[] }>('definitions')
    return definitions.map(({ name }) => name)
  },
  /** Soon: it is how the page finds out that nobody answers. */
  session: () => call<Session>('session', {}, 5_000),
  signIn: (token: string) => post('session', { token }),
  signOut: () => call('session', { method: 'DELETE' }),
  cancel: (id: string, reason: string) => post(`${sagaPath(id)}/cancel`, { reason }),
  retry: (id: string) => post(`${sagaPath(id)}/retry`, {}),
  resolve: (
    id: string,
    step: string,
    body: { readonly as: 'rolled_back' | 'committed'; readonly output?: unknown; readonly reason: string },
  ) => post(`${sagaPath(id)}/steps/${encoded(step)}/resolve`, body),
  rebind: (id: string, version: string, reason: string) =>
    post(`${sagaPath(id)}/rebind`, { version, reason }),
  eventsOf: (id: string) => addressOf(`${sagaPath(id)}/events`),
  events: () => addressOf('events'),
}
