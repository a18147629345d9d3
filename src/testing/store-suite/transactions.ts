/**
 * The store's contract as cases: sagas submitted inside a transaction of the user's own, for stores that offer it (`submitIn`).
 */
import type { Queryable, Store, SubmitWrite } from '../../store/store.js'
import type { Groups } from './bench.js'
import { submission, summaryOf } from './desk.js'
import { holds, like, same } from './judge.js'

type Submitted = Awaited<ReturnType<NonNullable<Store['submitIn']>>>

function submitIn(store: Store, tx: Queryable, write: SubmitWrite): Promise<Submitted> {
  holds(store.submitIn !== undefined, 'the subject has `begin`, and the store no submitIn')
  return (store.submitIn as NonNullable<Store['submitIn']>)(tx, write)
}

export const transactions: Groups = {
  'submitIn: a saga inside a transaction': {
    'it exists exactly if the transaction commits': async ({ store, begin }) => {
      const kept = await begin()
      const dropped = await begin()
      like(await submitIn(store, kept.tx, submission({ id: 'kept' })), { type: 'applied' })
      like(await submitIn(store, dropped.tx, submission({ id: 'dropped' })), { type: 'applied' })
      same(await store.find({ id: 'kept' }), undefined)
      await dropped.rollback()
      await kept.commit()
      like(await store.find({ id: 'kept' }), { id: 'kept', status: 'queued' })
      same(await store.find({ id: 'dropped' }), undefined)
    },

    'it only queues, and can be claimed once the transaction has committed': async ({
      store,
      desk,
      begin,
    }) => {
      await desk.join('w')
      const transaction = await begin()
      const answer = await submitIn(store, transaction.tx, submission({ id: 'queued', start: 'w' }))
      same(await desk.claimIds('w'), [])
      await transaction.commit()
      const n = answer.type === 'applied' ? answer.n : 0
      like(await desk.find({ n }), { id: 'queued', stage: 'waiting', owner: null, chunks: [{ seq: 0 }] })
      same(await desk.claimIds('w'), ['queued'])
    },

    'it waits for its keys like any other': async ({ store, desk, begin }) => {
      await desk.join('w')
      const holder = await desk.submit({ keys: ['a'], start: 'w' })
      const transaction = await begin()
      await submitIn(store, transaction.tx, submission({ id: 'second', keys: ['a', 'b'] }))
      await transaction.commit()
      same(await desk.claimIds('w'), [])
      same((await desk.submit({ keys: ['b'], start: 'w' })).token, null)
      await desk.end(holder)
      same(await desk.claimIds('w'), ['second'])
    },

    'an id that is taken is answered with its saga, or its tombstone': async ({ store, desk, begin }) => {
      await desk.join('w')
      const saga = await desk.submit({ id: 'taken', start: 'w' })
      const first = await begin()
      const again = await submitIn(store, first.tx, submission({ id: 'taken', uid: 'other' }))
      like(again, { type: 'exists', saga: { id: 'taken', n: saga.n } })
      await first.commit()
      const done = summaryOf({ status: 'rolled_back', stage: 'done' })
      await desk.add(saga, [{ type: 'ended', status: 'rolled_back' }], done)
      await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      const second = await begin()
      const pruned = await submitIn(store, second.tx, submission({ id: 'taken' }))
      like(pruned, { type: 'exists', saga: { id: 'taken', inputHash: 'h', status: 'rolled_back' } })
      await second.commit()
    },

    'what is no open transaction is refused, and nothing is stored': async ({ store, begin }) => {
      const { tx, rollback } = await begin()
      await rollback()
      const answer = await submitIn(store, tx, submission({ id: 'lone' })).catch((error: unknown) => error)
      like(answer, { code: 'BAD_INPUT' })
      same(await store.find({ id: 'lone' }), undefined)
    },
  },
}

const count = Object.values(transactions).reduce((sum, group) => sum + Object.keys(group).length, 0)

/** Instead of them, where the subject has no `begin`: no case passes that has shown nothing. */
export const noTransactions: Groups = {
  [`submitIn: not offered by this store, so ${count} cases are left out`]: {
    'there is none': async ({ store }) => {
      same(typeof store.submitIn, 'undefined', 'the store has submitIn: give the subject `begin`')
    },
  },
}
