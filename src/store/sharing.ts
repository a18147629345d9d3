/**
 * How a claim shares its limit among the kinds of sagas that it may give, so that no kind starves.
 */

/** Takes up to `limit` sagas of one kind and says how many there were. */
export type ClaimSource = (limit: number) => number

/**
 * The same items, beginning with another one every few turns: whoever stands first in a list must not always be served first.
 * Not every turn: the kind that is first changes then, and the two must not go in step.
 */
export function rotated<T>(items: Iterable<T>, turn: number): T[] {
  const all = [...items]
  const first = all.length === 0 ? 0 : (turn >> 2) % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}

/**
 * First each source gets an equal part, then what is left goes to whoever has more. `turn` counts the claims: each time another
 * source is the first, so that claims of one saga at a time are fair too.
 */
export function shareOut(limit: number, turn: number, sources: readonly ClaimSource[]): void {
  const count = sources.length
  const part = Math.ceil(limit / count)
  let left = limit
  for (const most of [part, limit]) {
    for (let i = 0; i < count && left > 0; i++) {
      left -= sources[(turn + i) % count]?.(Math.min(most, left)) ?? 0
    }
  }
}
