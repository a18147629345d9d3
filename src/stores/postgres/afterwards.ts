/**
 * What the answer to a flush leaves out, read when the line is free again: the journals of claimed sagas, where they are long, and
 * the first chunks of sagas whose ids were submitted again.
 *
 * Invariants
 * - A transaction with the line in hand sends little: who does not read (a stopped process, a debugger) would stop everybody. Nothing
 *   is locked here.
 * - A claim is made once its flush is answered. If this fails, its outcome is lost to the caller, and `owned` finds it.
 * - Nobody else changes a saga whose token is still the claimer's, except by adding facts, which is noticed anyway.
 */
import { asText } from './driver.js'
import { quoted } from './migrations.js'
import type { Source } from './readers.js'
import type { WireSaga } from './rows.js'
import { numbers } from './text.js'

/** By its number and token; for the first chunk of one, the token does not matter. */
export type Sized = readonly [n: number, token: number, bytes: number]

export interface First {
  readonly at: number
  readonly entries: string
}

/** Bytes of one answer: read and parsed in well under the time that a flush may take. */
const largest = 8_000_000

function* slicesOf(wanted: readonly Sized[]): Generator<Sized[]> {
  let slice: Sized[] = []
  let size = 0
  for (const one of wanted) {
    const [, , bytes] = one
    if (slice.length > 0 && size + bytes > largest) {
      yield slice
      slice = []
      size = 0
    }
    slice.push(one)
    size += bytes
  }
  if (slice.length > 0) yield slice
}

export class Afterwards {
  readonly #link: Source
  readonly #sagas: string
  readonly #firsts: string

  constructor(link: Source, schema: string) {
    const name = quoted(schema)
    this.#link = link
    this.#sagas = `SELECT json_build_array(s.n, s.id, s.d, s.status, s.stage, s.stuck, s.late, s.token, s.submitted_at, s.ended_at, s.due,
        (SELECT json_agg(json_build_array(j.seq, j.at, j.entries) ORDER BY j.seq) FROM ${name}.journal j WHERE j.n = s.n))
      FROM unnest($1::bigint[], $2::bigint[]) u (n, token) JOIN ${name}.sagas s ON s.n = u.n AND s.token = u.token`
    this.#firsts = `SELECT j.n, j.at, j.entries FROM ${name}.journal j WHERE j.seq = 0 AND j.n = ANY ($1::bigint[])`
  }

  /** Without those that somebody else has taken over meanwhile. */
  async sagas(wanted: readonly Sized[]): Promise<ReadonlyMap<number, WireSaga>> {
    const found = new Map<number, WireSaga>()
    for (const slice of slicesOf(wanted)) {
      const values = [numbers(slice.map(([n]) => n)), numbers(slice.map(([, token]) => token))]
      for (const [text] of await this.#link.query({ text: this.#sagas, values, types: asText })) {
        const saga = JSON.parse(String(text)) as WireSaga
        found.set(saga[0], saga)
      }
    }
    return found
  }

  /** Without those that have been pruned. */
  async firsts(wanted: readonly Sized[]): Promise<ReadonlyMap<number, First>> {
    const found = new Map<number, First>()
    for (const slice of slicesOf(wanted)) {
      const values = [numbers(slice.map(([n]) => n))]
      for (const [n, at, entries] of await this.#link.query({ text: this.#firsts, values, types: asText }))
        found.set(Number(n), { at: Number(at), entries: String(entries) })
    }
    return found
  }
}
