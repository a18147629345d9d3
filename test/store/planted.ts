/**
 * Stores with one bug each: the memory store behind something that changes what is written or answered.
 *
 * Invariant: each breaks one sentence of the contract and nothing else on purpose; what is wrong with it is its name.
 */
import type { AppendWrite, JoinWrite, Result, Store, SubmitWrite, Write } from '#dist/store/store.js'
import { memoryStore } from '#dist/stores/memory/index.js'

export interface Place {
  ahead: number
  readonly store: Store
}

type One = (write: Write) => Promise<Result>
/** Answers a write, with the whole store and a way to the one that is right. */
type Alter = (write: Write, right: One, store: Store) => Promise<Result> | Result

/** A place whose store answers each write as `alter` does, and what else it answers as `more` says. */
export function altered(makeAlter: () => Alter, more: (inner: Store) => Partial<Store> = () => ({})): Place {
  const place = { ahead: 0 } as { ahead: number; store: Store }
  const inner = memoryStore({ now: () => Date.now() + place.ahead })
  const alter = makeAlter()
  const right: One = async (write) => (await inner.apply([write]))[0] as Result
  place.store = {
    address: 'planted:',
    durable: false,
    lease: inner.lease,
    open: () => inner.open(),
    find: (ref) => inner.find(ref),
    rows: (numbers) => inner.rows(numbers),
    list: (filter) => inner.list(filter),
    owned: (worker) => inner.owned(worker),
    obstacles: (n, limit) => inner.obstacles(n, limit),
    definitions: (name) => inner.definitions(name),
    health: (thorough) => inner.health(thorough),
    close: () => inner.close(),
    apply: async (writes) => {
      const results: Result[] = []
      for (const write of writes) results.push(await alter(write, right, inner))
      return results
    },
    ...more(inner),
  }
  return place
}

const onAppend =
  (change: (write: AppendWrite, store: Store) => Promise<AppendWrite> | AppendWrite) =>
  (): Alter =>
  async (write, right, store) =>
    right(write.type === 'append' ? await change(write, store) : write)

const onSubmit = (change: (write: SubmitWrite) => SubmitWrite) => (): Alter => (write, right) =>
  right(write.type === 'submit' ? change(write) : write)

async function stored(store: Store, n: number) {
  const saga = await store.find({ n })
  return saga && 'chunks' in saga ? saga : undefined
}

export const breaksNothing = (): Place => altered(() => (write, right) => right(write))

const noTokenCheck = onAppend(async (write, store) => {
  const token = (await stored(store, write.n))?.token ?? write.token
  return write.token === null ? write : { ...write, token }
})

const noPlaceCheck = onAppend(async (write, store) => {
  const length = (await stored(store, write.n))?.chunks.length ?? write.seq
  return { ...write, seq: write.replace ? length - 1 : length }
})

const losesEntries = onAppend((write) => ({ ...write, entries: write.entries.slice(0, 1) }))

const withSummary = (change: (summary: NonNullable<AppendWrite['summary']>) => object) =>
  onAppend((write) =>
    write.summary ? { ...write, summary: { ...write.summary, ...change(write.summary) } } : write,
  )

/** A fact takes part in what only the owner may do: give the saga up. */
const factsDisown = onAppend(async (write, store) => {
  const token = (await stored(store, write.n))?.token ?? null
  return write.summary?.dueIn === null ? write : { ...write, token }
})

/** The row changes though the chunk does not land. */
const rowWithoutChunk = (): Alter => async (write, right, store) => {
  const result = await right(write)
  if (write.type !== 'append' || result.type !== 'conflict' || !write.summary) return result
  const length = (await stored(store, write.n))?.chunks.length ?? 0
  await right({ ...write, seq: length })
  return result
}

/** Leases count for nothing: whoever claims takes from everybody. */
const robsTheLiving = (): Alter => {
  const joined = new Map<string, JoinWrite>()
  return async (write, right) => {
    if (write.type === 'join') joined.set(write.worker, write)
    if (write.type === 'leave') joined.delete(write.worker)
    if (write.type === 'claim') {
      for (const [worker, join] of joined) {
        if (worker === write.worker) continue
        await right({ type: 'leave', worker })
        await right(join)
      }
    }
    return right(write)
  }
}

const claimsBackwards = (): Alter => async (write, right) => {
  const result = await right(write)
  return result.type === 'claimed' ? { ...result, sagas: result.sagas.toReversed() } : result
}

const deadMayRenew = (): Alter => async (write, right) => {
  const result = await right(write)
  return write.type === 'renew' && result.type === 'superseded' ? { type: 'applied' } : result
}

const repeatsAreConflicts = (): Alter => {
  const seen = new Set<string>()
  return (write, right) => {
    if (write.type !== 'submit') return right(write)
    if (seen.has(write.id)) return { type: 'conflict' }
    seen.add(write.id)
    return right(write)
  }
}

const oneBadWriteFailsAll = (): Alter => async (write, right) => {
  const result = await right(write)
  if (result.type === 'refused') throw result.error
  return result
}

const shapeless = <W extends SubmitWrite | JoinWrite>(write: W): W =>
  write.type === 'submit'
    ? { ...write, definition: { ...write.definition, shape: '' } }
    : { ...write, offers: write.offers.map((offer) => ({ ...offer, shape: '' })) }

const shapesAreAlike = (): Alter => (write, right) =>
  right(write.type === 'submit' || write.type === 'join' ? shapeless(write) : write)

const overtakes = (): Alter => {
  let calls = 0
  return async (write, right) => {
    if (write.type === 'submit' && ++calls % 2 === 1) await new Promise((resolve) => setTimeout(resolve, 1))
    return right(write)
  }
}

const forgetsThePruned = (inner: Store): Partial<Store> => ({
  find: async (ref) => {
    const found = await inner.find(ref)
    return found && 'chunks' in found ? found : undefined
  },
})

/** What is wrong with a store, how it is wrong, and the case that must say so. */
export const planted: readonly (readonly [what: string, place: () => Place, caseThatFails: string])[] = [
  ['no token is checked', () => altered(noTokenCheck), 'a superseded owner writes nothing'],
  ['no seq is checked', () => altered(noPlaceCheck), 'a seq that is taken, or leaves a gap, is a conflict'],
  ['acknowledged entries are lost', () => altered(losesEntries), 'what was acknowledged is there'],
  ['a row changes without its chunk', () => altered(rowWithoutChunk), 'a chunk that does not land'],
  [
    'only the first key of a saga counts',
    () => altered(onSubmit((write) => ({ ...write, keys: write.keys?.slice(0, 1) ?? null }))),
    'scenario 39: sagas that share a key never overlap',
  ],
  [
    'sagas without keys overlap',
    () => altered(onSubmit((write) => ({ ...write, keys: write.keys ?? [] }))),
    'scenario 38: without keys, one at a time',
  ],
  [
    'a claim takes the sagas of a live owner',
    () => altered(robsTheLiving),
    'what a dead worker owned is given',
  ],
  ['claims give the last submitted first', () => altered(claimsBackwards), 'waiting sagas start in order'],
  [
    'a dead worker may renew',
    () => altered(deadMayRenew),
    'a lease that ran out: taken over, and the renewal',
  ],
  ['a repeated submit is a conflict', () => altered(repeatsAreConflicts), 'a submit that only queued'],
  [
    'one bad write fails its whole call',
    () => altered(oneBadWriteFailsAll),
    'a bad write is refused and harms',
  ],
  [
    'a parked saga is due at once',
    () => altered(withSummary(({ dueIn }) => ({ dueIn: dueIn && 0 }))),
    'a parked saga is given once it is due, not before',
  ],
  [
    'nobody is ever stuck',
    () => altered(withSummary(() => ({ stuck: false }))),
    'scenario 40: who shares nothing',
  ],
  [
    'a fact of another lets go of the saga',
    () => altered(factsDisown),
    'a fact is noticed by the owner, once',
  ],
  [
    'deadlines are forgotten',
    () => altered(onSubmit((write) => ({ ...write, deadline: null }))),
    'a waiting saga past its deadline is given to be ended',
  ],
  ['shapes do not count', () => altered(shapesAreAlike), 'a shape that differs is another definition'],
  [
    'ids are normalised',
    () => altered(onSubmit((write) => ({ ...write, id: write.id.normalize('NFC') }))),
    'scenario 16: odd ids are found again byte for byte',
  ],
  [
    'a pruned saga leaves nothing',
    () => altered(() => (write, right) => right(write), forgetsThePruned),
    'an id is taken once: another uid is a conflict, also after its tombstone',
  ],
  ['calls overtake each other', () => altered(overtakes), 'are applied in the order in which they came'],
]
