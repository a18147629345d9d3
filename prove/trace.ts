/**
 * The whole history, line by line, for whoever must read it; and its hash, for whoever must know that two are the same.
 *
 * Invariant: where neither is asked for, a line costs nothing.
 */
import { hashOf } from './dice.js'
import type { Timeline } from './timeline.js'

export class Trace {
  readonly lines: string[] = []
  hash = 0
  readonly #timeline: Timeline
  readonly #keep: boolean
  readonly #hashes: boolean

  constructor(timeline: Timeline, { keep, hash }: { readonly keep: boolean; readonly hash: boolean }) {
    this.#timeline = timeline
    this.#keep = keep
    this.#hashes = hash
  }

  /** `pid`: 0 for what is no process. */
  add(pid: number, say: () => string): void {
    if (!this.#keep && !this.#hashes) return
    const { now, start } = this.#timeline
    const text = `${String(now - start).padStart(8)} ${pid === 0 ? '      ' : `p${pid}`.padEnd(6)} ${say()}`
    if (this.#keep) this.lines.push(text)
    if (this.#hashes) this.hash = hashOf(text, this.hash)
  }
}
