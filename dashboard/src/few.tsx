/**
 * A saga may have ten thousand steps, and its journal a hundred thousand entries: no more of them are drawn than a browser draws at once.
 */
import type { ComponentChild } from 'preact'
import { useState } from 'preact/hooks'
import { count } from './words.js'

export interface Few<One> {
  readonly shown: readonly One[]
  /** What says which of them these are, and leads to the others. */
  readonly more: ComponentChild
}

/** At most so many of them, around the one at `focus`, until the reader goes elsewhere. */
export function useFew<One>(all: readonly One[], most: number, focus: number, what: string): Few<One> {
  const [at, go] = useState<number>()
  if (all.length <= most) return { shown: all, more: null }
  const last = all.length - most
  const from = Math.max(0, Math.min(last, at ?? focus - Math.floor(most / 2)))
  return {
    shown: all.slice(from, from + most),
    more: (
      <p class="note more">
        {what} {count(from + 1)} to {count(from + most)} of {count(all.length)}
        <button type="button" disabled={from === 0} onClick={() => go(Math.max(0, from - most))}>
          Earlier
        </button>
        <button type="button" disabled={from === last} onClick={() => go(Math.min(last, from + most))}>
          Later
        </button>
      </p>
    ),
  }
}
