/**
 * How a saga ended, from whatever a test holds of it, and what to show of it when the test does not like it.
 *
 * Invariants
 * - A wait is bounded in real time, also where the saga's own clock stands still: a test that fails says why, one that hangs says nothing.
 * - What cannot be had for a report (a closed store, a pruned journal) is left out of it, and never the failure itself.
 */
import { type Duration, duration, formatDuration } from '../core/duration.js'
import { BadInputError, type SagaRolledBackError } from '../core/errors.js'
import { isEnded, planOfShape, replay } from '../core/index.js'
import { systemClock } from '../runtime/clock.js'
import { type Outcome, outcomeOf } from '../runtime/ending.js'
import { entryText, plain, relative } from '../runtime/entry-text.js'
import { type Looker, lookerOf, type SagaHandle } from '../runtime/handle.js'
import type { JournalEntry } from '../runtime/view.js'
import { why } from '../runtime/why.js'

/** An orchestrator, or what has one: a TestOrchestrator. */
export type Lookout = Looker | { readonly orchestrator: Looker }

/** What tests hold of a saga: its outcome, its handle, or a promise of either. */
export type Given<Outputs> =
  | Outcome<Outputs>
  | SagaHandle<Outputs>
  | PromiseLike<Outcome<Outputs> | SagaHandle<Outputs>>

export type Ended =
  | { readonly is: 'committed'; readonly outputs: unknown; readonly saga?: Watched }
  | { readonly is: 'rolled_back'; readonly error: SagaRolledBackError; readonly saga?: Watched }
  | { readonly is: 'unfinished'; readonly waited: string; readonly saga?: Watched }
  | { readonly is: 'missing'; readonly saga: Watched }

/** A saga, and where it can be looked at. */
export interface Watched {
  readonly id: string
  readonly looker: Looker | undefined
}

/** Just under the five seconds after which Vitest and Jest give a test up. */
const defaultWithin = 4_000
/** How often a saga is looked at that another process may run, real ms. */
const pause = 10

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

const isHandle = (value: unknown): value is SagaHandle<unknown> =>
  isObject(value) && typeof value['id'] === 'string' && typeof value['outcome'] === 'function'

const isOutcome = (value: unknown): value is Outcome<unknown> =>
  isObject(value) &&
  ((value['status'] === 'committed' && 'outputs' in value) ||
    (value['status'] === 'rolled_back' && isRolledBack(value['error'])))

const isRolledBack = (error: unknown): error is SagaRolledBackError =>
  isObject(error) && error['code'] === 'ROLLED_BACK'

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  isObject(value) && typeof value['then'] === 'function'

const isLooker = (value: unknown): value is Looker =>
  isObject(value) && typeof value['get'] === 'function' && typeof value['journal'] === 'function'

/** @throws BadInputError for what tells of no saga */
export async function endOf(given: unknown, within: Duration = defaultWithin): Promise<Ended> {
  const most = duration(within, 'within')
  if (isOutcome(given)) return ended(given)
  if (isHandle(given)) return endOfHandle(given, most)
  if (!isPromise(given)) throw notASaga(given)
  const settled = await bounded(given, most).catch(rolledBackOnly)
  if (settled === late) return { is: 'unfinished', waited: formatDuration(most) }
  if (isHandle(settled)) return endOfHandle(settled, most)
  return isOutcome(settled) ? ended(settled) : { is: 'committed', outputs: settled }
}

/** The end of a saga that this orchestrator, or another process, runs. */
export async function endById(where: Lookout, id: string, within: Duration = defaultWithin): Promise<Ended> {
  const most = duration(within, 'within')
  const looker = 'orchestrator' in where ? where.orchestrator : where
  if (!isLooker(looker)) throw notASaga(where)
  const saga: Watched = { id, looker }
  const end = systemClock.monotonic() + most
  for (;;) {
    const outcome = await lookUp(looker, id)
    if (outcome === 'missing') return { is: 'missing', saga }
    if (outcome !== 'unfinished') return ended(outcome, saga)
    if (systemClock.monotonic() >= end) return { is: 'unfinished', waited: formatDuration(most), saga }
    await real(pause)
  }
}

async function lookUp(looker: Looker, id: string): Promise<Outcome | 'missing' | 'unfinished'> {
  const journal = await looker.journal(id)
  const view = await looker.get(id)
  if (!view || !journal) return 'missing'
  const plan = planOfShape(view.name, view.version, view.shape)
  const state = replay(
    plan,
    journal.map((entry) => ({ seq: entry.seq, at: entry.at, entries: [entry] })),
  )
  return isEnded(state) ? outcomeOf(id, state) : 'unfinished'
}

async function endOfHandle(handle: SagaHandle<unknown>, most: number): Promise<Ended> {
  const saga: Watched = { id: handle.id, looker: lookerOf(handle) }
  const outcome = await bounded(handle.outcome(), most)
  return outcome === late ? { is: 'unfinished', waited: formatDuration(most), saga } : ended(outcome, saga)
}

function ended(outcome: Outcome<unknown>, saga?: Watched): Ended {
  const known = saga ? { saga } : {}
  return outcome.status === 'committed'
    ? { is: 'committed', outputs: outcome.outputs, ...known }
    : { is: 'rolled_back', error: outcome.error, ...known }
}

function rolledBackOnly(error: unknown): Outcome<unknown> {
  if (isRolledBack(error)) return { status: 'rolled_back', error }
  throw error
}

const notASaga = (given: unknown): BadInputError =>
  new BadInputError(
    `${given === null ? 'null' : typeof given} tells of no saga`,
    'pass an outcome, a handle, a promise of one, the promise of run(…), or an orchestrator and an id',
  )

const late = Symbol('late')

const real = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    systemClock.timer(ms, resolve)
  })

async function bounded<T>(promise: PromiseLike<T>, ms: number): Promise<T | typeof late> {
  let stop = (): void => {}
  const over = new Promise<typeof late>((resolve) => {
    const timer = systemClock.timer(ms, () => resolve(late))
    stop = () => timer.cancel()
  })
  try {
    return await Promise.race([promise, over])
  } finally {
    stop()
  }
}

// What to show

/** Lines at the beginning and at the end of a long journal: how it began is seldom what is looked for. */
const firstLines = 4
const lastLines = 20
/** Characters of a payload, to recognise it by. */
const room = 60

/** The journal of a saga, a line for each entry, of a long one its beginning and its end. */
export function journalText(journal: readonly JournalEntry[]): string {
  const start = journal[0]?.at ?? 0
  const lines = journal.map(
    (entry) => `${relative(entry.at - start)}  ${entryText(entry, start, plain, room)}`,
  )
  const left = lines.length - firstLines - lastLines
  if (left > 1) lines.splice(firstLines, left, `… ${left} more …`)
  return lines.join('\n')
}

/** What is known of a saga beside its end, for the message of a failure; empty where nothing can be had. */
export async function story(saga: Watched | undefined): Promise<string> {
  if (!saga?.looker) return ''
  try {
    const [view, journal] = await Promise.all([saga.looker.get(saga.id), saga.looker.journal(saga.id)])
    if (!view || !journal) return ''
    const waits = view.endedAt === null ? `  now: ${why(view, journal.at(-1)?.at ?? view.submittedAt)}\n` : ''
    return `${waits}  journal:\n${journalText(journal).replace(/^/gm, '    ')}`
  } catch {
    return ''
  }
}
