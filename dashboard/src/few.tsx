/**
 * A saga may have ten thousand steps, and its journal a hundred thousand entries: at first so many are drawn as a browser draws at once.
 */
import type { ComponentChild } from 'preact'
import { useState } from 'preact/hooks'
import { count } from './words.js'

export interface Few<One> {
  readonly shown: readonly One[]
  /** What says which of them these are, and shows all. */
  readonly more: ComponentChild
}

/** At most so many of them, around the one at `focus`. */
export function useFew<One>(all: readonly One[], most: number, focus: number, what: string): Few<One> {
  const [whole, show] = useState(false)
  if (whole || all.length <= most) return { shown: all, more: null }
  const from = Math.max(0, Math.min(all.length - most, focus - Math.floor(most / 2)))
  return {
    shown: all.slice(from, from + most),
    more: (
      <p class="note more">
        {what} {count(from + 1)} to {count(from + most)} of {count(all.length)}
        <button type="button" onClick={() => show(true)}>
          Show all
        </button>
      </p>
    ),
  }
}
