/**
 * How a flush crosses into the thread and its answers come back: one array of numbers and one string each way. Cloning these is
 * two copies of memory; cloning the writes themselves, or an array of their parts, costs as much as a third of the SQL.
 *
 * Invariants
 * - What `Encoder` writes, `Reader` reads, in the same order.
 * - Encoding one write cannot spoil the others: a write that cannot be encoded is sent as `skip`, and answered `refused`.
 * - A definition crosses once: afterwards it is a number into a list that both sides grow in step.
 */
import type { AppendWrite, DefinitionRef, SubmitWrite, Summary, Write } from '../../store/store.js'
import { stages, statuses } from '../../store/stored.js'

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

/** NaN stands for null, and a text is its length (-1: null). */
export interface Cells {
  readonly numbers: Float64Array<ArrayBuffer>
  readonly text: string
  /** Definitions that the other side has not seen. */
  readonly refs: readonly DefinitionRef[]
}

export interface Flush {
  readonly cells: Cells
  /** Index and error of writes that could not be encoded. */
  readonly unsendable: ReadonlyMap<number, Error>
}

export class Encoder {
  readonly #byRef = new WeakMap<DefinitionRef, number>()
  readonly #byText = new Map<string, number>()
  #numbers = new Float64Array(4_096)
  #length = 0
  #text = ''
  #refs: DefinitionRef[] = []

  encode(writes: readonly Write[]): Flush {
    this.#length = 0
    this.#text = ''
    this.#refs = []
    const unsendable = new Map<number, Error>()
    for (const [i, write] of writes.entries()) {
      const length = this.#length
      const text = this.#text
      try {
        this.#write(write)
      } catch (error) {
        this.#length = length
        this.#text = text
        this.#number(kinds.skip)
        unsendable.set(i, error instanceof Error ? error : new Error(String(error)))
      }
    }
    return {
      cells: { numbers: this.#numbers.slice(0, this.#length), text: this.#text, refs: this.#refs },
      unsendable,
    }
  }

  #write(write: Write): void {
    switch (write.type) {
      case 'submit':
        return this.#submit(write)
      case 'append':
        return this.#append(write)
      case 'join':
        this.#number(kinds.join)
        this.#string(write.worker)
        this.#number(write.lease)
        this.#number(write.offers.length)
        for (const ref of write.offers) this.#ref(ref)
        return
      case 'claim':
        return this.#short(kinds.claim, write.worker, write.limit)
      case 'renew':
        return this.#short(kinds.renew, write.worker, write.lease)
      case 'leave':
        this.#number(kinds.leave)
        return this.#string(write.worker)
      case 'prune':
        return this.#short(kinds.prune, write.inputHash, write.n)
      default:
        throw new TypeError(`unknown write ${String((write as { type: unknown }).type)}`)
    }
  }

  #short(kind: number, text: string, number: number): void {
    this.#number(kind)
    this.#string(text)
    this.#number(number)
  }

  #submit({ id, uid, definition, keys, deadline, at, entries, start }: SubmitWrite): void {
    this.#number(kinds.submit)
    this.#string(id)
    this.#string(uid)
    this.#ref(definition)
    this.#string(keys && JSON.stringify(keys))
    this.#number(deadline ?? Number.NaN)
    this.#number(at)
    this.#string(JSON.stringify(entries))
    this.#number(start ? 1 : 0)
    if (!start) return
    this.#string(start.worker)
    this.#string(JSON.stringify(start.entries))
    this.#summary(start.summary)
  }

  #append({ n, token, seq, at, entries, replace, summary, keys }: AppendWrite): void {
    this.#number(kinds.append)
    this.#number(n)
    this.#number(token ?? Number.NaN)
    this.#number(seq)
    this.#number(at)
    this.#string(JSON.stringify(entries))
    this.#number(replace ? 1 : 0)
    this.#number(summary ? 1 : 0)
    if (!summary) return
    this.#summary(summary)
    this.#number(keys === undefined ? 0 : 1)
    if (keys !== undefined) this.#string(keys && JSON.stringify(keys))
  }

  #summary({ status, stage, stuck, late, dueIn, definition }: Summary): void {
    this.#number(statuses.indexOf(status))
    this.#number(stages.indexOf(stage))
    this.#number((stuck ? 1 : 0) + (late ? 2 : 0))
    this.#number(dueIn ?? Number.NaN)
    this.#number(definition ? 1 : 0)
    if (definition) this.#ref(definition)
  }

  #number(value: number): void {
    if (this.#length === this.#numbers.length) {
      const longer = new Float64Array(this.#length * 2)
      longer.set(this.#numbers)
      this.#numbers = longer
    }
    this.#numbers[this.#length++] = value
  }

  #string(value: string | null): void {
    if (value === null) return this.#number(-1)
    if (typeof value !== 'string') throw new TypeError(`${String(value)} is no text`)
    this.#number(value.length)
    this.#text += value
  }

  #ref(ref: DefinitionRef): void {
    this.#number(this.#byRef.get(ref) ?? this.#internRef(ref))
  }

  #internRef(ref: DefinitionRef): number {
    const text = JSON.stringify([ref.name, ref.version, ref.shape])
    let index = this.#byText.get(text)
    if (index === undefined) {
      index = this.#byText.size
      this.#byText.set(text, index)
      this.#refs.push({ name: ref.name, version: ref.version, shape: ref.shape })
    }
    this.#byRef.set(ref, index)
    return index
  }
}

/** Reads the cells of one flush. */
export class Reader {
  readonly #numbers: Float64Array
  readonly #text: string
  readonly #refs: readonly DefinitionRef[]
  #at = 0
  #from = 0

  constructor({ numbers, text }: Cells, refs: readonly DefinitionRef[]) {
    this.#numbers = numbers
    this.#text = text
    this.#refs = refs
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#numbers.length
  }

  number(): number {
    return this.#numbers[this.#at++] ?? Number.NaN
  }

  flag(): boolean {
    return this.number() === 1
  }

  maybeNumber(): number | null {
    const value = this.number()
    return Number.isNaN(value) ? null : value
  }

  text(): string {
    return this.maybeText() ?? ''
  }

  maybeText(): string | null {
    const length = this.number()
    if (length < 0) return null
    const from = this.#from
    this.#from += length
    return this.#text.substring(from, this.#from)
  }

  ref(): DefinitionRef {
    const ref = this.#refs[this.number()]
    if (!ref) throw new Error('a definition that was never sent')
    return ref
  }
}
