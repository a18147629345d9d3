/**
 * What had been promised by a moment of the tape: the lines of the ledger up to then.
 */
import type { LedgerLine } from '../support/ledger.js'

type Line =
  | LedgerLine
  | { readonly acknowledged: string }
  | { readonly answered: string; readonly status: string }
  | { readonly cancelled: string }
  | { readonly pruning: true }

export class Promises {
  readonly acknowledged = new Set<string>()
  /** The end of a saga, as somebody was told. */
  readonly answered = new Map<string, string>()
  readonly cancelled = new Set<string>()
  /** What steps did, or began to do. */
  readonly lines: LedgerLine[] = []
  /** Ended sagas may be tombstones from now on. */
  pruning = false

  add(text: string): void {
    for (const part of text.split('\n')) if (part !== '') this.#take(JSON.parse(part) as Line)
  }

  #take(line: Line): void {
    if ('acknowledged' in line) this.acknowledged.add(line.acknowledged)
    else if ('answered' in line) this.answered.set(line.answered, line.status)
    else if ('cancelled' in line) this.cancelled.add(line.cancelled)
    else if ('pruning' in line) this.pruning = true
    else this.lines.push(line)
  }
}
