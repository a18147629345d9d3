/**
 * The sagas of the crash matrix. What a step does is a function of its attempt, so that every run draws the same faults.
 *
 * `committing` has a step that is rejected first, and a group of which one member loses its answer first: both are tried again.
 * `rolling` ends with a step that takes effect, loses its answer, and is then rejected; and with rollbacks that fail first.
 * `small` is one step that commits and one that is rejected, with one failing rollback.
 */
import { InDoubt, Rejected, saga, step } from 'backstep'

/** Longer than a flush takes: were a saga due in the very flush that parks it, it would pass fewer boundaries. */
const quick = { min: 30, max: 30, factor: 1 }

/** `point` is called before and after every effect. */
export function sagasOf(ledger, point) {
  const effect = (context, outcome) => {
    ledger.write(context, outcome)
    point(`after ${outcome} of ${context.step}`)
  }
  const begin = (context) => {
    ledger.write(context, 'begun')
    point(`before the ${'commitKey' in context ? 'rollback' : 'commit'} of ${context.step}`)
  }

  const commits = async (context) => {
    begin(context)
    effect(context, 'committed')
    return { of: context.step }
  }
  const rejectedOnce = async (context) => {
    begin(context)
    if (context.attempt === 1) {
      effect(context, 'rejected')
      throw new Error('not now')
    }
    effect(context, 'committed')
    return { of: context.step }
  }
  const answerLostOnce = async (context) => {
    begin(context)
    effect(context, 'committed')
    if (context.attempt === 1) throw new InDoubt('the answer was lost')
    return { of: context.step }
  }
  const lostThenRejected = async (context) => {
    begin(context)
    effect(context, context.attempt === 1 ? 'committed' : 'rejected')
    if (context.attempt === 1) throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    throw new Rejected('no')
  }
  const undoes = async (context) => {
    begin(context)
    effect(context, 'rolled_back')
  }
  const failsOnce = async (context) => {
    begin(context)
    if (context.attempt === 1) {
      effect(context, 'failed')
      throw new Error('not yet')
    }
    effect(context, 'rolled_back')
  }

  const patient = { retry: { attempts: 2, ...quick }, rollbackRetry: quick }
  const flight = { commit: rejectedOnce, rollback: failsOnce, ...patient }
  const members = () => ({
    hotel: step({ commit: commits, rollback: undoes, ...patient }),
    car: step({ commit: answerLostOnce, rollback: failsOnce, ...patient }),
  })
  const trip = (name) => saga(name).step('flight', flight).parallel(members())
  return {
    committing: trip('committing').step('payment', { commit: commits, rollback: undoes, ...patient }),
    rolling: trip('rolling').step('payment', { commit: lostThenRejected, rollback: failsOnce, ...patient }),
    small: saga('small')
      .step('seat', { commit: commits, rollback: failsOnce, ...patient })
      .step('charge', {
        commit: lostThenRejected,
        rollback: undoes,
        ...patient,
        retry: { attempts: 2, ...quick },
      }),
  }
}
