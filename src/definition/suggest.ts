/**
 * Did you mean …? For names of options that do not exist.
 */

/** What other saga systems call these things. */
const otherWords: Readonly<Record<string, string>> = {
  action: 'commit',
  execute: 'commit',
  invoke: 'commit',
  run: 'commit',
  compensate: 'rollback',
  compensation: 'rollback',
  revert: 'rollback',
  undo: 'rollback',
  condition: 'when',
  if: 'when',
  schema: 'input',
  key: 'keys',
  retries: 'retry',
  maxAttempts: 'attempts',
  initialInterval: 'min',
  maxInterval: 'max',
}

/** The known name that was most likely meant, if one is near enough. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  const other = Object.hasOwn(otherWords, word) ? otherWords[word] : undefined
  if (other !== undefined && known.includes(other)) return other
  if (word.length > 30) return undefined
  const near = known
    .map((name) => ({ name, distance: distance(word.toLowerCase(), name.toLowerCase()) }))
    .filter((candidate) => candidate.distance <= Math.max(1, Math.floor(candidate.name.length / 3)))
    .sort((a, b) => a.distance - b.distance)
  return near[0]?.name
}

/** Letters to insert, delete or replace (Levenshtein), by rows. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    above = current
  }
  return above[b.length] ?? 0
}
