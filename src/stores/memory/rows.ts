/**
 * What the memory store keeps: sagas, definitions and workers as plain objects that point at each other.
 */
import type { Chunk } from '../../core/entry.js'
import type { Status } from '../../core/state.js'
import type { Contender } from '../../store/admission.js'
import type { DefinitionRef, SagaRow, Stage, StoredSaga } from '../../store/store.js'
import { DueQueue, NumberSet } from './ordered.js'

export class MemoryDefinition {
  readonly d: number
  readonly ref: DefinitionRef
  /** As last judged: what admission goes by. */
  offered = false
  /** Waiting sagas: with keys, without, and those with keys that may be able to start. */
  readonly waiting = new NumberSet()
  readonly alone = new NumberSet()
  readonly awake = new NumberSet()
  readonly parked: DueQueue
  /** Of waiting sagas that nobody owns. */
  readonly deadlines: DueQueue
  /** Holding sagas. */
  readonly holders = new Set<MemorySaga>()

  constructor(d: number, ref: DefinitionRef, sagas: ReadonlyMap<number, MemorySaga>) {
    this.d = d
    this.ref = ref
    this.parked = new DueQueue(({ at, n }) => {
      const saga = sagas.get(n)
      return saga?.due === at && saga.definition === this
    })
    this.deadlines = new DueQueue(({ at, n }) => {
      const saga = sagas.get(n)
      return (
        saga?.stage === 'waiting' && saga.owner === null && saga.deadline === at && saga.definition === this
      )
    })
  }
}

export class MemoryWorker {
  readonly worker: string
  leaseUntil: number
  dead = false
  offers: ReadonlySet<MemoryDefinition>
  readonly owned = new Set<MemorySaga>()
  readonly noticed = new Set<number>()

  constructor(worker: string, leaseUntil: number, offers: ReadonlySet<MemoryDefinition>) {
    this.worker = worker
    this.leaseUntil = leaseUntil
    this.offers = offers
  }
}

export class MemorySaga implements Contender {
  status: Status = 'queued'
  stage: Stage = 'waiting'
  stuck = false
  late = false
  owner: MemoryWorker | null = null
  token = 0
  due: number | null = null
  endedAt: number | null = null
  place: number | null = null
  readonly n: number
  readonly id: string
  readonly uid: string
  definition: MemoryDefinition
  readonly keys: readonly string[] | null
  /** Null once it has ended: a saga that comes back late rolls back, and rollbacks see no deadline. */
  deadline: number | null
  readonly chunks: Chunk[]

  constructor(
    n: number,
    id: string,
    uid: string,
    definition: MemoryDefinition,
    keys: readonly string[] | null,
    deadline: number | null,
    first: Chunk,
  ) {
    this.n = n
    this.id = id
    this.uid = uid
    this.definition = definition
    this.keys = keys
    this.deadline = deadline
    this.chunks = [first]
  }

  get d(): number {
    return this.definition.d
  }
}

export function rowOf(saga: MemorySaga, blocked: boolean): SagaRow {
  const { n, id, status, stage, stuck, late, token, endedAt } = saga
  return {
    n,
    id,
    definition: saga.definition.ref,
    status,
    stage,
    stuck,
    late,
    blocked: blocked && stage !== 'done',
    owner: saga.owner?.worker ?? null,
    token,
    submittedAt: saga.chunks[0]?.at ?? 0,
    endedAt,
    dueAt: saga.due,
  }
}

export function storedOf(saga: MemorySaga, blocked: boolean): StoredSaga {
  return { chunks: saga.chunks.slice(), ...rowOf(saga, blocked) }
}
