/**
 * The memory store: plain Maps, gone with the process. `memory:` and tests use it.
 *
 * Invariants
 * - The same semantics as the durable stores: the same admission rule, the same suite.
 * - Entries are kept by reference; whoever writes them has frozen them.
 * - It may be shared: each orchestrator that opens the same object is a worker of its own.
 */
import { BadInputError } from '../../core/errors.js'
import type { ListFilter, Result, SagaRow, Store, StoredSaga, Tombstone, Write } from '../../store/store.js'
import { claim } from './claims.js'
import { healthOf, listOf } from './reading.js'
import { rowOf, storedOf } from './rows.js'
import { MemoryState } from './state.js'
import { append, prune, submit } from './writes.js'

export interface MemoryStoreOptions {
  /** The store's clock, ms since 1970. Default: `Date.now`. */
  readonly now?: () => number
  /** How many ended sagas are remembered, so that memory stays bounded; older ones are forgotten, id and all. Default 10,000. */
  readonly keep?: number
}

/** A store that lives in this process only, for tests and for what need not survive. */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(options.now ?? Date.now, options.keep)
}

export class MemoryStore implements Store {
  readonly address = 'memory:'
  readonly durable = false
  readonly lease = 15_000
  readonly #state: MemoryState

  /** `budget`: how many rows one claim looks at beyond what it gives; tests make it small. */
  constructor(now: () => number, keep = 10_000, budget?: number) {
    this.#state = new MemoryState(now, keep, budget)
  }

  async open(): Promise<void> {}

  apply(writes: readonly Write[]): Promise<readonly Result[]> {
    const results = new Array<Result>(writes.length)
    for (let i = 0; i < writes.length; i++) results[i] = this.#applyOne(writes[i] as Write)
    return Promise.resolve(results)
  }

  async find(
    ref: { readonly n: number } | { readonly id: string },
  ): Promise<StoredSaga | Tombstone | undefined> {
    const state = this.#state
    const saga = 'n' in ref ? state.sagas.get(ref.n) : state.ids.get(ref.id)
    if (saga) return storedOf(saga, !state.isAnyoneOffering(saga.definition))
    return 'id' in ref ? state.tombstones.get(ref.id) : undefined
  }

  async rows(numbers: readonly number[]): Promise<readonly SagaRow[]> {
    const state = this.#state
    return numbers.flatMap((n) => {
      const saga = state.sagas.get(n)
      return saga ? [rowOf(saga, !state.isAnyoneOffering(saga.definition))] : []
    })
  }

  async list(filter: ListFilter): Promise<readonly SagaRow[]> {
    return listOf(this.#state, filter)
  }

  async owned(worker: string): Promise<readonly { readonly n: number; readonly token: number }[]> {
    const owned = this.#state.workers.get(worker)?.owned ?? []
    return [...owned].map(({ n, token }) => ({ n, token }))
  }

  async obstacles(n: number, limit: number) {
    const state = this.#state
    const saga = state.sagas.get(n)
    if (saga?.stage !== 'waiting') return []
    const found = state.admission.obstacles(saga, state.lines.someHolders(limit)).slice(0, limit)
    return found.flatMap(({ n, key }) => {
      const other = state.sagas.get(n)
      if (!other) return []
      const { id, stage, stuck, blocked } = rowOf(other, !state.isAnyoneOffering(other.definition))
      return [{ n, id, stage, stuck, blocked, key }]
    })
  }

  async definitions(name: string) {
    return this.#state.definitions.map(({ ref }) => ref).filter((ref) => ref.name === name)
  }

  async health() {
    return healthOf(this.#state)
  }

  async close(): Promise<void> {}

  #applyOne(write: Write): Result {
    const state = this.#state
    try {
      switch (write.type) {
        case 'submit':
          return submit(state, write)
        case 'append':
          return append(state, write)
        case 'claim':
          return claim(state, write)
        case 'join':
          return state.join(write)
        case 'renew':
          return state.renew(write)
        case 'leave':
          return state.leave(write)
        case 'prune':
          return prune(state, write)
        default:
          return {
            type: 'refused',
            error: new BadInputError(`unknown write ${String((write as Write).type)}`, 'see store.ts'),
          }
      }
    } catch (error) {
      return { type: 'refused', error: error instanceof Error ? error : new Error(String(error)) }
    }
  }
}
