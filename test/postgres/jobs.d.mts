import type { Definition } from 'backstep'
import type { LedgerOutcome } from '../support/ledger.js'
import type { LedgerContext } from '../support/ledger-file.mjs'

export interface Job {
  readonly keys: readonly string[]
  /** Of each call. */
  readonly ms: number
  /** The second step refuses. */
  readonly fails: boolean
}

export declare function jobSaga(
  book: { write(context: LedgerContext, outcome: LedgerOutcome): void },
  signals?: (saga: string, step: string, reason: unknown) => void,
): Definition<Job, { readonly one: { readonly by: number }; readonly two: { readonly by: number } }>
