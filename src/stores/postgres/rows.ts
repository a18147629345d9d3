/**
 * Rows as they cross, as JSON arrays, and back into words.
 */
import type { DefinitionRef, SagaRow, StoredSaga, Tombstone } from '../../store/store.js'
import { entriesOf, stages, statuses } from '../../store/stored.js'
import { unstored } from './text.js'

export type WireChunk = readonly [seq: number, at: number, entries: string]

/** What claimed_1 and the queries of reading.ts give. */
export type WireSaga = readonly [
  n: number,
  id: string,
  d: number,
  status: number,
  stage: number,
  stuck: boolean,
  late: boolean,
  token: number,
  submittedAt: number,
  endedAt: number | null,
  due: number | null,
  chunks: readonly WireChunk[] | null,
  blocked?: boolean,
  owner?: string | null,
]

export type Definitions = (d: number) => DefinitionRef

export function rowOf(wire: WireSaga, definitions: Definitions, claimer: string | null = null): SagaRow {
  const [n, id, d, status, stage, stuck, late, token, submittedAt, endedAt, dueAt, , blocked, owner] = wire
  return {
    n,
    id: unstored(id),
    definition: definitions(d),
    status: statuses[status] ?? 'queued',
    stage: stages[stage] ?? 'waiting',
    stuck,
    late,
    blocked: blocked ?? false,
    owner: owner === undefined ? claimer : owner,
    token,
    submittedAt,
    endedAt,
    dueAt,
  }
}

export function storedOf(
  wire: WireSaga,
  definitions: Definitions,
  claimer: string | null = null,
): StoredSaga {
  const row = rowOf(wire, definitions, claimer)
  const chunks = (wire[11] ?? []).map(([seq, at, entries]) => ({
    seq,
    at,
    entries: entriesOf(entries, row.id, 'restore a backup'),
  }))
  // The spread comes last: properties written after one make it twenty times as slow.
  return { chunks, ...row }
}

export type WireTombstone = readonly [id: string, inputHash: string, status: number, endedAt: number]

export function tombstoneOf([id, inputHash, status, endedAt]: WireTombstone): Tombstone {
  return {
    id: unstored(id),
    inputHash,
    status: statuses[status] === 'committed' ? 'committed' : 'rolled_back',
    endedAt,
  }
}
