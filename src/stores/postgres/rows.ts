/**
 * Rows as they cross, as JSON arrays, and back into words.
 *
 * Invariant
 * - A code never changes its meaning; new ones are added at the end.
 */
import type { Entry } from '../../core/entry.js'
import { StoreError } from '../../core/errors.js'
import type { Status } from '../../core/state.js'
import type { DefinitionRef, SagaRow, Stage, StoredSaga, Tombstone } from '../../store/store.js'
import { unstored } from './text.js'

export const statuses: readonly Status[] = ['queued', 'running', 'rolling_back', 'committed', 'rolled_back']
export const stages: readonly Stage[] = ['waiting', 'holding', 'done']

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
    entries: entriesOf(entries, row.id),
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

function entriesOf(text: string, id: string): readonly Entry[] {
  try {
    return JSON.parse(text) as readonly Entry[]
  } catch (cause) {
    throw new StoreError(`the journal of saga ${id} is damaged`, {
      code: 'STORE_CORRUPT',
      hint: 'run `backstep doctor`, and restore a backup',
      cause,
    })
  }
}
