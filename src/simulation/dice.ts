/**
 * Chance that can be repeated: numbers that follow from a text, and from nothing else.
 */
import { createHash } from 'node:crypto'

/** At most eight uniform numbers in [0, 1). */
export function dice(what: string): () => number {
  const bytes = createHash('sha256').update(what).digest()
  let at = 0
  return () => {
    const number = bytes.readUInt32LE(at) / 2 ** 32
    at += 4
    return number
  }
}
