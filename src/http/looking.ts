/**
 * The routes that look: sagas, journals, definitions, health, figures.
 *
 * Invariant: looking changes nothing, and shows nobody what is hidden from him.
 */
import {
  type JournalEntry,
  type ListOptions,
  type Orchestrator,
  type SagaSummary,
  type SagaView,
  type Status,
  why,
} from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { notFound } from '../runtime/facts.js'
import type { Caller } from './access.js'
import { json } from './answer.js'
import { type Call, type Handler, partOf } from './call.js'
import { isInline } from './inline.js'
import { inTime } from './patience.js'
import { badRequest } from './problem.js'
import type { Pulse } from './pulse.js'
import type { Redaction, Veil } from './redact.js'

/** A page of the list; more would take longer than a page may. */
const mostListed = 500
const filters = ['status', 'name', 'stuck', 'blocked', 'late', 'after', 'order', 'limit', 'counts', 'waits']

export interface Looking {
  readonly orchestrator: Orchestrator
  readonly pulse: Pulse
  readonly redaction: Redaction
  readonly showPayloads: boolean
}

export const veilFor = ({ redaction, showPayloads }: Looking, { role }: Caller): Veil =>
  redaction.veil(role === 'operate' || showPayloads)

/** As it is answered: with the sentence that says why it is where it is. The view is the caller's own, and gets it. */
export async function shown(looking: Looking, view: SagaView, caller: Caller): Promise<object> {
  const veiled = veilFor(looking, caller).view(view)
  const needsWorkers = view.blocked || (view.owner !== null && view.endedAt === null)
  const health = needsWorkers ? await looking.pulse.recent() : undefined
  return Object.assign(veiled, { why: why(veiled, systemClock.now(), health?.workers) })
}

export const etagOf = ({ seq }: Pick<SagaView, 'seq'>): string => `"${seq}"`

export async function viewOf({ orchestrator }: Looking, id: string): Promise<SagaView> {
  const view = await inTime(orchestrator.get(id))
  if (!view) throw notFound(id)
  return view
}

export const getSaga =
  (looking: Looking): Handler =>
  async (call) => {
    const view = await viewOf(looking, partOf(call, 'sagas'))
    return json(await shown(looking, view, call.caller), 200, { ETag: etagOf(view) })
  }

/** Throws SagaStateError (`NOT_FOUND`). */
export async function journalOf({ orchestrator }: Looking, id: string): Promise<readonly JournalEntry[]> {
  const entries = await inTime(orchestrator.journal(id))
  if (!entries) throw notFound(id)
  return entries
}

export const getJournal =
  (looking: Looking): Handler =>
  async (call) => {
    const id = partOf(call, 'sagas')
    const entries = await journalOf(looking, id)
    return json({ entries: veilFor(looking, call.caller).journal(entries) })
  }

export const listSagas =
  (looking: Looking): Handler =>
  async (call) => {
    const { orchestrator, pulse } = looking
    const { options, counts, waits } = listOf(call)
    const [{ sagas, next }, health] = await Promise.all([
      inTime(orchestrator.list(options)),
      counts ? pulse.health() : undefined,
    ])
    const rows = waits ? await withWaits(looking, sagas, call.caller) : sagas
    return json({ sagas: rows, next: next ?? null, ...(health ? { counts: health.counts } : {}) })
  }

/** Looks at the store at once, for one list. */
const looksAtOnce = 4

/** Each with the sagas that it waits for. */
async function withWaits(looking: Looking, sagas: readonly SagaSummary[], caller: Caller): Promise<object[]> {
  const veil = veilFor(looking, caller)
  const rows: object[] = []
  const waitsOf = async (saga: SagaSummary): Promise<object> => {
    const view = saga.endedAt === null ? await inTime(looking.orchestrator.get(saga.id)) : undefined
    return { ...saga, waitsFor: view ? veil.view(view).waitsFor : [] }
  }
  for (let at = 0; at < sagas.length; at += looksAtOnce) {
    rows.push(...(await Promise.all(sagas.slice(at, at + looksAtOnce).map(waitsOf))))
  }
  return rows
}

interface Asked {
  readonly options: ListOptions
  readonly counts: boolean
  readonly waits: boolean
}

function listOf({ request }: Call): Asked {
  const query = new URL(request.url).searchParams
  for (const name of query.keys()) {
    if (!filters.includes(name)) {
      throw badRequest(
        `there is no filter ${JSON.stringify(name.slice(0, 40))}`,
        `there are: ${filters.join(', ')}`,
      )
    }
  }
  const status = query.getAll('status').flatMap((value) => value.split(','))
  const options = {
    limit: limitOf(query.get('limit')),
    ...(status.length > 0 ? { status: status as Status[] } : {}),
    ...textIn(query, 'name'),
    ...textIn(query, 'after'),
    ...textIn(query, 'order'),
    ...flagIn(query, 'stuck'),
    ...flagIn(query, 'blocked'),
    ...flagIn(query, 'late'),
  } as ListOptions
  const isSet = (name: string): boolean => flagIn(query, name)[name] === true
  return { options, counts: isSet('counts'), waits: isSet('waits') }
}

function limitOf(text: string | null): number {
  if (text === null) return 50
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= mostListed) return limit
  throw badRequest('limit is out of range', `use a whole number from 1 to ${mostListed}`)
}

function textIn(query: URLSearchParams, name: string): Readonly<Record<string, string>> {
  const value = query.get(name)
  if (value === null) return {}
  // PostgreSQL cannot even be asked for it.
  if (value.includes('\0')) throw badRequest(`${name} holds a NUL character`, 'leave it out')
  return { [name]: value }
}

function flagIn(query: URLSearchParams, name: string): Readonly<Record<string, boolean>> {
  const value = query.get(name)
  if (value === null) return {}
  if (value === 'true' || value === 'false') return { [name]: value === 'true' }
  throw badRequest(`${name} is neither true nor false`, `write ${name}=true`)
}

export const listDefinitions =
  ({ orchestrator }: Looking): Handler =>
  () =>
    json({
      definitions: orchestrator
        .definitions()
        .filter((definition) => !isInline(definition))
        .map(({ plan: { name, version, shape } }) => ({ name, version, shape })),
    })

export const getHealth =
  ({ pulse }: Looking): Handler =>
  async () =>
    json(await pulse.health())
