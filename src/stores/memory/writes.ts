/**
 * The writes of the memory store that are about one saga: submit, append, prune.
 *
 * Invariants
 * - Whether a saga that has not ended waits or holds is the store's to say: a summary only ends it, or brings it back.
 * - A fact by somebody else never changes the owner.
 */
import type { Chunk, Entry } from '../../core/entry.js'
import { waits } from '../../store/admission.js'
import type { AppendWrite, PruneWrite, Result, SubmitWrite, Summary } from '../../store/store.js'
import { type MemoryDefinition, MemorySaga, type MemoryWorker } from './rows.js'
import { applied, conflict, type MemoryState, superseded } from './state.js'

export function submit(state: MemoryState, write: SubmitWrite): Result {
  const { id, uid, keys, deadline, at, entries, start } = write
  const known = state.ids.get(id)
  if (known) return known.uid === uid ? answerAgain(known, write) : conflict
  if (state.tombstones.has(id)) return conflict
  const { admission, lines } = state
  const definition = state.intern(write.definition)
  const n = state.lastNumber + 1
  const saga = new MemorySaga(n, id, uid, definition, keys, deadline, { seq: 0, at, entries })
  admission.refill()
  const worker = start && starterOf(state, start.worker, definition)
  if (worker && admission.judge(saga) === 'start') {
    saga.chunks[0] = { seq: 0, at, entries: [...entries, ...start.entries] }
    state.enlist(saga)
    lines.enterHolding(saga)
    state.own(saga, worker)
    summarise(state, saga, start.summary, at, false)
    return { type: 'applied', n, token: saga.token }
  }
  state.enlist(saga)
  lines.enter(saga, admission.placeOf(saga))
  if (keys !== null && admission.judgeKeys(saga) !== 'wait') lines.wake(n)
  return { type: 'applied', n }
}

/** The worker of `start`, if it is alive and offers the definition. */
function starterOf(state: MemoryState, name: string, definition: MemoryDefinition): MemoryWorker | undefined {
  const worker = state.workers.get(name)
  return worker?.offers.has(definition) && state.isAlive(worker) ? worker : undefined
}

function answerAgain(saga: MemorySaga, { at, entries, start }: SubmitWrite): Result {
  const hasStarted = start !== undefined && isSame(saga.chunks[0], at, [...entries, ...start.entries])
  if (!hasStarted || saga.owner?.worker !== start.worker) return { type: 'applied', n: saga.n }
  return { type: 'applied', n: saga.n, token: saga.token }
}

export function append(state: MemoryState, write: AppendWrite): Result {
  const { n, token, seq, at, entries, replace, summary } = write
  const saga = state.sagas.get(n)
  if (!saga) return token === null ? conflict : superseded
  if (token !== null && token !== saga.token) return superseded
  const { chunks } = saga
  if (seq !== (replace ? chunks.length - 1 : chunks.length)) {
    return isSame(chunks[seq], at, entries) ? applied : conflict
  }
  chunks[seq] = { seq, at, entries }
  if (token === null) saga.owner?.noticed.add(n)
  if (summary) summarise(state, saga, summary, at, token === null)
  return applied
}

export function prune(state: MemoryState, { n, inputHash }: PruneWrite): Result {
  const saga = state.sagas.get(n)
  if (!saga) return applied
  const { id, status, endedAt } = saga
  if (endedAt === null || (status !== 'committed' && status !== 'rolled_back')) return superseded
  state.forget(saga)
  state.tombstones.set(id, { id, inputHash, status, endedAt })
  return applied
}

function summarise(
  state: MemoryState,
  saga: MemorySaga,
  summary: Summary,
  at: number,
  isForeign: boolean,
): void {
  const { admission, lines } = state
  const { status, stuck, late, dueIn, definition } = summary
  admission.refill()
  if (definition) rebind(state, saga, state.intern(definition))
  const turnsBad = stuck && !saga.stuck
  lines.setStuck(saga, stuck)
  saga.late = late
  saga.status = status === 'queued' && saga.stage === 'holding' ? 'running' : status
  if (summary.stage === 'done') end(state, saga, at)
  else if (saga.stage === 'done') reenter(state, saga)
  else if (dueIn !== null && !(isForeign && saga.owner)) state.giveUp(saga, dueIn)
  if (turnsBad && saga.stage === 'holding') admission.turnedBad(saga)
}

function end(state: MemoryState, saga: MemorySaga, at: number): void {
  if (saga.stage === 'done') return
  state.disown(saga)
  saga.due = null
  saga.endedAt = at
  saga.deadline = null
  state.lines.leave(saga)
  if (saga.keys !== null) state.admission.released(saga.keys)
  state.remember(saga)
}

/** Its commit landed late: it takes its keys again, in its old place. */
function reenter({ lines }: MemoryState, saga: MemorySaga): void {
  saga.endedAt = null
  lines.enter(saga, waits)
  lines.wake(saga.n)
}

function rebind({ lines, admission }: MemoryState, saga: MemorySaga, definition: MemoryDefinition): void {
  if (definition === saga.definition) return
  lines.rebind(saga, definition)
  if (saga.stage === 'holding') {
    if (saga.due !== null) definition.parked.push(saga.due, saga.n)
    if (!definition.offered) admission.turnedBad(saga)
  } else if (saga.stage === 'waiting') {
    lines.move(saga, admission.placeOf(saga))
    admission.released(saga.keys ?? [])
  }
}

function isSame(chunk: Chunk | undefined, at: number, entries: readonly Entry[]): boolean {
  if (chunk?.at !== at) return false
  return chunk.entries === entries || JSON.stringify(chunk.entries) === JSON.stringify(entries)
}
