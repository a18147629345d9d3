/**
 * How a saga ended, as its submitter learns it: outputs, or an error that keeps the original one as its cause.
 */
import { rebuild } from '../core/described-error.js'
import type { Chunk, Json, StoredError } from '../core/entry.js'
import { SagaRolledBackError } from '../core/errors.js'
import { indexOf, outputsOf, rolledBackSteps, type State } from '../core/index.js'
import type { Tombstone } from '../store/store.js'

export type Outcome<Outputs = Readonly<Record<string, Json>>> =
  | {
      readonly status: 'committed'
      readonly outputs: Outputs
      /** The saga's id, if it was pruned: only its end is known, the outputs are gone. */
      readonly pruned?: string
    }
  | { readonly status: 'rolled_back'; readonly error: SagaRolledBackError }

/** A saga that has ended in this process, as its journal ends. */
export interface Ended {
  readonly state: State
  readonly tail: Chunk
}
export type OnEnd = (ended: Ended) => unknown

/** `thrown`: the errors that this process still remembers, by step. Without it they are rebuilt from the journal. */
export function outcomeOf(id: string, state: State, thrown?: ReadonlyMap<string, unknown>): Outcome {
  if (state.status === 'committed') return { status: 'committed', outputs: outputsOf(state) }
  return { status: 'rolled_back', error: rolledBackError(id, state, thrown) }
}

/** A pruned saga has left its end, and nothing else. */
export function outcomeOfPruned({ id, status }: Pick<Tombstone, 'id' | 'status'>): Outcome {
  if (status === 'committed') return { status, outputs: {}, pruned: id }
  return {
    status,
    error: new SagaRolledBackError(`saga ${id} was rolled back; it was pruned since`, {
      sagaId: id,
      reason: 'rejected',
      rolledBack: [],
    }),
  }
}

function rolledBackError(
  sagaId: string,
  state: State,
  thrown?: ReadonlyMap<string, unknown>,
): SagaRolledBackError {
  const reason = state.wayBack?.reason ?? 'rejected'
  const step = state.wayBack?.step
  const cause = causeOf(state, thrown)
  const details = {
    sagaId,
    reason,
    rolledBack: rolledBackSteps(state),
    ...(step === undefined ? {} : { step }),
    ...(cause === undefined ? {} : { cause }),
  }
  return withoutFrames(() => new SagaRolledBackError(sentence(sagaId, state, cause), details))
}

/** It is made when the store answers, so its frames would name nothing of the user's; and they take ten times as long as the rest. */
function withoutFrames<T>(make: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The error of the commit that failed: the very one that was thrown, as long as this process knows it. */
export function causeOf(state: State, thrown?: ReadonlyMap<string, unknown>): unknown {
  const step = state.wayBack?.step
  if (step === undefined) return undefined
  if (thrown?.has(step)) return thrown.get(step)
  const stored = lastErrorOf(state, step) ?? overdue(state, step)
  return stored ? rebuild(stored) : undefined
}

/** A commit that succeeded after its timeout, with no attempt left: it has failed without an error of its own. */
const overdue = (state: State, step: string): StoredError | undefined =>
  state.wayBack?.reason === 'timeout'
    ? { name: 'StepTimeoutError', message: `step ${step} succeeded only after its timeout`, code: 'TIMEOUT' }
    : undefined

const lastErrorOf = (state: State, step: string): StoredError | undefined =>
  state.steps[indexOf(state.plan, step)]?.commitFailures.last

const reasons = {
  rejected: 'was rejected',
  in_doubt: 'is in doubt',
  timeout: 'timed out',
  crash_loop: 'was open at three crashes',
  cancelled: 'was cancelled',
  deadline: 'passed its deadline',
} as const

function sentence(sagaId: string, state: State, cause: unknown): string {
  const { reason, step, message } = state.wayBack ?? { reason: 'rejected' as const }
  const who = step === undefined ? 'it' : `step ${step}`
  const spared = step !== undefined && state.steps[indexOf(state.plan, step)]?.spared === true
  if (spared) return `saga ${sagaId} was rolled back: ${who} never took effect, as its service says`
  const said = message ?? messageOf(cause)
  return `saga ${sagaId} was rolled back: ${who} ${reasons[reason]}${said ? `: ${said}` : ''}`
}

/** Looking at what was thrown may throw. */
function messageOf(cause: unknown): string {
  try {
    return cause instanceof Error ? String(cause.message) : ''
  } catch {
    return ''
  }
}
