import type { Definition } from 'backstep'
import type { LedgerOutcome } from '../support/ledger.js'
import type { LedgerContext } from '../support/ledger-file.mjs'

export interface PowerInput {
  readonly keys: readonly string[]
  /** The last step is rejected. */
  readonly fails: boolean
  /** How often the rollbacks of two steps fail first. */
  readonly clumsy: number
  /** Of each call. */
  readonly ms: number
  /** Comes back in outputs. */
  readonly bulk: string
}

export declare function powerSaga(book: {
  write(context: LedgerContext, outcome: LedgerOutcome): void
}): Definition<PowerInput, { readonly [Step in 'first' | 'left' | 'right' | 'last']: unknown }>
