/**
 * Submitting: one write makes the saga durable and, where its turn has come and a place is free, starts it.
 *
 * Invariants
 * - P1: it answers only once the saga is stored.
 * - The same id with the same input finds the same saga, from any process, also where the answer to the first submit was lost.
 * - Whatever is refused is refused before the write.
 */
import { createHash } from 'node:crypto'
import type { Draft } from '../core/draft.js'
import type { Entry, Json, Submitted } from '../core/entry.js'
import { BadInputError, ClosedError, SagaConflictError, StoreError } from '../core/errors.js'
import { begin, type Call, decide, evolveAll, intentOf, type State } from '../core/index.js'
import { canonical } from '../core/json.js'
import type { Definition } from '../definition/definition.js'
import type {
  DefinitionRef,
  Queryable,
  Result,
  Store,
  StoredSaga,
  SubmitWrite,
  Summary,
  Tombstone,
} from '../store/store.js'
import type { Subject } from './calls.js'
import type { Clock } from './clock.js'
import type { Begun } from './execution.js'
import type { GroupCommit } from './group-commit.js'
import { type Registry, refOf } from './registry.js'
import { type SubmitOptions, submittedOf, validate } from './submission.js'
import type { Worker } from './worker.js'

/** A saga that is stored now, or of which only its tombstone is left. */
export type Stored = (SagaName | Pruned) & {
  /** The saga as it was stored; undefined where it was there already. Nobody has looked whether it is blocked. */
  readonly created: (() => StoredSaga) | undefined
}

interface Pruned {
  readonly id: string
  readonly n: undefined
  readonly tombstone: Tombstone
}

/** Both names of a stored saga: a pruned one is only found by its id. */
export interface SagaName {
  readonly n: number
  readonly id: string
}

/** Told at the very moment at which a saga is stored, before anything of it can end. */
export type OnStored = (saga: SagaName, here: boolean) => void

interface First {
  readonly entries: readonly Entry[]
  readonly calls: readonly Call[]
  /** Before the entries. */
  readonly state: State
}

export interface SubmitterParts {
  readonly store: Store
  readonly commits: GroupCommit
  readonly clock: Clock
  readonly registry: Registry
  readonly worker: Worker | undefined
  /** Names this process, for lists that only it can run. */
  readonly uid: string
  recorded(id: string, definition: Definition, entries: readonly Entry[], at: number): void
}

const running: Summary = { status: 'running', stage: 'holding', stuck: false, late: false, dueIn: null }

export class Submitter {
  readonly #parts: SubmitterParts
  readonly #refs = new WeakMap<Definition, DefinitionRef>()
  #closed = false

  constructor(parts: SubmitterParts) {
    this.#parts = parts
  }

  close(): void {
    this.#closed = true
  }

  /** Makes a definition known, so that its sagas can be claimed here. */
  register(definition: Definition): DefinitionRef {
    const known = this.#refs.get(definition)
    if (known) return known
    const { store, registry, worker, uid } = this.#parts
    if (definition.anonymous && store.durable) {
      throw new BadInputError(
        `a bare list has no name to find its functions by after a crash, and ${store.address} outlives the process`,
        "give it a name: run(saga('book-trip', [ … ])), and pass it to open({ sagas: [ … ] })",
        { code: 'ANONYMOUS' },
      )
    }
    const { name, version, shape } = refOf(definition)
    const ref = definition.anonymous ? { name: '.list', version: uid, shape } : { name, version, shape }
    if (registry.add(definition, ref)) worker?.offer()
    this.#refs.set(definition, ref)
    return ref
  }

  /** The saga may run once more: its functions are kept, where only it has them. */
  keep({ definition, state }: Pick<Subject, 'definition' | 'state'>): void {
    if (definition.anonymous) this.#parts.registry.keepList(state.uid, definition)
  }

  /** It ended before it ran. */
  forget(uid: string): void {
    this.#parts.registry.forgetList(uid)
  }

  /** Throws BadInputError, SagaConflictError, StoreError, ClosedError. */
  submit(
    definition: Definition,
    input: unknown,
    options: SubmitOptions | undefined,
    onStored?: OnStored,
  ): Promise<Stored> {
    const accepted = validate(definition, input)
    if (accepted instanceof Promise) {
      return accepted.then((value) => this.#submit(definition, value, options, onStored))
    }
    return this.#submit(definition, accepted, options, onStored)
  }

  #submit(
    definition: Definition,
    input: unknown,
    options: SubmitOptions | undefined,
    onStored: OnStored | undefined,
  ): Promise<Stored> {
    if (this.#closed) throw new ClosedError('nothing was submitted')
    const { clock, commits, worker, registry } = this.#parts
    const ref = this.register(definition)
    const uid = clock.id()
    const submitted = submittedOf(definition, input, options, uid, clock)
    const at = clock.now()
    if (options?.tx) return this.#submitIn(options.tx, definition, writeOf(ref, submitted, options, at))
    if (definition.anonymous) registry.keepList(uid, definition)
    const reserved = worker?.reserve() === true
    const first = reserved ? firstOf(definition, submitted, at) : undefined
    const write = writeOf(ref, submitted, options, at)
    if (worker && first) write.start = { worker: worker.id, entries: first.entries, summary: running }
    return new Promise((resolve, reject) => {
      commits.add(write, (result, error) => {
        if (result?.type === 'applied' && result.n !== undefined) {
          const here = this.#applied(definition, write, result, first, reserved)
          const { n } = result
          const saga = { id: write.id, n, created: () => createdOf(write, { ...result, n }) }
          onStored?.(saga, here)
          return resolve(saga)
        }
        if (reserved) worker?.unreserve(result === undefined)
        // Where the answer was lost it may be stored all the same, and need them.
        if (result) registry.forgetList(uid)
        if (result?.type === 'conflict') return resolve(this.#existing(definition, write, onStored))
        reject(refusedOf(write.id, result, error))
      })
    })
  }

  /** As a part of the user's transaction: nothing of it is announced, since nobody knows whether that commits. */
  async #submitIn(tx: Queryable, definition: Definition, write: SubmitWrite): Promise<Stored> {
    const { store } = this.#parts
    if (!store.submitIn) {
      throw new BadInputError(
        `${store.address} cannot take part in your transaction`,
        'a store on the same PostgreSQL database can: open it by postgres://…, or submit without tx',
      )
    }
    const result = await store.submitIn(tx, write)
    if (result.type === 'applied') {
      return { id: write.id, n: result.n, created: () => createdOf(write, result) }
    }
    return storedOf(result.saga, definition, write)
  }

  /** True if it runs here. */
  #applied(
    definition: Definition,
    write: SubmitWrite,
    result: Result & { readonly type: 'applied' },
    first: First | undefined,
    reserved: boolean,
  ): boolean {
    const { worker, recorded } = this.#parts
    const { n, token } = result
    const started =
      worker && first && token !== undefined && n !== undefined && write.start?.worker === worker.id
    if (!started) {
      if (reserved) worker?.unreserve(false)
      worker?.claim()
      recorded(write.id, definition, write.entries, write.at)
      return false
    }
    const entries = write.entries.concat(first.entries)
    const state = evolveAll(first.state, first.entries, write.at)
    const tail = { seq: 0, at: write.at, entries }
    const begun: Begun = { n, id: write.id, token, state, tail, summary: running }
    recorded(write.id, definition, entries, write.at)
    worker.begin(definition, begun, first.calls)
    return true
  }

  /** The id is taken: by the same saga, or by another. */
  async #existing(
    definition: Definition,
    write: SubmitWrite,
    onStored: OnStored | undefined,
  ): Promise<Stored> {
    const found = await this.#parts.store.find({ id: write.id })
    if (!found) {
      throw new StoreError(`saga ${write.id} vanished while it was submitted again`, {
        code: 'STORE_UNAVAILABLE',
        hint: 'submit again',
      })
    }
    const stored = storedOf(found, definition, write)
    if (stored.n !== undefined) onStored?.(stored, false)
    return stored
  }
}

/** What the store holds of it now, without asking. */
function createdOf(
  write: SubmitWrite,
  { n, token = 0 }: { readonly n: number; readonly token?: number },
): StoredSaga {
  const { id, definition, at, start } = write
  const begun = token > 0 ? start : undefined
  const entries = begun ? write.entries.concat(begun.entries) : write.entries
  return {
    n,
    id,
    definition,
    token,
    status: begun ? 'running' : 'queued',
    stage: begun ? 'holding' : 'waiting',
    stuck: false,
    late: false,
    blocked: false,
    owner: begun?.worker ?? null,
    submittedAt: at,
    endedAt: null,
    dueAt: null,
    chunks: [{ seq: 0, at, entries }],
  }
}

function writeOf(
  ref: DefinitionRef,
  submitted: Submitted,
  options: SubmitOptions | undefined,
  at: number,
): Draft<SubmitWrite> {
  const { uid, keys, deadline = null } = submitted
  const id = options?.id ?? uid
  return { type: 'submit', id, uid, definition: ref, keys, deadline, at, entries: [submitted] }
}

/** Who has the id already. Throws SagaConflictError if it is another saga. */
function storedOf(found: StoredSaga | Tombstone, definition: Definition, write: SubmitWrite): Stored {
  const { id } = write
  const first = write.entries[0]
  const input = first?.type === 'submitted' ? first.input : undefined
  if (!isSame(found, definition, input)) {
    throw new SagaConflictError(id, `there is a saga ${id} already, with another definition or other input`)
  }
  const created = undefined
  return 'chunks' in found ? { id, created, n: found.n } : { id, created, n: undefined, tombstone: found }
}

/** What a saga begins with. Where user code must be asked first (`when`), nothing: the execution will. */
function firstOf(definition: Definition, submitted: Submitted, at: number): First {
  const state = begin(definition.plan, submitted)
  const decision = decide(state, at)
  if (decision.do !== 'act' || decision.calls.some(({ conditional }) => conditional)) {
    return { entries: [], calls: [], state }
  }
  return { entries: decision.calls.map((call) => intentOf(call, state)), calls: decision.calls, state }
}

function isSame(found: StoredSaga | Tombstone, definition: Definition, input: Json | undefined): boolean {
  const { name } = definition.plan
  if (!('chunks' in found)) return found.inputHash === inputHash(name, input)
  const first = found.chunks[0]?.entries[0]
  if (found.definition.name !== name || first?.type !== 'submitted') return false
  return inputHash(name, first.input) === inputHash(name, input)
}

/** What a tombstone remembers of the input. */
export function inputHash(name: string, input: Json | undefined): string {
  const text = input === undefined ? '' : canonical(input)
  return createHash('sha256').update(`${name}\n${text}`).digest('hex')
}

function refusedOf(id: string, result: Result | undefined, error: Error | undefined): Error {
  if (result?.type === 'refused') return result.error
  return (
    error ??
    new StoreError(`saga ${id} was not stored`, {
      code: 'STORE_UNAVAILABLE',
      hint: 'submit again with the same id',
    })
  )
}
