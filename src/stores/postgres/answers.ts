/**
 * What flush_1 answers, as results.
 *
 * Invariant
 * - One result for each write of the batch. Where nothing is said of a kind of write, all of its kind were applied.
 */
import type { Claimed, DefinitionRef, Result, SubmitWrite, Write } from '../../store/store.js'
import type { Afterwards, First, Sized } from './afterwards.js'
import type { Batch } from './batch.js'
import { storedOf, type WireSaga } from './rows.js'

export interface Answer {
  readonly write: Write
  readonly result: Result
}

/** Names definitions by their numbers. */
export type Load = (numbers: readonly number[]) => Promise<(d: number) => DefinitionRef>

const applied: Result = { type: 'applied' }
const superseded: Result = { type: 'superseded' }
const conflict: Result = { type: 'conflict' }
const landings: readonly Result[] = [applied, superseded, conflict]

/** A saga that has the id of a submit: its number, token, owner, and the size of its first chunk. */
type Taken = readonly [index: number, n: number, token: number, owner: string | null, bytes: number]

interface WireClaim {
  /** Long ones are only named. */
  readonly sagas: readonly (WireSaga | Sized)[]
  readonly noticed: readonly number[]
  readonly dueIn: number | null
}

/** `row`: the columns of flush_1, in their order. */
export async function resultsOf(
  batch: Batch,
  row: readonly (string | null)[],
  load: Load,
  afterwards: Afterwards,
): Promise<Answer[]> {
  const [desk, appends, replaced, prunes, ns, tokens, taken, claims] = row
  const answers: Answer[] = []
  const add = (writes: readonly Write[], results: (i: number) => Result) => {
    for (let i = 0; i < writes.length; i++) {
      const write = writes[i]
      if (write) answers.push({ write, result: results(i) })
    }
  }
  add(batch.desk, worded(desk))
  add(batch.appends, landed(appends))
  add(batch.replaces, landed(replaced))
  add(batch.prunes, worded(prunes))
  const before = parsed<Taken[]>(taken) ?? []
  const firsts = await afterwards.firsts(before.map(([, n, token, , bytes]) => [n, token, bytes]))
  add(batch.submits, submitted(batch.submits, ns ?? '', tokens ?? '', before, firsts))
  if (claims) {
    const list = parsed<(WireClaim | 'superseded')[]>(claims) ?? []
    const named = list.flatMap((claim) => (claim === 'superseded' ? [] : claim.sagas))
    const long = await afterwards.sagas(named.filter(isSized))
    const sagas = [...named.filter((saga) => !isSized(saga)), ...long.values()]
    const definitions = sagas.length === 0 ? missing : await load([...new Set(sagas.map(([, , d]) => d))])
    add(batch.claims, (i) =>
      claimOf(list[i] ?? 'superseded', long, definitions, batch.claims[i]?.worker ?? ''),
    )
  }
  return answers
}

const isSized = (saga: WireSaga | Sized): saga is Sized => saga.length === 3

function missing(d: number): never {
  throw new Error(`definition ${d} is missing`)
}

const parsed = <T>(text: string | null | undefined): T | undefined =>
  text === null || text === undefined ? undefined : (JSON.parse(text) as T)

function worded(text: string | null | undefined): (i: number) => Result {
  const words = parsed<readonly string[]>(text)
  return (i) => (words?.[i] === 'superseded' ? superseded : applied)
}

function landed(text: string | null | undefined): (i: number) => Result {
  const codes = parsed<readonly number[]>(text)
  return (i) => (codes ? (landings[codes[i] ?? 2] ?? conflict) : applied)
}

/** Tokens: 0 has not started, -1 the id was taken. */
function submitted(
  writes: readonly SubmitWrite[],
  ns: string,
  tokens: string,
  taken: readonly Taken[],
  firsts: ReadonlyMap<number, First>,
): (i: number) => Result {
  const numbers = ns.split(',')
  const starts = tokens.split(',')
  const byIndex = new Map(taken.map((before) => [before[0], before]))
  return (i) => {
    const token = Number(starts[i])
    const n = Number(numbers[i])
    if (token > 0) return { type: 'applied', n, token }
    if (token === 0) return { type: 'applied', n }
    const before = byIndex.get(i + 1)
    const first = before && firsts.get(before[1])
    const write = writes[i]
    return before && first && write ? answerAgain(write, before, first) : conflict
  }
}

/** The id is taken: by this very submit, sent again, or by another. */
function answerAgain({ uid, at, entries, start }: SubmitWrite, before: Taken, first: First): Result {
  const [, n, token, owner] = before
  const text = first.entries
  const [submitted] = JSON.parse(text) as readonly { readonly uid?: string }[]
  if (submitted?.uid !== uid) return conflict
  const isAsStarted = start && first.at === at && text === JSON.stringify([...entries, ...start.entries])
  return isAsStarted && owner === start.worker ? { type: 'applied', n, token } : { type: 'applied', n }
}

function claimOf(
  claim: WireClaim | 'superseded',
  long: ReadonlyMap<number, WireSaga>,
  definitions: (d: number) => DefinitionRef,
  worker: string,
): Result {
  if (claim === 'superseded') return superseded
  const sagas = claim.sagas.flatMap((one): Claimed[] => {
    const wire = isSized(one) ? long.get(one[0]) : one
    return wire ? [{ saga: storedOf(wire, definitions, worker), token: wire[7] }] : []
  })
  return { type: 'claimed', sagas, noticed: claim.noticed, dueIn: claim.dueIn }
}
