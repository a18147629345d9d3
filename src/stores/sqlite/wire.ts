/**
 * How a flush crosses into the thread and its answers come back: one flat array of numbers and strings each way.
 * A structured clone of it costs a tenth of one of nested objects, and the entries travel as the JSON they are stored as.
 *
 * Invariants
 * - What `encode` writes, `Reader` reads, in the same order. Both are in this file for that reason.
 * - Encoding one write cannot spoil the others: a write that cannot be encoded is sent as `skip`, and answered `refused`.
 * - A definition crosses once: afterwards it is a number into a list that both sides grow in step.
 */
import type { Entry } from '../../core/entry.js'
import { StoreError } from '../../core/errors.js'
import type {
  Claimed,
  DefinitionRef,
  Result,
  SagaRow,
  StoredSaga,
  Summary,
  Write,
} from '../../store/store.js'
import { stages, statuses } from './codes.js'

export type Cell = number | string | null

export const kinds = {
  skip: 0,
  submit: 1,
  append: 2,
  claim: 3,
  join: 4,
  renew: 5,
  leave: 6,
  prune: 7,
} as const

export interface Flush {
  readonly cells: readonly Cell[]
  /** Definitions that the other side has not seen. */
  readonly refs: readonly DefinitionRef[]
  /** Index and error of writes that could not be encoded. */
  readonly unsendable: ReadonlyMap<number, Error>
}

/** A saga whose entries are still JSON. */
export interface WireSaga extends SagaRow {
  readonly chunks: readonly (readonly [seq: number, at: number, entries: string])[]
}

export type WireResult =
  | 'applied'
  | 'superseded'
  | 'conflict'
  | { readonly n: number; readonly token: number }
  | {
      readonly claimed: readonly WireSaga[]
      readonly noticed: readonly number[]
      readonly dueIn: number | null
    }
  | { readonly refused: string; readonly code: string }

export class Encoder {
  readonly #byRef = new WeakMap<DefinitionRef, number>()
  readonly #byText = new Map<string, number>()
  #cells: Cell[] = []
  #refs: DefinitionRef[] = []

  encode(writes: readonly Write[]): Flush {
    this.#cells = []
    this.#refs = []
    const unsendable = new Map<number, Error>()
    for (const [i, write] of writes.entries()) {
      const length = this.#cells.length
      try {
        this.#encodeOne(write)
      } catch (error) {
        this.#cells.length = length
        this.#cells.push(kinds.skip)
        unsendable.set(i, error instanceof Error ? error : new Error(String(error)))
      }
    }
    return { cells: this.#cells, refs: this.#refs, unsendable }
  }

  #encodeOne(write: Write): void {
    const cells = this.#cells
    switch (write.type) {
      case 'submit': {
        const { id, uid, keys, deadline, at, start } = write
        cells.push(
          kinds.submit,
          id,
          uid,
          this.#ref(write.definition),
          keys && JSON.stringify(keys),
          deadline,
          at,
        )
        cells.push(textOf(write.entries), start ? 1 : 0)
        if (!start) return
        cells.push(start.worker, textOf(start.entries))
        this.#summary(start.summary)
        return
      }
      case 'append': {
        const { n, token, seq, at, summary, keys } = write
        cells.push(
          kinds.append,
          n,
          token,
          seq,
          at,
          textOf(write.entries),
          write.replace ? 1 : 0,
          summary ? 1 : 0,
        )
        if (!summary) return
        this.#summary(summary)
        cells.push(keys === undefined ? '' : keys && JSON.stringify(keys))
        return
      }
      case 'claim':
        cells.push(kinds.claim, write.worker, write.limit)
        return
      case 'join':
        cells.push(kinds.join, write.worker, write.lease, write.offers.length)
        for (const ref of write.offers) cells.push(this.#ref(ref))
        return
      case 'renew':
        cells.push(kinds.renew, write.worker, write.lease)
        return
      case 'leave':
        cells.push(kinds.leave, write.worker)
        return
      case 'prune':
        cells.push(kinds.prune, write.n, write.inputHash)
        return
      default:
        throw new TypeError(`unknown write ${String((write as { type: unknown }).type)}`)
    }
  }

  #summary(summary: Summary): void {
    const { status, stage, stuck, late, dueIn, definition } = summary
    const flags = (stuck ? 1 : 0) + (late ? 2 : 0)
    this.#cells.push(
      statuses.indexOf(status),
      stages.indexOf(stage),
      flags,
      dueIn,
      definition ? this.#ref(definition) : -1,
    )
  }

  #ref(ref: DefinitionRef): number {
    let index = this.#byRef.get(ref)
    if (index !== undefined) return index
    const text = JSON.stringify([ref.name, ref.version, ref.shape])
    index = this.#byText.get(text)
    if (index === undefined) {
      index = this.#byText.size
      this.#byText.set(text, index)
      this.#refs.push({ name: ref.name, version: ref.version, shape: ref.shape })
    }
    this.#byRef.set(ref, index)
    return index
  }
}

function textOf(entries: readonly Entry[]): string {
  return JSON.stringify(entries)
}

/** Reads the cells of one flush. */
export class Reader {
  readonly #cells: readonly Cell[]
  readonly #refs: readonly DefinitionRef[]
  at = 0

  constructor(cells: readonly Cell[], refs: readonly DefinitionRef[]) {
    this.#cells = cells
    this.#refs = refs
  }

  get isAtEnd(): boolean {
    return this.at >= this.#cells.length
  }

  number(): number {
    return this.#cells[this.at++] as number
  }

  text(): string {
    return this.#cells[this.at++] as string
  }

  maybeNumber(): number | null {
    return this.#cells[this.at++] as number | null
  }

  maybeText(): string | null {
    return this.#cells[this.at++] as string | null
  }

  ref(): DefinitionRef {
    return this.#refs[this.number()] as DefinitionRef
  }

  /** A definition where a summary has one. */
  maybeRef(): DefinitionRef | undefined {
    const index = this.number()
    return index < 0 ? undefined : this.#refs[index]
  }
}

const applied: Result = { type: 'applied' }
const superseded: Result = { type: 'superseded' }
const conflict: Result = { type: 'conflict' }

export function decodeResults(
  results: readonly WireResult[],
  unsendable: ReadonlyMap<number, Error>,
): Result[] {
  const decoded = results.map(decodeResult)
  for (const [i, error] of unsendable) decoded[i] = { type: 'refused', error }
  return decoded
}

function decodeResult(result: WireResult): Result {
  if (result === 'applied') return applied
  if (result === 'superseded') return superseded
  if (result === 'conflict') return conflict
  if ('n' in result)
    return result.token > 0
      ? { type: 'applied', n: result.n, token: result.token }
      : { type: 'applied', n: result.n }
  if ('refused' in result) return { type: 'refused', error: new Error(result.refused) }
  const sagas = result.claimed.map((saga): Claimed => ({ saga: decodeSaga(saga), token: saga.token }))
  return { type: 'claimed', sagas, noticed: result.noticed, dueIn: result.dueIn }
}

export function decodeSaga(saga: WireSaga): StoredSaga {
  return {
    ...saga,
    chunks: saga.chunks.map(([seq, at, entries]) => ({ seq, at, entries: entriesOf(entries, saga.id) })),
  }
}

function entriesOf(text: string, id: string): readonly Entry[] {
  try {
    return JSON.parse(text) as readonly Entry[]
  } catch (error) {
    throw new StoreError(`the journal of saga ${id} is damaged`, {
      code: 'STORE_CORRUPT',
      hint: 'run `backstep doctor`; restore a backup, or try `sqlite3 FILE .recover`',
      cause: error,
    })
  }
}
