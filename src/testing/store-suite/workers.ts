/**
 * The store's contract as cases: workers that die, and those that only seem to (point 9).
 */
import type { Groups } from './bench.js'
import { committedEntry, Desk, order, trip } from './desk.js'
import { differs, like, same } from './judge.js'

export const workers: Groups = {
  '9: dead workers': {
    'a lease that ran out: taken over, and the renewal is superseded': async ({ desk, wait }) => {
      await desk.join('w', [trip], 200)
      await desk.join('v')
      const saga = await desk.submit({ start: 'w' })
      differs(saga.token, null)
      await wait(220)
      await desk.expect({ type: 'renew', worker: 'w', lease: 1_000 }, 'superseded')
      await desk.expect({ type: 'join', worker: 'w', lease: 1_000, offers: [trip] }, 'superseded')
      await desk.expect({ type: 'claim', worker: 'w', limit: 1 }, 'superseded')
      same(await desk.claimIds('v'), [saga.id])
      same(await desk.one(desk.appendOf(saga, [committedEntry()])), {
        type: 'superseded',
      })
    },

    'a renewal in time keeps it alive': async ({ desk, wait }) => {
      await desk.join('w', [trip], 400)
      await desk.join('v')
      const saga = await desk.submit({ start: 'w' })
      await desk.expect({ type: 'renew', worker: 'w', lease: 600_000 }, 'applied')
      await wait(420)
      same(await desk.claimIds('v'), [])
      await desk.add(saga)
    },

    'a renewal by another client counts, though this one has seen the lease before': async ({
      desk,
      open,
      wait,
    }) => {
      const other = new Desk(await open())
      // Long enough for what comes before the renewal, on a busy machine.
      await desk.join('w', [trip], 1_500)
      await other.join('v')
      same(await other.claimIds('v'), [])
      const saga = await desk.submit({ start: 'w' })
      await desk.expect({ type: 'renew', worker: 'w', lease: 600_000 }, 'applied')
      await wait(1_520)
      same(await other.claimIds('v'), [])
      like(await other.find(saga), { blocked: false, owner: 'w' })
    },

    'a dead owner whose saga nobody has taken may still write: its token holds': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      await desk.leave('w')
      await desk.add(saga)
    },

    'a worker that joins again offers what it says now': async ({ desk }) => {
      await desk.join('w', [trip])
      await desk.join('w', [order])
      const saga = await desk.submit()
      same(await desk.claimIds('w'), [])
      await desk.join('w', [trip, order])
      same(await desk.claimIds('w'), [saga.id])
    },
  },
}
