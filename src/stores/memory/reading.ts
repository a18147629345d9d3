/** What the memory store shows: pages of rows, and its health. */
import type { Status } from '../../core/state.js'
import type { Health, ListFilter, SagaRow } from '../../store/store.js'
import { noCounts } from '../../store/stored.js'
import { type MemorySaga, rowOf } from './rows.js'
import type { MemoryState } from './state.js'

export function listOf(state: MemoryState, filter: ListFilter): SagaRow[] {
  const found: SagaRow[] = []
  // Late sagas keep their number, so the Map is in order of `n`.
  const numbers = [...state.sagas.keys()]
  if (filter.order === 'newest') numbers.reverse()
  for (const n of numbers) {
    if (found.length >= filter.limit) break
    if (filter.after !== undefined && (filter.order === 'newest' ? n >= filter.after : n <= filter.after))
      continue
    const saga = state.sagas.get(n)
    if (!saga) continue
    const row = rowOf(saga, !state.isAnyoneOffering(saga.definition))
    if (matches(row, filter)) found.push(row)
  }
  return found
}

function matches(row: SagaRow, filter: ListFilter): boolean {
  if (filter.status && !filter.status.includes(row.status)) return false
  if (filter.name !== undefined && filter.name !== row.definition.name) return false
  if (filter.stuck !== undefined && filter.stuck !== row.stuck) return false
  if (filter.blocked !== undefined && filter.blocked !== row.blocked) return false
  if (filter.late !== undefined && filter.late !== row.late) return false
  return filter.endedBefore === undefined || (row.endedAt !== null && row.endedAt < filter.endedBefore)
}

export function healthOf(state: MemoryState): Health {
  const counts = noCounts()
  for (const saga of state.sagas.values()) count(state, saga, counts)
  const workers = [...state.workers.values()].map((worker) => ({
    worker: worker.worker,
    alive: state.isAlive(worker),
    offers: [...worker.offers].map(({ ref }) => ref),
  }))
  return { engine: 'memory', schema: 1, counts, workers, problems: [] }
}

function count(
  state: MemoryState,
  saga: MemorySaga,
  counts: Record<Status | 'stuck' | 'blocked', number>,
): void {
  counts[saga.status]++
  if (saga.stuck) counts.stuck++
  if (saga.stage !== 'done' && !state.isAnyoneOffering(saga.definition)) counts.blocked++
}
