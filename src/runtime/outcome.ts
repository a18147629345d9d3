/**
 * Judges what a call did: committed, rejected or in doubt.
 *
 * Invariants
 * - A commit that throws says that it had no effect, unless its answer was lost, its signal had been aborted, it threw InDoubt,
 *   or its errors cannot be trusted (`throws: 'in_doubt'`). `Rejected` is always a rejection, but for one thrown after the abort,
 *   and final unless it says when to try again.
 * - An output that cannot be stored means that the effect happened: in doubt, and no other attempt would end better.
 */
import { answerLost } from '../core/connection-errors.js'
import { describe } from '../core/described-error.js'
import type { StoredError } from '../core/entry.js'
import { isInDoubt, isRejected, retryAfterOf } from '../core/errors.js'
import { storable } from '../core/json.js'
import type { StepPlan } from '../core/plan.js'
import type { CallResult, VerifyAnswer } from '../core/settle.js'
import { isPending, readVerdict } from '../definition/answers.js'
import type { Heard, Overrun } from './call.js'

export function judgeCommit(heard: Heard, policy: StepPlan): CallResult {
  if (heard.is === 'silent') return inDoubt(heard.overrun, overrunError(heard.overrun, policy, 'commit'))
  if (heard.is === 'threw') return judgeThrown(heard, policy)
  if (isPending(heard.value)) return { is: 'pending', checkAfter: heard.value.checkAfter }
  const stored = storable(heard.value, 'output')
  if (stored.ok) return { is: 'returned', output: stored.value, overdue: heard.overrun === 'timeout' }
  return {
    is: 'failed',
    outcome: 'in_doubt',
    cause: 'unstorable',
    error: {
      name: 'UnstorableOutputError',
      message: `the commit of step ${policy.name} returned what cannot be stored: ${stored.path} ${stored.reason}`,
      code: 'UNSTORABLE',
    },
    final: true,
  }
}

function judgeThrown(heard: Heard & { is: 'threw' }, policy: StepPlan): CallResult {
  const { thrown, overrun } = heard
  if (overrun) return inDoubt(overrun, overrunError(overrun, policy, 'commit', thrown))
  if (isRejected(thrown)) {
    const retryAfter = retryAfterOf(thrown)
    const error = describe(thrown)
    return retryAfter === undefined
      ? { is: 'failed', outcome: 'rejected', cause: 'thrown', error, final: true }
      : { is: 'failed', outcome: 'rejected', cause: 'thrown', error, final: false, retryAfter }
  }
  const doubtful = isInDoubt(thrown) || policy.throws === 'in_doubt' || answerLost(thrown)
  return {
    is: 'failed',
    outcome: doubtful ? 'in_doubt' : 'rejected',
    cause: 'thrown',
    error: describe(thrown),
    final: false,
  }
}

/** A rollback only counts when it says that it is done; whatever it returns beyond that is not kept. */
export function judgeRollback(heard: Heard, policy: StepPlan): CallResult {
  if (heard.is === 'silent') return inDoubt(heard.overrun, overrunError(heard.overrun, policy, 'rollback'))
  if (heard.is === 'threw') {
    const { thrown, overrun } = heard
    if (overrun) return inDoubt(overrun, overrunError(overrun, policy, 'rollback', thrown))
    const retryAfter = retryAfterOf(thrown)
    const failed = inDoubt('thrown', describe(thrown))
    return retryAfter === undefined ? failed : { ...failed, retryAfter }
  }
  if (isPending(heard.value)) return { is: 'pending', checkAfter: heard.value.checkAfter }
  return { is: 'returned', output: undefined, overdue: false }
}

/** A verify that throws, hangs or answers nonsense says nothing. */
export function judgeVerify(heard: Heard, policy: StepPlan): VerifyAnswer {
  if (heard.is === 'silent') return { is: 'unknown', error: overrunError(heard.overrun, policy, 'verify') }
  if (heard.is === 'threw') return { is: 'unknown', error: describe(heard.thrown) }
  const verdict = readVerdict(heard.value)
  if (verdict === 'never' || verdict === 'unknown') return { is: verdict }
  if (verdict === undefined) {
    return unreadable(`the verify of step ${policy.name} returned no verdict`)
  }
  const stored = storable(verdict.committed, 'committed')
  if (stored.ok) return { is: 'committed', output: stored.value }
  return unreadable(
    `the verify of step ${policy.name} returned what cannot be stored: ${stored.path} ${stored.reason}`,
  )
}

const unreadable = (message: string): VerifyAnswer => ({
  is: 'unknown',
  error: { name: 'VerifyError', message, code: 'BAD_VERDICT' },
})

const inDoubt = (cause: Overrun | 'thrown', error: StoredError): CallResult & { readonly is: 'failed' } => ({
  is: 'failed',
  outcome: 'in_doubt',
  cause,
  error,
  final: false,
})

function overrunError(overrun: Overrun, policy: StepPlan, direction: string, thrown?: unknown): StoredError {
  const cause = thrown === undefined || isEcho(thrown) ? {} : { cause: describe(thrown) }
  return overrun === 'timeout'
    ? {
        name: 'StepTimeoutError',
        message: `the ${direction} of step ${policy.name} took longer than ${policy.timeout} ms`,
        code: 'TIMEOUT',
        ...cause,
      }
    : {
        name: 'AbortError',
        message: `the ${direction} of step ${policy.name} was aborted`,
        code: 'ABORTED',
        ...cause,
      }
}

/** Most calls answer an abort by throwing its reason back: that adds nothing. */
function isEcho(thrown: unknown): boolean {
  try {
    const { name, code } = thrown as { name?: unknown; code?: unknown }
    return name === 'AbortError' || name === 'StepTimeoutError' || code === 'ABORT_ERR'
  } catch {
    return false
  }
}
