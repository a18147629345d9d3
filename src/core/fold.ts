/**
 * Folding: consecutive failed attempts become one entry, so that a million failures stay small.
 *
 * Invariants
 * - Only a chunk made wholly of `started`, `failed`, `pending` and `verified: unknown` is ever overwritten, and only by one that
 *   says at least as much.
 * - Replaying the folded chunk gives the same state as replaying all that it stands for.
 * - A chunk is overwritten only while it is small: a thousand siblings that fail one by one must not rewrite a thousand entries each.
 */
import type { Chunk, Direction, Entry, Failed, Pending, Started, Verified } from './entry.js'

/** `verified` only where nobody knew: a pivot in doubt may be asked about for ever. */
type Foldable = Started | Failed | Pending | Verified

/** Enough for a group of fifty that all fail and are tried again; about 25 kB. */
const mostEntries = 100

/** The entries that should overwrite `tail`, or undefined where `next` must become a chunk of its own. */
export function fold(tail: Chunk | undefined, next: readonly Entry[]): Entry[] | undefined {
  if (!tail || tail.entries.length + next.length > mostEntries) return undefined
  if (!foldable(tail.entries) || !foldable(next)) return undefined
  const folded = tail.entries.map(
    (entry): Foldable => (entry.type === 'started' ? keepTime(entry, tail.at) : entry),
  )
  for (const entry of next) {
    for (let i = folded.length - 1; i >= 0; i--) {
      const earlier = folded[i]
      if (earlier && supersedes(entry, earlier)) folded.splice(i, 1)
    }
    folded.push(entry)
  }
  return folded
}

const keepTime = (entry: Started, at: number): Started =>
  entry.since === undefined ? { ...entry, since: at } : entry

const foldable = (entries: readonly Entry[]): entries is readonly Foldable[] => entries.every(isFoldable)

const isFoldable = (entry: Entry): boolean =>
  entry.type === 'started' ||
  entry.type === 'failed' ||
  entry.type === 'pending' ||
  (entry.type === 'verified' && entry.answer === 'unknown')

/** A later answer of the same direction says all that the earlier intent and answer of its kind said, and opens the doubt anew. */
function supersedes(later: Foldable, earlier: Foldable): boolean {
  if (later.type === 'started' || later.type === 'verified' || later.step !== earlier.step) return false
  if (directionOf(later) !== directionOf(earlier)) return false
  return earlier.type === 'started' || earlier.type === 'verified' || earlier.type === later.type
}

const directionOf = (entry: Foldable): Direction =>
  entry.type === 'pending' || entry.type === 'verified' ? 'commit' : entry.direction
