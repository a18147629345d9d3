/**
 * What a runtime would do with a store, in short words, for tests: submit, start, add, end, park, claim.
 *
 * Invariants
 * - What is `Known` of a saga follows what was answered, so that a test can say `end(saga)` and mean the next chunk with the right token.
 * - An answer that no test expects is an error that says what was answered.
 */
import type { Entry } from '../../core/entry.js'
import type {
  AppendWrite,
  Claimed,
  DefinitionRef,
  Result,
  Store,
  StoredSaga,
  SubmitWrite,
  Summary,
  Write,
} from '../../store/store.js'

export const trip: DefinitionRef = { name: 'trip', version: '1', shape: 'flight > hotel > payment!' }
export const order: DefinitionRef = { name: 'order', version: '1', shape: 'reserve > ship' }
export const refund: DefinitionRef = { name: 'refund', version: '1', shape: 'pay' }

export const longLease = 600_000

export const summaryOf = (summary: Partial<Summary> = {}): Summary => ({
  status: 'running',
  stage: 'holding',
  stuck: false,
  late: false,
  dueIn: null,
  ...summary,
})

export const startedEntry: Entry = { type: 'started', step: 'flight', direction: 'commit', attempt: 1 }
export const committedEntry = (step = 'flight'): Entry => ({
  type: 'committed',
  step,
  attempt: 1,
  output: { ok: true },
})
export const endedEntry: Entry = { type: 'ended', status: 'committed' }

/** A saga as one who writes to it knows it. */
export interface Known {
  readonly id: string
  readonly n: number
  readonly keys: readonly string[] | null
  token: number | null
  seq: number
}

export interface Submission {
  readonly id?: string
  readonly uid?: string
  readonly definition?: DefinitionRef
  readonly keys?: readonly string[] | null
  readonly deadline?: number | null
  /** The worker that may start it at once. */
  readonly start?: string
}

let ids = 0

export function submission(options: Submission = {}): SubmitWrite {
  const { id = `saga-${++ids}`, keys = [`own-${id}`], deadline = null, definition = trip, start } = options
  const uid = options.uid ?? `uid-${id}`
  return {
    type: 'submit',
    id,
    uid,
    definition,
    keys,
    deadline,
    at: 1_700_000_000_000,
    entries: [{ type: 'submitted', uid, input: { to: 'LIS' }, keys }],
    ...(start === undefined
      ? {}
      : { start: { worker: start, entries: [startedEntry], summary: summaryOf() } }),
  }
}

export class Desk {
  readonly store: Store

  constructor(store: Store) {
    this.store = store
  }

  async one(write: Write): Promise<Result> {
    const [result] = await this.store.apply([write])
    if (!result) throw new Error('no answer')
    return result
  }

  async join(worker: string, offers: readonly DefinitionRef[] = [trip], lease = longLease): Promise<void> {
    await this.expect({ type: 'join', worker, lease, offers }, 'applied')
  }

  async leave(worker: string): Promise<void> {
    await this.expect({ type: 'leave', worker }, 'applied')
  }

  async submit(options: Submission = {}): Promise<Known> {
    const write = submission(options)
    const result = await this.one(write)
    if (result.type !== 'applied' || result.n === undefined)
      throw new Error(`submit: ${JSON.stringify(result)}`)
    return { id: write.id, n: result.n, keys: write.keys, token: result.token ?? null, seq: 0 }
  }

  appendOf(saga: Known, entries: readonly Entry[], more: Partial<AppendWrite> = {}): AppendWrite {
    const { n, token, keys } = saga
    return {
      type: 'append',
      n,
      token,
      seq: saga.seq + 1,
      at: 1_700_000_000_500,
      entries,
      replace: false,
      keys,
      ...more,
    }
  }

  /** Adds a chunk by the owner's token (or none), and expects it to land. */
  async add(
    saga: Known,
    entries: readonly Entry[] = [committedEntry()],
    summary?: Summary,
    token = saga.token,
  ): Promise<void> {
    await this.expect({ ...this.appendOf(saga, entries, summary ? { summary } : {}), token }, 'applied')
    saga.seq++
  }

  async end(saga: Known, token = saga.token): Promise<void> {
    await this.add(saga, [endedEntry], summaryOf({ status: 'committed', stage: 'done' }), token)
  }

  async park(saga: Known, dueIn: number): Promise<void> {
    await this.add(saga, [committedEntry()], summaryOf({ dueIn }))
  }

  async setStuck(saga: Known, stuck: boolean): Promise<void> {
    await this.add(saga, [committedEntry()], summaryOf({ status: 'rolling_back', stuck }))
  }

  async claim(worker: string, limit = 100): Promise<readonly Claimed[]> {
    return (await this.claimed(worker, limit)).sagas
  }

  async claimed(worker: string, limit = 100): Promise<Extract<Result, { type: 'claimed' }>> {
    const result = await this.one({ type: 'claim', worker, limit })
    if (result.type !== 'claimed') throw new Error(`claim: ${JSON.stringify(result)}`)
    return result
  }

  /** Claims up to so many and ends them all, a write each in one flush; says how many. */
  async claimAndEnd(worker: string, limit: number): Promise<number> {
    const sagas = await this.claim(worker, limit)
    const summary = summaryOf({ status: 'committed', stage: 'done' })
    const ends = sagas.map(({ saga, token }) => {
      const entry = saga.chunks[0]?.entries[0]
      const keys = entry?.type === 'submitted' ? entry.keys : null
      return this.appendOf({ id: saga.id, n: saga.n, token, keys, seq: 0 }, [endedEntry], { summary })
    })
    await this.applyAll(ends)
    return sagas.length
  }

  /** In one flush; throws unless every one of them is applied. */
  async applyAll(writes: readonly Write[]): Promise<void> {
    const results = await this.store.apply(writes)
    const failed = results.find(({ type }) => type !== 'applied')
    if (failed) throw new Error(`applyAll: ${JSON.stringify(failed)}`)
  }

  async claimIds(worker: string, limit = 100): Promise<string[]> {
    return (await this.claim(worker, limit)).map(({ saga }) => saga.id)
  }

  /** Claims one saga and says what its owner then knows. */
  async claimOne(worker: string, keys: readonly string[] | null = null): Promise<Known> {
    const [claimed] = await this.claim(worker, 1)
    if (!claimed) throw new Error('nothing to claim')
    const { saga, token } = claimed
    return { id: saga.id, n: saga.n, keys, token, seq: saga.chunks.length - 1 }
  }

  async find(saga: { readonly n: number }): Promise<StoredSaga> {
    const found = await this.store.find({ n: saga.n })
    if (!found || !('chunks' in found)) throw new Error(`saga ${saga.n} is missing`)
    return found
  }

  async expect(write: Write, type: Result['type']): Promise<Result> {
    const result = await this.one(write)
    if (result.type !== type) {
      const error = result.type === 'refused' ? result.error.stack : ''
      throw new Error(`${write.type} was answered ${result.type}, not ${type} ${error}`)
    }
    return result
  }
}

/** Claims in a row that give nothing and still say that there is more: after so many there never will be. */
export const mostEmptyClaims = 1_000

/** Claims until nothing more is given and nothing is left to be judged. */
export async function claimAll(desk: Desk, worker: string): Promise<Claimed[]> {
  const all: Claimed[] = []
  for (let empty = 0; empty < mostEmptyClaims; empty++) {
    const { sagas, dueIn } = await desk.claimed(worker, 50)
    all.push(...sagas)
    if (sagas.length > 0) empty = 0
    else if (dueIn !== 0) return all
  }
  throw new Error(`${mostEmptyClaims} claims have given nothing, and say that something is due`)
}

/** What the present owner of a saga knows of it. */
export async function knownTo(
  desk: Desk,
  saga: { readonly n: number; readonly keys: readonly string[] | null },
): Promise<Known> {
  const { id, n, token, chunks } = await desk.find(saga)
  return { id, n, keys: saga.keys, token, seq: chunks.length - 1 }
}
