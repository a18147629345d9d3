/**
 * A journal as text that a person can read: one line an entry, with the time since the saga was submitted.
 */
import type { Chunk, Entry, Failed, StoredError } from '#dist/core/entry.js'

/** `start` is the time that the lines count from, ms since 1970. */
export function formatJournal(chunks: readonly Chunk[]): string {
  const start = chunks[0]?.at ?? 0
  return chunks
    .flatMap((chunk) => chunk.entries.map((entry, i) => line(chunk, entry, i === 0, start)))
    .join('\n')
}

function line(chunk: Chunk, entry: Entry, first: boolean, start: number): string {
  const head = first ? [`#${chunk.seq}`, seconds(chunk.at - start)] : ['', '']
  return `${head[0]?.padEnd(5)}${head[1]?.padStart(9)}  ${formatEntry(entry, start)}`
}

const seconds = (ms: number): string => `+${(ms / 1000).toFixed(3)}s`

export function formatEntry(entry: Entry, start: number): string {
  switch (entry.type) {
    case 'submitted':
      return words(
        'submitted',
        json('input', entry.input),
        `keys ${JSON.stringify(entry.keys)}`,
        due(entry.deadline, start),
      )
    case 'skipped':
      return `${entry.step}: skipped`
    case 'started':
      return words(
        `${entry.step}: ${entry.direction} ${entry.attempt} started`,
        round(entry.round),
        entry.since !== undefined && `at ${seconds(entry.since - start)}`,
      )
    case 'committed':
      return words(
        `${entry.step}: commit ${entry.attempt} committed`,
        json('output', entry.output),
        entry.overdue && 'after its timeout, within the grace',
      )
    case 'failed':
      return failed(entry, start)
    case 'pending':
      return `${entry.step}: commit ${entry.attempt} pending, ${entry.polls} so far, again at ${seconds(entry.nextAt - start)}`
    case 'verified':
      return words(
        `${entry.step}: verified, ${entry.answer}`,
        json('output', entry.output),
        error(entry.error),
      )
    case 'rolling_back':
      return words(
        `rolling back: ${entry.reason}`,
        entry.step && `of ${entry.step}`,
        entry.message && `"${entry.message}"`,
        by(entry.actor),
      )
    case 'rolled_back':
      return words(`${entry.step}: rollback ${entry.attempt} rolled back`, round(entry.round))
    case 'late':
      return words(`${entry.step}: commit ${entry.attempt} landed late`, json('output', entry.output))
    case 'retry_requested':
      return words('retry requested', by(entry.actor))
    case 'resolved':
      return words(
        `${entry.step}: resolved by hand as ${entry.as}`,
        json('output', entry.output),
        `"${entry.reason}"`,
        by(entry.actor),
      )
    case 'rebound':
      return words(`rebound to version ${entry.version}`, `shape ${entry.shape}`, by(entry.actor))
    case 'deadline_passed':
      return 'the deadline passed behind the pivot'
    case 'ended':
      return `ended: ${entry.status}`
  }
}

function failed(entry: Failed, start: number): string {
  const { direction, outcome, cause } = entry
  return words(
    `${entry.step}: ${direction} ${entry.attempt} ${direction === 'commit' ? outcome.replace('_', ' ') : 'failed'} (${cause})`,
    round(entry.round),
    error(entry.error),
    entry.failures > 1 && `${entry.failures} failures since ${seconds(entry.since - start)}`,
    entry.crashes > 0 && `crashes: ${entry.crashes}`,
    entry.doubt && direction === 'commit' && 'the step is in doubt',
    entry.stuck && 'stuck',
    entry.nextAt === undefined ? 'the last one' : `again at ${seconds(entry.nextAt - start)}`,
    entry.final && `because of ${entry.final}`,
  )
}

type Word = string | false | undefined | ''

const words = (...all: Word[]): string => all.filter((word) => word).join(', ')
const json = (what: string, value: unknown): Word => value !== undefined && `${what} ${JSON.stringify(value)}`
const round = (value: number | undefined): Word => value !== undefined && `round ${value}`
const by = (actor: string | undefined): Word => actor !== undefined && `by ${actor}`
const error = (value: StoredError | undefined): Word => value && `${value.name}: ${value.message}`
const due = (at: number | undefined, start: number): Word =>
  at !== undefined && `deadline ${seconds(at - start)}`
