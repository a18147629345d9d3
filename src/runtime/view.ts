/**
 * What an operator sees of a saga: read from the store, understood by the pure core, whether or not its definition is here.
 */
import type { Draft } from '../core/draft.js'
import type { Chunk, Entry, Json, StoredError } from '../core/entry.js'
import {
  outputsOf,
  planOfShape,
  replay,
  type State,
  type Status,
  type StepState,
  type WayBack,
} from '../core/index.js'
import type { Definition } from '../definition/definition.js'
import type { Obstacle, SagaRow, StoredSaga } from '../store/store.js'
import type { Ended } from './ending.js'

/** One saga in a list. */
export interface SagaSummary {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly status: Status
  readonly stuck: boolean
  readonly blocked: boolean
  readonly late: boolean
  /** ms since 1970. */
  readonly submittedAt: number
  readonly endedAt: number | null
  /** When a waiting saga is due, ms since 1970. */
  readonly dueAt: number | null
  /** The worker that runs it, `pid@host/…`; null: none does now. */
  readonly owner: string | null
  /** Its place in lists: `after` of the page that begins behind it. */
  readonly cursor: string
}

export interface StepView {
  readonly name: string
  readonly position: number
  readonly pivot: boolean
  readonly commit: 'idle' | 'skipped' | 'open' | 'waiting' | 'committed' | 'failed'
  readonly rollback: 'idle' | 'open' | 'waiting' | 'done'
  /** Calls of each direction so far. */
  readonly commitAttempts: number
  readonly rollbackAttempts: number
  /** 1, and one more each time that the rollback had to begin again, because the commit landed late. */
  readonly round: number
  readonly inDoubt: boolean
  readonly stuck: boolean
  readonly output?: Json
  /** What the last failed attempt said, of the direction that is under way. */
  readonly error?: StoredError
  /** When the next attempt is due, ms since 1970. */
  readonly nextAt?: number
  /** The commit has said that it is still going on; the next attempt asks again. */
  readonly pending?: true
  /** When the attempt that is open began, ms since 1970. */
  readonly since?: number
}

export interface SagaView extends SagaSummary {
  readonly input: Json | undefined
  readonly keys: readonly string[] | null
  readonly shape: string
  readonly deadline: number | null
  /** The place of the last chunk of its journal: what `ifSeq` takes. */
  readonly seq: number
  readonly steps: readonly StepView[]
  readonly outputs: Readonly<Record<string, Json>>
  /** Why it turned back. */
  readonly wayBack: WayBack | null
  /** The sagas that it waits for, and the key they share (null: one of them has no keys). */
  readonly waitsFor: readonly Pick<Obstacle, 'id' | 'key' | 'stuck' | 'blocked' | 'stage'>[]
}

/** A fact with its place in the journal. */
export type JournalEntry = Entry & { readonly seq: number; readonly at: number }

export const summaryOf = (row: SagaRow): SagaSummary => ({
  id: row.id,
  name: row.definition.name,
  version: row.definition.version,
  status: row.status,
  stuck: row.stuck,
  blocked: row.blocked,
  late: row.late,
  submittedAt: row.submittedAt,
  endedAt: row.endedAt,
  dueAt: row.dueAt,
  owner: row.owner,
  cursor: String(row.n),
})

/** The state of a stored saga. Its definition need not be here: shapes are stored. */
export function stateOf(saga: StoredSaga, definition?: Definition): State {
  const { name, version, shape } = saga.definition
  return replay(definition?.plan ?? planOfShape(name, version, shape), saga.chunks)
}

export const viewOf = (saga: StoredSaga, obstacles: readonly Obstacle[]): SagaView =>
  viewFrom(saga, { state: stateOf(saga), seq: saga.chunks.at(-1)?.seq ?? 0 }, obstacles)

/** As the store would show it, of a saga that this process stored and ended; undefined where its row may say more than that. */
export function viewOfEnd(saga: SagaRow, { state, tail }: Ended): SagaView | undefined {
  const { plan, status, late } = state
  if (late || plan.version !== saga.definition.version) return undefined
  const { n, id, definition, token, submittedAt } = saga
  const row: SagaRow = {
    n,
    id,
    definition,
    status,
    stage: 'done',
    stuck: false,
    late: false,
    blocked: false,
    owner: null,
    token,
    submittedAt,
    endedAt: tail.at,
    dueAt: null,
  }
  return viewFrom(row, { state, seq: tail.seq }, [])
}

function viewFrom(
  saga: SagaRow,
  { state, seq }: { readonly state: State; readonly seq: number },
  obstacles: readonly Obstacle[],
): SagaView {
  // Written out: a spread takes twenty times as long in Node 20, and over HTTP a view answers every submit.
  return {
    id: saga.id,
    name: saga.definition.name,
    version: saga.definition.version,
    status: saga.status,
    stuck: saga.stuck,
    blocked: saga.blocked,
    late: saga.late,
    submittedAt: saga.submittedAt,
    endedAt: saga.endedAt,
    dueAt: saga.dueAt,
    owner: saga.owner,
    cursor: String(saga.n),
    input: state.input,
    keys: state.keys,
    shape: saga.definition.shape,
    deadline: state.deadline ?? null,
    seq,
    steps: state.steps.map((_, index) => stepView(state, index)),
    outputs: outputsOf(state),
    wayBack: state.wayBack ?? null,
    waitsFor: obstacles.map(({ id, key, stuck, blocked, stage }) => ({ id, key, stuck, blocked, stage })),
  }
}

function stepView(state: State, index: number): StepView {
  const step = state.steps[index]
  const plan = state.plan.steps[index]
  if (!step || !plan) throw new TypeError(`no step ${index}`)
  const { commit, undo } = step
  const back = undo.is !== 'idle'
  const error = (back ? step.undoFailures.last : undefined) ?? step.commitFailures.last
  const view: Draft<StepView> = {
    name: plan.name,
    position: plan.position,
    pivot: plan.pivot,
    commit: commit.is,
    rollback: undo.is,
    commitAttempts: step.attempts,
    rollbackAttempts: step.undoAttempts,
    round: step.round,
    inDoubt: step.doubt && !step.spared && commit.is !== 'committed',
    stuck: back ? step.undoFailures.stuck : step.commitFailures.stuck,
  }
  if (step.output !== undefined) view.output = step.output
  if (error !== undefined) view.error = error
  return Object.assign(view, timingOf(step, state.wayBack !== undefined))
}

function timingOf(
  { commit, undo }: StepState,
  back: boolean,
): Pick<StepView, 'nextAt' | 'since' | 'pending'> {
  if (undo.is === 'waiting') return { nextAt: undo.until }
  if (undo.is === 'open') return { since: undo.since }
  if (commit.is === 'open') return { since: commit.since }
  // A commit that waits when the saga turns back is never tried again.
  if (commit.is !== 'waiting' || back) return {}
  return commit.pending ? { nextAt: commit.until, pending: true } : { nextAt: commit.until }
}

export const journalOf = (chunks: readonly Chunk[]): JournalEntry[] =>
  chunks.flatMap(({ seq, at, entries }) => entries.map((entry) => ({ ...entry, seq, at })))
