/**
 * The saga of the power cuts and the faults: four steps, two of them side by side. Its input says what goes wrong.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Rejected, saga, step } from 'backstep'

/** So short that a run is over soon, and longer than a flush: a saga is parked meanwhile. */
const quick = { min: 15, max: 30 }

/** `book` is a ledger. */
export function powerSaga(book) {
  const begin = async (context) => {
    book.write(context, 'begun')
    if (context.input.ms > 0) await sleep(context.input.ms)
  }
  const commit = async (context) => {
    await begin(context)
    book.write(context, 'committed')
    return { of: context.step, bulk: context.input.bulk }
  }
  const commitUnlessToldTo = async (context) => {
    await begin(context)
    book.write(context, context.input.fails ? 'rejected' : 'committed')
    if (context.input.fails) throw new Rejected('no')
  }
  const rollback = async (context) => {
    await begin(context)
    book.write(context, 'rolled_back')
  }
  /** Fails a few times first: its failures fold. */
  const clumsyRollback = async (context) => {
    await begin(context)
    const fails = context.attempt <= context.input.clumsy
    book.write(context, fails ? 'failed' : 'rolled_back')
    if (fails) throw new Error('not yet')
  }
  const policy = { retry: { attempts: 1, ...quick }, rollbackRetry: quick }
  return saga('power', { keys: ({ keys }) => keys })
    .step('first', { commit, rollback: clumsyRollback, ...policy })
    .parallel({
      left: step({ commit, rollback, ...policy }),
      right: step({ commit, rollback: clumsyRollback, ...policy }),
    })
    .step('last', { commit: commitUnlessToldTo, rollback, ...policy })
}
