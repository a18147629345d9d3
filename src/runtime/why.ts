/**
 * Why a saga is where it is, in one sentence for a person: what it waits for, and until when.
 *
 * Invariants
 * - Pure: the same view, workers and time give the same sentence, at a command line as on a page.
 * - It is one line, but not escaped: names and errors are as the saga has them, and whoever prints them sees to that.
 */
import { formatDuration } from '../core/duration.js'
import type { StoredError } from '../core/entry.js'
import type { DefinitionRef, Health } from '../store/store.js'
import type { SagaView, StepView } from './view.js'

export { formatDuration }

type Workers = Health['workers']

/**
 * @param now ms since 1970
 * @param workers `health().workers`, where the caller has them: then a blocked saga is told what is offered instead
 * @example why(saga, Date.now()) // 'waiting 12s for attempt 5 of the rollback of refund; last error: Error: 503'
 */
export function why(saga: SagaView, now: number, workers: Workers = []): string {
  if (saga.status === 'committed') return 'nothing to wait for: every step stands'
  if (saga.status === 'rolled_back') return 'nothing to wait for: no step stands'
  if (saga.blocked) return blocked(saga, workers)
  if (saga.waitsFor.length > 0) return behind(saga)
  const open = saga.steps.filter(isOpen)
  if (open.length > 0) return saga.owner === null ? givenUp(open) : running(saga, open, now, workers)
  const next = nextStep(saga)
  if (next) return waiting(next, now)
  if (saga.owner !== null) return `nothing to wait for: it runs in process ${processOf(saga.owner)}`
  const which = saga.status === 'queued' ? 'queued: nothing is in its way, and' : 'nothing is in its way:'
  return `${which} the next process with room takes it`
}

/** `pid@host` of a worker's name. */
export const processOf = (worker: string): string => worker.replace(/\/[^/]*$/, '')

/** An error in one line of bounded length. */
export function errorLine({ name, message, code }: StoredError): string {
  const said = message.replace(/\s+/g, ' ').trim()
  const short = said.length > 200 ? `${said.slice(0, 199)}…` : said
  return `${name}${short && `: ${short}`}${code === undefined || short.includes(code) ? '' : ` (${code})`}`
}

const refOf = ({ name, version }: Pick<DefinitionRef, 'name' | 'version'>): string => `${name}@${version}`

function blocked(saga: SagaView, workers: Workers): string {
  const wanted = refOf(saga)
  const offers = workers.filter(({ alive }) => alive).flatMap((worker) => worker.offers)
  const alike = offers.filter(({ name }) => name === saga.name)
  const same = alike.find(({ version }) => version === saga.version)
  if (same) {
    return `blocked: ${wanted} is offered with other steps (${same.shape}) than those it follows (${saga.shape})`
  }
  const versions = [...new Set(alike.map(({ version }) => version))]
  const instead = versions.length > 0 ? `; offered is ${saga.name}@${versions.join(', ')}` : ''
  return `blocked: no live process offers ${wanted}${instead}`
}

function behind(saga: SagaView): string {
  const [first, ...others] = saga.waitsFor
  if (!first) return ''
  const flags = [first.stuck && 'is stuck', first.blocked && 'is blocked'].filter(Boolean)
  const stands = first.stage === 'holding' ? 'holds' : 'stands before it in line for'
  const facts = first.key === null ? flags : [`${stands} key ${first.key}`, ...flags]
  const which = facts.length > 0 ? `, which ${facts.join(' and ')}` : ''
  const because = first.key === null ? ': a saga without keys overlaps with no other' : ''
  const more = others.length === 0 ? '' : `; and behind ${others.length} more`
  const waits = saga.status === 'queued' ? 'queued' : 'waiting for its keys again'
  return `${waits} behind saga ${first.id}${which}${because}${more}`
}

const isOpen = ({ commit, rollback }: StepView): boolean => commit === 'open' || rollback === 'open'

/** The attempt that is under way, or comes next. */
function attemptOf(step: StepView, coming: boolean): string {
  const back = step.rollback === 'open' || step.rollback === 'waiting'
  const count = (back ? step.rollbackAttempts : step.commitAttempts) + (coming ? 1 : 0)
  return `attempt ${count} of the ${back ? 'rollback' : 'commit'} of ${step.name}`
}

const and = (parts: readonly string[]): string =>
  parts.length > 3 ? `${parts.slice(0, 2).join(', ')} and ${parts.length - 2} more` : parts.join(' and ')

const givenUp = (open: readonly StepView[]): string =>
  `its process ended during ${and(open.map((step) => attemptOf(step, false)))}: the next process with room takes it`

function running(saga: SagaView, open: readonly StepView[], now: number, workers: Workers): string {
  const owner = saga.owner ?? ''
  const what = open.map((step) => {
    const time = step.since === undefined ? '' : `, for ${formatDuration(Math.max(0, now - step.since))}`
    return `${attemptOf(step, false)}${time}`
  })
  const gone = workers.some(({ worker, alive }) => worker === owner && !alive)
  if (gone) return `process ${processOf(owner)} died during ${and(what)}: another takes it over`
  const troubled = open.find(({ stuck }) => stuck)
  const error = troubled?.error ? `; last error: ${errorLine(troubled.error)}` : ''
  const so = troubled ? 'stuck, and being tried' : 'nothing to wait for: it runs'
  return `${so} in process ${processOf(owner)}: ${and(what)}${error}`
}

/** Of the steps that wait for their next attempt the one that says most: a stuck one, else the one that is due first. */
function nextStep(saga: SagaView): (StepView & { readonly nextAt: number }) | undefined {
  return saga.steps
    .flatMap((step) => (step.nextAt === undefined ? [] : [{ ...step, nextAt: step.nextAt }]))
    .sort((a, b) => Number(b.stuck) - Number(a.stuck) || a.nextAt - b.nextAt)[0]
}

function waiting(step: StepView & { readonly nextAt: number }, now: number): string {
  const left = step.nextAt - now
  if (step.pending) {
    const when = left > 0 ? `in ${formatDuration(left)}` : 'now'
    return `the commit of ${step.name} says that it is still going on: it is asked again ${when}`
  }
  const attempt = attemptOf(step, true)
  const error = step.error ? `; last error: ${errorLine(step.error)}` : ''
  const stuck = step.stuck ? 'stuck, ' : ''
  return left > 0
    ? `${stuck}waiting ${formatDuration(left)} for ${attempt}${error}`
    : `${stuck}${attempt} is due: the next process with room makes it${error}`
}
