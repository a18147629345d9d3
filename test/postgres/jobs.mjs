/**
 * The saga that most tests here run, in the test's own process and in others: two steps, told by its input how long they take
 * and whether the second refuses. Everything it does is written to a ledger.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { saga } from 'backstep'

/** `book` is a ledger; `signals` is told of each signal that aborts. */
export function jobSaga(book, signals = () => {}) {
  const commit = async (context, refuses) => {
    const { input, signal, sagaId, step } = context
    book.write(context, 'begun')
    signal.addEventListener('abort', () => signals(sagaId, step, signal.reason))
    if (input.ms > 0) await sleep(input.ms)
    book.write(context, refuses ? 'rejected' : 'committed')
    if (refuses) throw new Error('no')
    return { by: process.pid }
  }
  const rollback = async (context) => {
    book.write(context, 'begun')
    if (context.input.ms > 0) await sleep(context.input.ms)
    book.write(context, 'rolled_back')
  }
  // An attempt that was open when its process died waits this long before it is made again.
  const quick = { retry: { attempts: 1, min: 10, max: 50 }, rollbackRetry: { min: 10, max: 50 } }
  return saga('job', { keys: ({ keys }) => keys })
    .step('one', { commit: (context) => commit(context, false), rollback, ...quick })
    .step('two', { commit: (context) => commit(context, context.input.fails), rollback, ...quick })
}
