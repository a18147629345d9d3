import type { LedgerOutcome } from './ledger.js'

export interface LedgerContext {
  readonly sagaId: string
  readonly step: string
  readonly attempt: number
  readonly idempotencyKey: string
  readonly token: number
}

export declare class LedgerFile {
  constructor(path: string, options?: { readonly sync?: boolean })
  write(context: LedgerContext, outcome: LedgerOutcome): void
  close(): void
}
