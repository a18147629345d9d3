/**
 * Facts added to a journal by one who does not own the saga: an operator's wish, or a commit that landed late.
 *
 * Invariants
 * - A fact follows what was read: if the journal has grown meanwhile nothing lands, and it is judged anew. So of a cancel and the
 *   last commit exactly one wins, and the answer says which.
 * - It never takes the saga from its owner; the owner is told (store contract 12).
 * - Facts of one process about one saga are added one after the other. Side by side, two with the same words in the same millisecond
 *   would be one write to the store, which answers a write that is in place as it did the first time: both would have won. (Two
 *   processes can still meet so, in the same millisecond and under the same name: one entry, which both are told.)
 */
import type { Entry, Json } from '../core/entry.js'
import { type BackstepError, SagaStateError } from '../core/errors.js'
import { type Answer, evolveAll, indexOf, isEnded, isStuck, type State } from '../core/index.js'
import type { AppendWrite, Store, StoredSaga, Summary } from '../store/store.js'
import type { Clock } from './clock.js'
import type { GroupCommit } from './group-commit.js'
import { stateOf } from './view.js'

const hints = {
  ENDED: 'look at its end with get() or journal()',
  PAST_PIVOT: 'wait for it, or resolve the step that fails with resolve()',
  NOT_RESOLVABLE: 'look at its steps with get()',
  NOT_REBINDABLE: 'rebind to a version whose steps begin like those that the saga has begun',
} as const

export const notFound = (id: string): SagaStateError =>
  new SagaStateError(`there is no saga ${id}`, {
    code: 'NOT_FOUND',
    sagaId: id,
    hint: 'look for it with list(); a pruned saga is gone, and one submitted with tx is not there before that commits',
  })

/** What was added, and to what. `entries` is empty where the wish was fulfilled already. */
export interface Added {
  readonly saga: StoredSaga
  readonly state: State
  readonly entries: readonly Entry[]
  readonly at: number
}

export type SagaRef = { readonly id: string } | { readonly n: number }

/** Judges what was read: the entries to add, or why not. */
export type Wish = (state: State, saga: StoredSaga) => Answer

export class Facts {
  readonly #store: Store
  readonly #commits: GroupCommit
  readonly #clock: Clock
  /** Of each saga that is being added to: settled once the last of those that wait in line is. */
  readonly #lines = new Map<string | number, Promise<unknown>>()

  constructor(store: Store, commits: GroupCommit, clock: Clock) {
    this.#store = store
    this.#commits = commits
    this.#clock = clock
  }

  /** Throws SagaStateError: `NOT_FOUND`, or the code with which `wish` refuses. */
  add(ref: SagaRef, wish: Wish): Promise<Added> {
    const line = 'id' in ref ? ref.id : ref.n
    const before = this.#lines.get(line)
    const added = before === undefined ? this.#addNow(ref, wish) : before.then(() => this.#addNow(ref, wish))
    const settled = added
      .catch(() => {})
      .then(() => {
        if (this.#lines.get(line) === settled) this.#lines.delete(line)
      })
    this.#lines.set(line, settled)
    return added
  }

  async #addNow(ref: SagaRef, wish: Wish): Promise<Added> {
    for (;;) {
      const added = await this.#tryAdd(ref, wish)
      if (added) return added
    }
  }

  /** Undefined where the journal grew between reading and writing. */
  async #tryAdd(ref: SagaRef, wish: Wish): Promise<Added | undefined> {
    const saga = await this.#store.find(ref)
    if (!saga) throw notFound('id' in ref ? ref.id : `number ${ref.n}`)
    if (!('chunks' in saga)) throw refused(saga.id, 'ENDED', `it has ended (${saga.status}) and was pruned`)
    const state = stateOf(saga)
    const answer = wish(state, saga)
    if ('refused' in answer) throw refused(saga.id, answer.refused, answer.why)
    const at = this.#clock.now()
    if (answer.entries.length === 0) return { saga, state, entries: [], at }
    const next = evolveAll(state, answer.entries, at)
    const result = await this.#commits.write(factOf(saga, next, answer.entries, at))
    if (result.type === 'refused') throw result.error
    return result.type === 'applied' ? { saga, state: next, entries: answer.entries, at } : undefined
  }
}

const factOf = (saga: StoredSaga, next: State, entries: readonly Entry[], at: number): AppendWrite => ({
  type: 'append',
  n: saga.n,
  token: null,
  seq: (saga.chunks.at(-1)?.seq ?? 0) + 1,
  at,
  entries,
  replace: false,
  summary: summarise(saga, next, entries),
  keys: next.keys,
})

function summarise(saga: StoredSaga, state: State, entries: readonly Entry[]): Summary {
  const rebound = entries.find((entry) => entry.type === 'rebound')
  const reopened = saga.stage === 'done' && !isEnded(state)
  const { name } = saga.definition
  return {
    status: state.status,
    stage: isEnded(state) ? 'done' : reopened ? 'waiting' : saga.stage,
    stuck: isStuck(state),
    late: state.late,
    dueIn: isEnded(state) ? null : 0,
    ...(rebound ? { definition: { name, version: rebound.version, shape: rebound.shape } } : {}),
  }
}

function refused(sagaId: string, code: keyof typeof hints, why: string): BackstepError {
  return new SagaStateError(`saga ${sagaId}: ${why}`, { code, sagaId, hint: hints[code] })
}

/** A late success is worth a fact only where the saga goes back, or may still: never where the step stands by a later attempt. */
export function lateFact(state: State, step: string, attempt: number, output: Json | undefined): Answer {
  const index = indexOf(state.plan, step)
  const now = state.steps[index]
  const stands = now?.commit.is === 'committed' && !state.wayBack
  if (!now || stands || state.status === 'committed') return { entries: [] }
  return { entries: [{ type: 'late', step, attempt, ...(output === undefined ? {} : { output }) }] }
}
