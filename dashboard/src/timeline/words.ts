/**
 * What a picture's parts say of themselves, for who points at them, and for who cannot see them.
 */
import type { JournalEntry } from 'backstep'
import { entryText, plain } from '#dist/runtime/entry-text.js'
import { errorLine } from '#dist/runtime/why.js'
import { lasting } from '../words.js'
import type { Attempt, Folded } from './model.js'
import type { Tick } from './scale.js'

const ends: Readonly<Record<Attempt['end'], string>> = {
  open: 'under way',
  committed: 'committed',
  done: 'rolled back',
  rejected: 'rejected',
  in_doubt: 'in doubt',
  pending: 'still going on',
  given_up: 'nobody heard how it ended',
}

/** A rollback is tried until it is done: that one failed says nothing about what it did. */
export const endOf = ({ direction, end }: Attempt): string =>
  direction === 'rollback' && end === 'in_doubt' ? 'failed' : ends[end]

export function blockText(block: Attempt | Folded, now: number): string {
  const took = lasting((block.to ?? now) - block.from)
  const call = `${block.direction} of ${block.step}`
  if (block.kind === 'attempt') {
    const round = block.round > 1 ? `, round ${block.round}` : ''
    const error = block.entry?.type === 'failed' ? `: ${errorLine(block.entry.error)}` : ''
    const overdue = block.entry?.type === 'committed' && block.entry.overdue ? ', after its timeout' : ''
    return `attempt ${block.attempt} of the ${call}${round}: ${endOf(block)} after ${took}${overdue}${error}`
  }
  if (block.entry.type === 'pending')
    return `${call}: said ${times(block.count)} within ${took} that it is still going on`
  const { cause, error } = block.entry
  const why = cause === 'thrown' ? '' : ` (${cause})`
  return `${call}: failed ${times(block.count)} within ${took}, kept as one${why}; at last ${errorLine(error)}`
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`)

/** The journal's own sentence. */
export const entryWords = (entry: JournalEntry, start: number): string => entryText(entry, start, plain, 120)

/** In a few words, for a flag on the axis. */
export function turnText(entry: JournalEntry): string {
  switch (entry.type) {
    case 'rolling_back':
      return entry.reason === 'cancelled' ? 'cancelled' : `turned back: ${entry.reason.replace('_', ' ')}`
    case 'retry_requested':
      return 'retry asked for'
    case 'rebound':
      return `moved to version ${entry.version}`
    case 'deadline_passed':
      return 'deadline passed'
    case 'ended':
      return entry.status === 'committed' ? 'committed' : 'rolled back'
    default:
      return entry.type
  }
}

/** As exact as the step between ticks, so that no two say the same. */
export function tickText({ time, step }: Pick<Tick, 'time' | 'step'>): string {
  if (time === 0) return '0'
  if (time < 1_000 || step >= 1_000) return `+${lasting(time)}`
  const digits = step % 100 === 0 ? 1 : step % 10 === 0 ? 2 : 3
  return `+${(time / 1_000).toFixed(digits).replace(/\.0+$/, '')}s`
}
