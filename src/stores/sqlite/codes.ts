/**
 * How words are stored as numbers, and rows turn back into words.
 *
 * Invariant
 * - A code never changes its meaning; new ones are added at the end.
 */
import type { DefinitionRef, SagaRow } from '../../store/store.js'
import { stages, statuses } from '../../store/stored.js'
import type { SagaRecord } from './statements.js'

export const running = 1
export const committed = 3
export const waitingStage = 0
export const holdingStage = 1
export const doneStage = 2

/** What a row says once its numbers are looked up. */
export interface Words {
  readonly definition: DefinitionRef
  readonly blocked: boolean
  readonly owner: string | null
}

export function rowOf(record: SagaRecord, words: Words): SagaRow {
  const { n, id, token, due } = record
  return {
    n,
    id,
    definition: words.definition,
    status: statuses[record.status] ?? 'queued',
    stage: stages[record.stage] ?? 'waiting',
    stuck: record.stuck === 1,
    late: record.late === 1,
    blocked: words.blocked && record.stage !== doneStage,
    owner: words.owner,
    token,
    submittedAt: record.submitted_at,
    endedAt: record.ended_at,
    dueAt: due,
  }
}

export function keysOf(record: { readonly keys: string | null }): readonly string[] | null {
  return record.keys === null ? null : (JSON.parse(record.keys) as readonly string[])
}
