/**
 * How the answers to a flush cross back from the thread, and become results.
 *
 * Invariant
 * - One answer for each write, in order. The usual ones are numbers; whatever has parts of its own is an extra.
 */
import type { Claimed, Result, SagaRow, StoredSaga } from '../../store/store.js'
import { entriesOf } from '../../store/stored.js'

/** A saga whose entries are still JSON. */
export interface WireSaga {
  readonly row: SagaRow
  readonly chunks: readonly (readonly [seq: number, at: number, entries: string])[]
}

export interface Numbered {
  readonly n: number
  /** 0: it has not started. */
  readonly token: number
}

export interface WireClaim {
  readonly claimed: readonly WireSaga[]
  readonly noticed: readonly number[]
  readonly dueIn: number | null
}

export interface WireRefusal {
  readonly refused: string
}

export type WireResult = 'applied' | 'superseded' | 'conflict' | Numbered | WireClaim | WireRefusal

/** Answers as they cross. */
export interface Packed {
  readonly numbers: Float64Array<ArrayBuffer>
  readonly extras: readonly (WireClaim | WireRefusal)[]
}

const words = ['applied', 'superseded', 'conflict'] as const
const numbered = 3
const extra = 4

export function pack(results: readonly WireResult[]): Packed {
  const numbers = new Float64Array(results.length * 3)
  const extras: (WireClaim | WireRefusal)[] = []
  let length = 0
  for (const result of results) {
    if (typeof result === 'string') numbers[length++] = words.indexOf(result)
    else if ('n' in result) {
      numbers[length++] = numbered
      numbers[length++] = result.n
      numbers[length++] = result.token
    } else {
      numbers[length++] = extra
      extras.push(result)
    }
  }
  return { numbers: numbers.slice(0, length), extras }
}

export function unpack({ numbers, extras }: Packed): WireResult[] {
  const results: WireResult[] = []
  let nextExtra = 0
  for (let i = 0; i < numbers.length; i++) {
    const code = numbers[i] ?? 0
    const word = words[code]
    if (word) results.push(word)
    else if (code === numbered) results.push({ n: numbers[++i] ?? 0, token: numbers[++i] ?? 0 })
    else {
      const result = extras[nextExtra++]
      if (result) results.push(result)
    }
  }
  return results
}

const applied: Result = { type: 'applied' }
const superseded: Result = { type: 'superseded' }
const conflict: Result = { type: 'conflict' }

/** `count`: how many writes were sent. Throws where that is not how many were answered: then no answer belongs to its write. */
export function toResults(
  results: readonly WireResult[],
  unsendable: ReadonlyMap<number, Error>,
  count: number,
): Result[] {
  if (results.length !== count) throw new Error(`${count} writes were answered by ${results.length} results`)
  const decoded = results.map(toResult)
  for (const [i, error] of unsendable) decoded[i] = { type: 'refused', error }
  return decoded
}

function toResult(result: WireResult): Result {
  if (result === 'applied') return applied
  if (result === 'superseded') return superseded
  if (result === 'conflict') return conflict
  if ('n' in result)
    return result.token > 0
      ? { type: 'applied', n: result.n, token: result.token }
      : { type: 'applied', n: result.n }
  if ('refused' in result) return { type: 'refused', error: new Error(result.refused) }
  const sagas = result.claimed.map((saga): Claimed => ({ saga: toSaga(saga), token: saga.row.token }))
  return { type: 'claimed', sagas, noticed: result.noticed, dueIn: result.dueIn }
}

const remedy = 'restore a backup, or try `sqlite3 FILE .recover`'

export function toSaga({ row, chunks }: WireSaga): StoredSaga {
  // The spread comes last: properties written after one make it twenty times as slow.
  return {
    chunks: chunks.map(([seq, at, entries]) => ({ seq, at, entries: entriesOf(entries, row.id, remedy) })),
    ...row,
  }
}
