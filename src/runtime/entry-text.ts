/**
 * The entries of a journal as a person reads them.
 */
import type { Entry, Json, StoredError } from '../core/entry.js'
import { clip, jsonLine, safe } from './text.js'
import { errorLine, formatDuration } from './why.js'

type Colour = (text: string) => string

/** Where an entry has colours. */
export interface Paint {
  readonly dim: Colour
  readonly bold: Colour
  readonly green: Colour
  readonly yellow: Colour
  readonly red: Colour
}

const asItIs: Colour = (text) => text

/** No colours. */
export const plain: Paint = { dim: asItIs, bold: asItIs, green: asItIs, yellow: asItIs, red: asItIs }

type Of<Type extends Entry['type']> = Extract<Entry, { type: Type }>

/** Made by a person, not by a process. */
export const isByHand = (entry: Entry): boolean =>
  entry.type === 'resolved' ||
  entry.type === 'retry_requested' ||
  entry.type === 'rebound' ||
  (entry.type === 'rolling_back' && entry.reason === 'cancelled')

/** Who did what, as a sentence. */
export function byHandText(entry: Entry): string {
  const actor = 'actor' in entry && entry.actor !== undefined ? safe(entry.actor) : 'somebody'
  switch (entry.type) {
    case 'resolved':
      return `${actor} resolved ${safe(entry.step)} as ${entry.as}: ${safe(entry.reason)}`
    case 'retry_requested':
      return `${actor} asked to retry at once`
    case 'rebound':
      return `${actor} moved it to version ${safe(entry.version)}${entry.reason === undefined ? '' : `: ${safe(entry.reason)}`}`
    case 'rolling_back':
      return `${actor} cancelled it: ${safe(entry.message ?? '')}`
    default:
      return entry.type
  }
}

/**
 * One entry in one line. `start`: when the saga was submitted, ms since 1970; times count from there. `room`: characters
 * of a payload; it is shown to be recognised, --json has the whole.
 */
export function entryText(entry: Entry, start: number, paint: Paint, room: number): string {
  const payload = payloadWithin(room)
  switch (entry.type) {
    case 'submitted':
      return submittedText(entry, start, payload)
    case 'skipped':
      return `${safe(entry.step)} skipped`
    case 'started':
      return join(paint.dim(`${callOf(entry)} started`), roundText(entry), sinceText(entry.since, start))
    case 'committed':
      return join(
        paint.green(`${safe(entry.step)} committed`),
        payload('output', entry.output),
        entry.overdue && 'after its timeout',
      )
    case 'failed':
      return failedText(entry, start, paint)
    case 'pending':
      return `${safe(entry.step)} is still going on, asked again at ${relative(entry.nextAt - start)}`
    case 'verified':
      return join(
        `${safe(entry.step)} verified: ${entry.answer}`,
        payload('output', entry.output),
        errorText(entry.error),
      )
    case 'rolling_back':
      return rollingBackText(entry, paint)
    case 'rolled_back':
      return join(paint.yellow(`${safe(entry.step)} rolled back`), roundText(entry))
    case 'late':
      return join(
        paint.yellow(`${safe(entry.step)} took effect after it had been given up`),
        payload('output', entry.output),
      )
    case 'retry_requested':
    case 'rebound':
      return byHandText(entry)
    case 'resolved':
      return join(byHandText(entry), payload('output', entry.output))
    case 'deadline_passed':
      return paint.yellow('its deadline passed, behind the pivot: it goes on')
    case 'ended':
      return paint.bold(`ended: ${entry.status}`)
  }
}

function submittedText(
  { keys, deadline, input }: Of<'submitted'>,
  start: number,
  payload: ReturnType<typeof payloadWithin>,
): string {
  return join(
    'submitted',
    keys === null ? 'without keys' : keys.length > 0 && `keys ${safe(keys.join(', '))}`,
    deadline !== undefined && `deadline ${relative(deadline - start)}`,
    payload('input', input),
  )
}

function failedText(entry: Of<'failed'>, start: number, paint: Paint): string {
  const { direction, outcome, cause, failures, crashes, nextAt, since } = entry
  const how = direction === 'rollback' ? 'failed' : outcome === 'rejected' ? 'rejected' : 'in doubt'
  const often = failures > 1 && `${failures} failures since ${relative(since - start)}`
  return join(
    paint.red(`${callOf(entry)} ${how}${cause === 'thrown' ? '' : ` (${cause})`}`),
    roundText(entry),
    entry.stuck && paint.red('stuck'),
    errorText(entry.error),
    often,
    crashes > 0 && `${crashes} crashes`,
    nextAt !== undefined && `next attempt at ${relative(nextAt - start)}`,
  )
}

function rollingBackText(entry: Of<'rolling_back'>, paint: Paint): string {
  const { reason, step } = entry
  if (reason === 'cancelled') return paint.yellow(`rolling back: ${byHandText(entry)}`)
  const because = reason.replace('_', ' ')
  return paint.yellow(`rolling back: ${step === undefined ? because : `${safe(step)} ${because}`}`)
}

const callOf = ({ direction, step, attempt }: Of<'started'> | Of<'failed'>): string =>
  `${direction} of ${safe(step)}, attempt ${attempt}`

const roundText = ({ round }: { readonly round?: number }): string | false =>
  round !== undefined && `round ${round}`

const sinceText = (since: number | undefined, start: number): string | false =>
  since !== undefined && `at ${relative(since - start)}`

const errorText = (error: StoredError | undefined): string | false =>
  error !== undefined && safe(errorLine(error))

const payloadWithin =
  (room: number) =>
  (what: string, value: Json | undefined): string | false =>
    value !== undefined && `${what} ${clip(jsonLine(value), room)}`

const join = (...parts: (string | false | undefined)[]): string => parts.filter(Boolean).join(', ')

/** Since the saga was submitted: `+0.012s`, from an hour on `+1h 5m`. Processes whose clocks differ can make it negative. */
export function relative(ms: number): string {
  const size = Math.abs(ms)
  const text = size < 3_600_000 ? `${(size / 1_000).toFixed(3)}s` : formatDuration(size)
  return `${ms < 0 ? '-' : '+'}${text}`
}
