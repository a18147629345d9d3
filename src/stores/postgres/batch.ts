/**
 * From writes to the arrays that a flush takes (see schema/flush.ts).
 *
 * Invariants
 * - A flush holds a saga once among its appends, replaces and prunes: what comes again goes into the next. A submit whose id came
 *   before goes into the last: by then the id is taken, and any number of them find it so. So does one that may have to wait.
 * - A flush is bounded in bytes: one text of 512 MB cannot be made, nor one parameter of 1 GB sent.
 * - Sagas are sorted by number: two processes lock chunks in the same order.
 * - The usual end and the usual change of status go in arrays; whatever is rare goes as JSON.
 */
import type {
  AppendWrite,
  ClaimWrite,
  DefinitionRef,
  PruneWrite,
  SubmitWrite,
  Summary,
  Write,
} from '../../store/store.js'
import { stages, statuses } from '../../store/stored.js'
import { itemEnd, keysText, numbers, stored } from './text.js'

/** Of a flush: which write of `apply` is the i-th of its kind. */
export interface Batch {
  readonly desk: DeskWrite[]
  readonly appends: AppendWrite[]
  readonly replaces: AppendWrite[]
  readonly prunes: PruneWrite[]
  readonly submits: SubmitWrite[]
  readonly claims: ClaimWrite[]
  /** All writes, and where each of them stands among those of `apply`. */
  readonly writes: Write[]
  readonly at: Map<Write, number>
  /** The entries of submits and appends, as they are stored. */
  readonly texts: Map<Write, string>
}

type DeskWrite = Extract<Write, { type: 'join' | 'renew' | 'leave' }>

export type Interned = (ref: DefinitionRef) => number

const newBatch = (): Batch => ({
  desk: [],
  appends: [],
  replaces: [],
  prunes: [],
  submits: [],
  claims: [],
  writes: [],
  at: new Map(),
  texts: new Map(),
})

/** Characters of entries, from which on a flush is full: far above what is usual, and sent within a second. */
const largest = 8_000_000

/** Cuts writes into flushes. `unknown` is told about what is no write. `isHeld`: submits with this id go last. */
export function batchesOf(
  writes: readonly Write[],
  unknown: (index: number) => void,
  isHeld: (id: string) => boolean = () => false,
): Batch[] {
  const batches: Batch[] = []
  const ids = new Set<string>()
  const again: (readonly [Write, number])[] = []
  let batch = newBatch()
  let seen = new Set<number | Write>()
  let size = 0
  const next = () => {
    if (batch.writes.length > 0) batches.push(batch)
    batch = newBatch()
    seen = new Set()
    size = 0
  }
  const add = (write: Write, index: number) => {
    const text = 'entries' in write ? JSON.stringify(write.entries) : ''
    const what = write.type === 'append' || write.type === 'prune' ? write.n : write
    if (seen.has(what) || size + text.length > largest) next()
    if (!put(batch, write)) return unknown(index)
    seen.add(what)
    size += text.length
    batch.writes.push(write)
    batch.at.set(write, index)
    batch.texts.set(write, text)
  }
  writes.forEach((write, index) => {
    if (write.type === 'submit' && (ids.size === ids.add(write.id).size || isHeld(write.id)))
      again.push([write, index])
    else add(write, index)
  })
  if (again.length > 0) next()
  for (const [write, index] of again) add(write, index)
  next()
  return batches
}

/** Two flushes of what was one: submits halved, or parted from what comes before and behind them. */
export function partsOf({ writes }: Batch): Write[][] {
  const submits = writes.filter(({ type }) => type === 'submit')
  if (submits.length === writes.length) {
    const half = Math.ceil(submits.length / 2)
    return [submits.slice(0, half), submits.slice(half)]
  }
  const claims = writes.filter(({ type }) => type === 'claim')
  const others = writes.filter(({ type }) => type !== 'submit' && type !== 'claim')
  return [others, submits, claims].filter(({ length }) => length > 0)
}

function put(batch: Batch, write: Write): boolean {
  switch (write.type) {
    case 'submit':
      return batch.submits.push(write) > 0
    case 'append':
      return (write.replace ? batch.replaces : batch.appends).push(write) > 0
    case 'claim':
      return batch.claims.push(write) > 0
    case 'prune':
      return batch.prunes.push(write) > 0
    case 'join':
    case 'renew':
    case 'leave':
      return batch.desk.push(write) > 0
    default:
      return false
  }
}

/** The definitions that a batch names. */
export function* refsOf({ desk, appends, replaces, submits }: Batch): Generator<DefinitionRef> {
  for (const write of desk) if (write.type === 'join') yield* write.offers
  for (const { definition } of submits) yield definition
  for (const { summary } of appends) if (summary?.definition) yield summary.definition
  for (const { summary } of replaces) if (summary?.definition) yield summary.definition
}

const json = (list: readonly unknown[]): string | null => (list.length === 0 ? null : JSON.stringify(list))

/** The parameters of flush_1, after the session. */
export function parametersOf(batch: Batch, d: Interned): unknown[] {
  const { desk, appends, replaces, prunes, submits, claims, texts } = batch
  const sums = new Summaries(d)
  appends.sort((a, b) => a.n - b.n)
  for (const write of appends) sums.add(write)
  for (const write of replaces) sums.add(write)
  return [
    json(desk.map((write) => deskOf(write, d))),
    ...appendsOf(appends, texts),
    json(
      replaces
        .map((write) => [write.n, write.token ?? 0, write.seq, write.at, texts.get(write) ?? ''] as const)
        .sort(([a], [b]) => a - b),
    ),
    ...sums.parameters,
    json(prunes.map(({ n, inputHash }) => [n, inputHash])),
    ...submitsOf(submits, texts, d),
    claims.length === 0 ? null : claims.map(({ worker }) => worker).join(itemEnd),
    claims.length === 0 ? null : numbers(claims.map(({ limit }) => limit)),
  ]
}

function deskOf(write: DeskWrite, d: Interned): unknown[] {
  const { type, worker } = write
  if (type === 'leave') return [type, worker]
  const lease = Math.ceil(write.lease)
  return type === 'join' ? [type, worker, lease, [...new Set(write.offers.map(d))]] : [type, worker, lease]
}

type Texts = ReadonlyMap<Write, string>

function appendsOf(appends: readonly AppendWrite[], texts: Texts): unknown[] {
  if (appends.length === 0) return [null, null, null, null, null, null]
  const facts = appends.filter(({ token }) => token === null)
  return [
    numbers(appends.map(({ n }) => n)),
    numbers(appends.map(({ token }) => token ?? 0)),
    numbers(appends.map(({ seq }) => seq)),
    numbers(appends.map(({ at }) => at)),
    appends.map((write) => texts.get(write) ?? '').join(itemEnd),
    facts.length === 0 ? null : numbers(facts.map(({ n }) => n)),
  ]
}

/** What the summaries of a batch say, the usual ones in arrays. */
class Summaries {
  readonly #d: Interned
  readonly #ends: AppendWrite[] = []
  readonly #changes: AppendWrite[] = []
  readonly #others: unknown[] = []

  constructor(d: Interned) {
    this.#d = d
  }

  add(write: AppendWrite): void {
    const { summary, n, at, token } = write
    if (!summary) return
    const isPlain = token !== null && !summary.stuck && !summary.late && !summary.definition
    if (isPlain && summary.stage === 'done') this.#ends.push(write)
    else if (isPlain && summary.stage === 'holding' && summary.dueIn === null && summary.status !== 'queued')
      this.#changes.push(write)
    else this.#others.push([n, ...summaryOf(summary, this.#d), at, token === null])
  }

  get parameters(): unknown[] {
    const ends = this.#ends
    const changes = this.#changes
    const statusOf = ({ summary }: AppendWrite) => statuses.indexOf(summary?.status ?? 'running')
    return [
      ends.length === 0 ? null : numbers(ends.map(({ n }) => n)),
      ends.length === 0 ? null : numbers(ends.map(statusOf)),
      ends.length === 0 ? null : numbers(ends.map(({ at }) => at)),
      changes.length === 0 ? null : numbers(changes.map(({ n }) => n)),
      changes.length === 0 ? null : numbers(changes.map(statusOf)),
      json(this.#others),
    ]
  }
}

const longest = Number.MAX_SAFE_INTEGER

const summaryOf = ({ status, stage, stuck, late, dueIn, definition }: Summary, d: Interned): unknown[] => [
  statuses.indexOf(status),
  stages.indexOf(stage),
  stuck,
  late,
  dueIn === null ? null : Math.min(longest, Math.ceil(dueIn)),
  definition ? d(definition) : null,
]

const isUsualStart = ({ status, stage, stuck, late, dueIn }: Summary): boolean =>
  status === 'running' && stage === 'holding' && !stuck && !late && dueIn === null

/** Runs of submits of one kind, that one worker (or none) may start. */
interface Run {
  readonly end: number
  readonly alone: boolean
  readonly starter: string
}

function runsOf(submits: readonly SubmitWrite[]): Run[] {
  const runs: Run[] = []
  submits.forEach(({ keys, start }, i) => {
    const run = { end: i + 1, alone: keys === null, starter: start?.worker ?? '' }
    const last = runs.at(-1)
    if (last?.alone === run.alone && last.starter === run.starter) runs.pop()
    runs.push(run)
  })
  return runs
}

/** Those that share a key with another: the database judges these one by one. */
function alikeOf(submits: readonly SubmitWrite[]): string | null {
  const first = new Map<string, number>()
  const alike = new Set<number>()
  submits.forEach(({ keys }, i) => {
    for (const key of keys ?? []) {
      const before = first.get(key)
      if (before === undefined) first.set(key, i)
      else alike.add(before + 1).add(i + 1)
    }
  })
  return alike.size === 0 ? null : numbers([...alike])
}

/** The last of a list of keys is no saga's: without it a list of one empty text would be an empty list. */
const listEnd = '.'

function submitsOf(submits: readonly SubmitWrite[], texts: Texts, d: Interned): unknown[] {
  if (submits.length === 0) return Array.from({ length: 12 }, () => null)
  const runs = runsOf(submits)
  const specials = submits.flatMap(({ start, at }, i) =>
    start && !isUsualStart(start.summary) ? [[i + 1, ...summaryOf(start.summary, d), at]] : [],
  )
  return [
    submits.map(({ id }) => stored(id)).join(itemEnd),
    numbers(submits.map(({ definition }) => d(definition))),
    [...submits.map(({ keys }) => (keys === null ? '' : keysText(keys))), listEnd].join(itemEnd),
    numbers(submits.map(({ deadline }) => (deadline === null ? -1 : Math.ceil(deadline)))),
    numbers(submits.map(({ at }) => at)),
    submits.map((write) => texts.get(write) ?? '').join(itemEnd),
    runs.some(({ starter }) => starter !== '')
      ? submits.map(({ start }) => (start ? JSON.stringify(start.entries) : '[]')).join(itemEnd)
      : null,
    numbers(runs.map(({ end }) => end)),
    `{${runs.map(({ alone }) => (alone ? 't' : 'f')).join(',')}}`,
    runs.map(({ starter }) => starter).join(itemEnd),
    alikeOf(submits),
    json(specials),
  ]
}
