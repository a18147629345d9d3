/**
 * What this process has done, in events that can be counted: attempts, and ends of sagas, each with how long it took.
 *
 * Invariant: what it keeps in mind is bounded, whatever waits: times that were pushed out are not measured, never measured wrong.
 */
import type { Entry, Events, Orchestrator } from '../index.js'

export type Direction = 'commit' | 'rollback'

export interface AttemptEnd {
  readonly direction: Direction
  /** `committed`, `rejected`, `in_doubt`, `pending`; of a rollback: `rolled_back`, `failed`. */
  readonly outcome: string
  /** Undefined where its start was not seen. */
  readonly ms: number | undefined
}

export interface SagaEnd {
  readonly status: 'committed' | 'rolled_back'
  /** From the submit; undefined where another process took that. */
  readonly ms: number | undefined
}

export interface Counting {
  attempt?(end: AttemptEnd): void
  ended?(end: SagaEnd): void
}

/** Times kept, of each kind. Ten times what may run at once in a process. */
const mostKept = 50_000

/** Two generations: what is older than both is forgotten, without looking for it. */
class Times {
  #young = new Map<string, number>()
  #old = new Map<string, number>()

  begin(what: string, at: number): void {
    this.#young.set(what, at)
    if (this.#young.size < mostKept / 2) return
    this.#old = this.#young
    this.#young = new Map()
  }

  end(what: string, at: number): number | undefined {
    const begun = this.#young.get(what) ?? this.#old.get(what)
    if (begun === undefined) return undefined
    if (!this.#young.delete(what)) this.#old.delete(what)
    return Math.max(0, at - begun)
  }
}

const meters = new WeakMap<Orchestrator, Counting[]>()

/** Tells `counting` what happens from now on. However many count, each fact is looked at once. */
export function meter(orchestrator: Orchestrator, counting: Counting): void {
  const known = meters.get(orchestrator)
  if (known) return void known.push(counting)
  const all = [counting]
  meters.set(orchestrator, all)
  listen(orchestrator, {
    attempt: (end) => {
      for (const one of all) one.attempt?.(end)
    },
    ended: (end) => {
      for (const one of all) one.ended?.(end)
    },
  })
}

function listen(orchestrator: Orchestrator, counting: Required<Counting>): void {
  const sagas = new Times()
  const attempts = new Times()
  const attempt = (saga: string, step: string, direction: Direction, outcome: string, at: number): void =>
    counting.attempt({ direction, outcome, ms: attempts.end(`${direction} ${step} ${saga}`, at) })

  orchestrator.on('entry', ({ saga: { id }, entry, at }: Events['entry']) => {
    switch (entry.type) {
      case 'submitted':
        return sagas.begin(id, at)
      case 'started':
        return attempts.begin(`${entry.direction} ${entry.step} ${id}`, at)
      case 'committed':
        return attempt(id, entry.step, 'commit', 'committed', at)
      case 'pending':
        return attempt(id, entry.step, 'commit', 'pending', at)
      case 'rolled_back':
        return attempt(id, entry.step, 'rollback', 'rolled_back', at)
      case 'failed':
        return isCall(entry) ? attempt(id, entry.step, entry.direction, outcomeOf(entry), at) : undefined
      case 'ended':
        return counting.ended({ status: entry.status, ms: sagas.end(id, at) })
      default:
        return undefined
    }
  })
}

type Failed = Extract<Entry, { type: 'failed' }>

/** A `when` that threw is no attempt: nothing was called. */
const isCall = ({ cause }: Failed): boolean => cause !== 'condition'

const outcomeOf = ({ direction, outcome }: Failed): string => (direction === 'commit' ? outcome : 'failed')
