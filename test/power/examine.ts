/**
 * The judgment of one image: it is opened by the product, as after any start of a machine, and then read past it.
 *
 * Invariants
 * - `lost`: something that was promised is not there. `corrupt`: what is there is no state that ever was.
 * - The journals are compared with those of the end of the run: what an image has of a journal must be the beginning of it.
 */
import Sqlite from 'better-sqlite3'
import { isStuck, planOfShape, replay, type State } from '#dist/core/index.js'
import type { Store, StoredSaga } from '#dist/store/store.js'
import { sqliteStore } from '#dist/stores/sqlite/index.js'
import type { Promises } from './promises.js'

export interface RawChunk {
  readonly n: number
  readonly seq: number
  readonly at: number
  readonly entries: string
}

/** What every journal became, by its chunks. */
export type Reference = ReadonlyMap<string, RawChunk>

export interface Findings {
  readonly lost: readonly string[]
  readonly corrupt: readonly string[]
  /** Sagas that were found. */
  readonly sagas: number
}

const name = ({ n, seq }: { n: number; seq: number }): string => `${n}/${seq}`

export const referenceOf = (...chunks: readonly RawChunk[]): Reference =>
  new Map(chunks.map((chunk) => [name(chunk), chunk]))

export function readChunks(file: string): RawChunk[] {
  const db = new Sqlite(file, { readonly: true })
  try {
    return db.prepare<[], RawChunk>('SELECT n, seq, at, entries FROM journal ORDER BY n, seq').all()
  } finally {
    db.close()
  }
}

export async function examine(file: string, promises: Promises, reference: Reference): Promise<Findings> {
  const store = sqliteStore(file, { thread: false })
  try {
    await store.open()
    const { problems } = await store.health(true)
    const known = await readKnown(store, promises)
    const sagas = [...known.sagas.values()]
    const lost = brokenPromises(promises, known)
    const corrupt = [...problems, ...brokenFile(file, reference), ...sagas.flatMap(brokenRow)]
    return { lost, corrupt, sagas: sagas.length }
  } catch (error) {
    const corrupt = [`it cannot be read: ${error instanceof Error ? error.message : error}`]
    return { lost: [], corrupt, sagas: 0 }
  } finally {
    await store.close()
  }
}

async function readSagas(store: Store): Promise<Map<string, StoredSaga>> {
  const sagas = new Map<string, StoredSaga>()
  for (const { n } of await store.list({ order: 'oldest', limit: 100_000 })) {
    const saga = await store.find({ n })
    if (saga && 'chunks' in saga) sagas.set(saga.id, saga)
  }
  return sagas
}

const stateOf = ({ definition: { name, version, shape }, chunks }: StoredSaga): State =>
  replay(planOfShape(name, version, shape), chunks)

/** What is known of the sagas of an image: those that are there, and the tombstones. */
interface Known {
  readonly sagas: ReadonlyMap<string, StoredSaga>
  readonly states: ReadonlyMap<string, State>
  /** Their ends. */
  readonly pruned: ReadonlyMap<string, string>
}

async function readKnown(store: Store, promises: Promises): Promise<Known> {
  const sagas = await readSagas(store)
  const pruned = new Map<string, string>()
  const missing = new Set([...promises.acknowledged, ...promises.lines.map(({ saga }) => saga)])
  for (const id of promises.pruning ? missing : []) {
    const found = sagas.has(id) ? undefined : await store.find({ id })
    if (found) pruned.set(id, found.status)
  }
  return { sagas, states: new Map([...sagas].map(([id, saga]) => [id, stateOf(saga)])), pruned }
}

/** P1, and that no step began before its intent was durable. */
function brokenPromises(promises: Promises, known: Known): string[] {
  const { sagas, states, pruned } = known
  const gone = [...promises.acknowledged].filter((id) => !sagas.has(id) && !pruned.has(id))
  const forgotten = [...promises.cancelled].filter((id) => !pruned.has(id) && !states.get(id)?.wayBack)
  const changed = [...promises.answered].flatMap(([id, status]) => {
    const is = sagas.get(id)?.status ?? pruned.get(id)
    return is === status ? [] : [`${id} was said to be ${status}, and is ${is}`]
  })
  return [
    ...gone.map((id) => `${id} was acknowledged, and is not there`),
    ...forgotten.map((id) => `${id} was cancelled, and does not know`),
    ...changed,
    ...callsWithoutIntent(promises, known),
  ]
}

function callsWithoutIntent({ lines }: Promises, { states, pruned }: Known): string[] {
  return lines.flatMap(({ saga, step, direction, attempt, outcome }) => {
    if (outcome !== 'begun' || pruned.has(saga)) return []
    const state = states.get(saga)
    const now = state?.steps[state.plan.steps.findIndex(({ name }) => name === step)]
    const known = (direction === 'commit' ? now?.attempts : now?.undoAttempts) ?? 0
    return known >= attempt
      ? []
      : [`${saga}: ${direction} ${step} #${attempt} began, and its journal knows ${known}`]
  })
}

/** SQLite's own look at its pages and indexes, and the journals as they are stored. */
function brokenFile(file: string, reference: Reference): string[] {
  const db = new Sqlite(file)
  try {
    const found = db.prepare<[], string>('PRAGMA integrity_check').pluck().all()
    const damage = found.filter((line) => line !== 'ok')
    return [...damage, ...strangeChunks(readChunks(file), reference)]
  } finally {
    db.close()
  }
}

function strangeChunks(chunks: readonly RawChunk[], reference: Reference): string[] {
  const wrong: string[] = []
  chunks.forEach((chunk, index) => {
    const before = chunks[index - 1]
    if (chunk.seq !== (before?.n === chunk.n ? before.seq + 1 : 0)) wrong.push(`${name(chunk)} follows a gap`)
    const became = reference.get(name(chunk))
    if (became?.entries === chunk.entries) return
    // Failures fold: what was the end of a journal is overwritten, be it an earlier failure or an attempt that a crash cut short.
    const isLast = chunks[index + 1]?.n !== chunk.n
    const folds = became?.entries.includes('"failed"') === true
    if (!isLast || !folds) wrong.push(`${name(chunk)} never was: ${chunk.entries.slice(0, 200)}`)
  })
  return wrong
}

/** A row says what its journal says; but that a saga was claimed which had queued is a fact of its row alone. */
function brokenRow(saga: StoredSaga): string[] {
  const state = stateOf(saga)
  const { id, status, stuck, late, stage } = saga
  const ended = saga.chunks.at(-1)?.entries.at(-1)?.type === 'ended'
  const row = { status, stuck, late, done: stage === 'done' }
  const claimed = stage === 'holding' && state.status === 'queued'
  const journal = {
    status: claimed ? 'running' : state.status,
    stuck: isStuck(state),
    late: state.late,
    done: ended,
  }
  const [says, means] = [JSON.stringify(row), JSON.stringify(journal)]
  return says === means ? [] : [`${id}: its row says ${says}, its journal ${means}`]
}
