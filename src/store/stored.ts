/**
 * What stores keep alike: words as numbers, entries as JSON, and the counts that they report.
 *
 * Invariant
 * - A code never changes its meaning; new ones are added at the end.
 */
import type { Entry } from '../core/entry.js'
import { StoreError } from '../core/errors.js'
import type { Status } from '../core/state.js'
import type { Health, Stage } from './store.js'

/** By their codes. */
export const statuses: readonly Status[] = ['queued', 'running', 'rolling_back', 'committed', 'rolled_back']
export const stages: readonly Stage[] = ['waiting', 'holding', 'done']

type Counts = { -readonly [Name in keyof Health['counts']]: number }

export const noCounts = (): Counts => ({
  queued: 0,
  running: 0,
  rolling_back: 0,
  committed: 0,
  rolled_back: 0,
  stuck: 0,
  blocked: 0,
})

/** Throws StoreError (`STORE_CORRUPT`) where the text is damaged; `remedy` is the engine's way to mend it. */
export function entriesOf(text: string, id: string, remedy: string): readonly Entry[] {
  try {
    return JSON.parse(text) as readonly Entry[]
  } catch (cause) {
    throw new StoreError(`the journal of saga ${id} is damaged`, {
      code: 'STORE_CORRUPT',
      hint: `run \`backstep doctor\`; ${remedy}`,
      cause,
    })
  }
}
