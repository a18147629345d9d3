/**
 * Structured log records: one for every transition, error and retry, in pino's shape `(fields, message)`.
 *
 * Invariant: a logger that throws harms nobody.
 */
import type { Entry } from '../core/entry.js'
import type { Logger } from '../definition/context.js'

const nothing = (): void => {}

/** For `log: false`. */
export const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** Logs JSON lines to stderr, so that stdout stays the program's own. */
export async function defaultLogger(): Promise<Logger> {
  const { default: pino } = await import('pino')
  const logger: Logger = pino({ name: 'backstep' }, pino.destination({ dest: 2, sync: true }))
  return logger
}

/** Wraps a user's logger: what it throws is dropped, for there is nowhere left to say it. */
export function guarded(logger: Logger): Logger {
  const guard =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message?: string): void => {
      try {
        logger[level](fields, message)
      } catch {
        // A full disk under the log must not stop a rollback.
      }
    }
  return { debug: guard('debug'), info: guard('info'), warn: guard('warn'), error: guard('error') }
}

/** With fields that every record carries. */
export function childOf(logger: Logger, fields: object): Logger {
  if (logger === silent) return silent
  const add =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (more: object, message?: string): void =>
      logger[level]({ ...fields, ...more }, message)
  return { debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') }
}

type Level = 'debug' | 'info' | 'warn' | 'error'

function levelOf(entry: Entry): Level {
  switch (entry.type) {
    case 'failed':
      return entry.stuck ? 'error' : 'warn'
    case 'rolling_back':
    case 'late':
    case 'resolved':
    case 'deadline_passed':
      return 'warn'
    default:
      return 'info'
  }
}

/** What a person reads at the end of the line; the fields say it exactly. */
function sentenceOf(entry: Entry): string {
  switch (entry.type) {
    case 'submitted':
      return 'submitted'
    case 'skipped':
      return `${entry.step} skipped`
    case 'started':
      return `${entry.direction} of ${entry.step} started`
    case 'committed':
      return `${entry.step} committed`
    case 'failed': {
      const outcome = entry.direction === 'commit' ? entry.outcome : 'failed'
      const next = entry.nextAt === undefined ? '' : ', will be tried again'
      return `${entry.direction} of ${entry.step} ${outcome} (${entry.cause})${entry.stuck ? ', stuck' : ''}${next}`
    }
    case 'pending':
      return `${entry.step} still going on`
    case 'verified':
      return `${entry.step} verified: ${entry.answer}`
    case 'rolling_back':
      return `rolling back: ${entry.reason}`
    case 'rolled_back':
      return `${entry.step} rolled back`
    case 'late':
      return `${entry.step} took effect after it had been given up`
    case 'retry_requested':
      return 'retry requested'
    case 'resolved':
      return `${entry.step} resolved by hand as ${entry.as}`
    case 'rebound':
      return `moved to version ${entry.version}`
    case 'deadline_passed':
      return 'deadline passed behind the pivot'
    case 'ended':
      return `ended: ${entry.status}`
  }
}

/** Logs one entry. Inputs and outputs are left out: they are the user's, and a log is read by many. */
export function logEntry(logger: Logger, sagaId: string, definition: string, entry: Entry): void {
  const { type, ...fields } = entry as Entry & { input?: unknown; output?: unknown }
  delete fields.input
  delete fields.output
  logger[levelOf(entry)]({ saga: sagaId, definition, event: type, ...fields }, sentenceOf(entry))
}
