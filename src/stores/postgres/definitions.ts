/**
 * Definitions by the numbers that the database gave them.
 *
 * Invariant
 * - A number is never given to another definition, so what is known stays right; except that a restored database may have given
 *   others. Whoever restores it ends our connections, and with a new connection nothing is known.
 */
import { createHash } from 'node:crypto'
import type { DefinitionRef } from '../../store/store.js'
import { asText } from './driver.js'
import { quoted } from './migrations.js'
import type { Source } from './readers.js'
import { numbers } from './text.js'

export class Definitions {
  readonly #schema: string
  #byRef = new WeakMap<DefinitionRef, number>()
  readonly #byNumber = new Map<number, DefinitionRef>()
  readonly #byDigest = new Map<string, number>()

  constructor(schema: string) {
    this.#schema = quoted(schema)
  }

  readonly numberOf = (ref: DefinitionRef): number => {
    const known = this.#byRef.get(ref) ?? this.#byDigest.get(digestOf(ref))
    if (known === undefined) throw new Error(`definition ${ref.name} is not known yet`)
    this.#byRef.set(ref, known)
    return known
  }

  /** Those that have no number yet; undefined where all have one. */
  unknown(refs: Iterable<DefinitionRef>): DefinitionRef[] | undefined {
    let unknown: DefinitionRef[] | undefined
    for (const ref of refs) {
      if (this.#byRef.has(ref) || this.#byDigest.has(digestOf(ref))) continue
      unknown ??= []
      unknown.push(ref)
    }
    return unknown
  }

  async intern(link: Source, refs: readonly DefinitionRef[]): Promise<void> {
    for (const ref of refs) {
      const { name, version, shape } = ref
      const digest = digestOf(ref)
      const text = `SELECT ${this.#schema}.intern_1($1, $2, $3, $4)`
      const rows = await link.query({ text, values: [digest, name, version, shape], types: asText })
      const d = Number(rows[0]?.[0])
      this.#byRef.set(ref, d)
      this.#byDigest.set(digest, d)
      this.#byNumber.set(d, { name, version, shape })
    }
  }

  /** Looks up those that are not known, and says how each is found. */
  async load(link: Source, wanted: readonly number[]): Promise<(d: number) => DefinitionRef> {
    const unknown = wanted.filter((d) => !this.#byNumber.has(d))
    if (unknown.length > 0) {
      const text = `SELECT d, name, version, shape FROM ${this.#schema}.definitions WHERE d = ANY ($1::integer[])`
      for (const row of await link.query({ text, values: [numbers(unknown)], types: asText })) {
        const [d, name, version, shape] = row as readonly [string, string, string, string]
        this.#byNumber.set(Number(d), { name, version, shape })
      }
    }
    return (d) => {
      const ref = this.#byNumber.get(d)
      if (!ref) throw new Error(`definition ${d} is missing`)
      return ref
    }
  }

  forget(): void {
    this.#byRef = new WeakMap()
    this.#byNumber.clear()
    this.#byDigest.clear()
  }
}

/** What a definition is known by in any database. */
export const digestOf = ({ name, version, shape }: DefinitionRef): string =>
  createHash('sha256')
    .update(JSON.stringify([name, version, shape]))
    .digest('hex')
