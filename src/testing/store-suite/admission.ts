/**
 * The store's contract as cases: who may start (points 5 and 6).
 */
import type { Groups } from './bench.js'
import { claimAll, endedEntry, knownTo, order, submission, summaryOf, trip } from './desk.js'
import { differs, like, same } from './judge.js'

export const admission: Groups = {
  '5 and 6: who may start': {
    'scenario 38: without keys, one at a time in order of submission': async ({ desk, store }) => {
      await desk.join('w')
      const ids = ['s1', 's2', 's3', 's4']
      for (const id of ids) await desk.submit({ id, keys: null, start: 'w' })
      for (const id of ids) {
        if (id !== 's1') same(await desk.claimIds('w'), [id])
        same(await desk.claimIds('w'), [])
        const { n, token, chunks } = (await store.find({ id })) as never as {
          n: number
          token: number
          chunks: unknown[]
        }
        await desk.end({ id, n, keys: null, token, seq: chunks.length - 1 })
      }
    },

    'scenario 38: a saga without keys overlaps with none that has some': async ({ desk }) => {
      await desk.join('w')
      const keyed = await desk.submit({ keys: ['k'], start: 'w' })
      const alone = await desk.submit({ keys: null, start: 'w' })
      const later = await desk.submit({ keys: ['z'], start: 'w' })
      const free = await desk.submit({ keys: [], start: 'w' })
      same(
        [keyed, alone, later, free].map(({ token }) => token !== null),
        [true, false, false, false],
      )
      same(await desk.claimIds('w'), [])
      await desk.end(keyed)
      same(await desk.claimIds('w'), [alone.id])
      await desk.end(await knownTo(desk, alone))
      same((await desk.claimIds('w')).sort(), [later.id, free.id].sort())
    },

    'scenario 39: sagas that share a key never overlap, others do': async ({ desk }) => {
      await desk.join('w')
      const ab = await desk.submit({ keys: ['a', 'b'], start: 'w' })
      const c = await desk.submit({ keys: ['c'], start: 'w' })
      const bc = await desk.submit({ keys: ['b', 'c'], start: 'w' })
      const a = await desk.submit({ keys: ['a'], start: 'w' })
      const d = await desk.submit({ keys: ['d'], start: 'w' })
      same(
        [ab, c, bc, a, d].map(({ token }) => token !== null),
        [true, true, false, false, true],
      )
      await desk.end(ab)
      same(await desk.claimIds('w'), [a.id])
      await desk.end(c)
      same(await desk.claimIds('w'), [bc.id])
    },

    'a waiting saga reserves its free keys against later ones: no starvation': async ({ desk }) => {
      await desk.join('w')
      const holder = await desk.submit({ keys: ['a'], start: 'w' })
      const both = await desk.submit({ keys: ['a', 'b'], start: 'w' })
      const later = await desk.submit({ keys: ['b'], start: 'w' })
      same(later.token, null)
      same(await desk.claimIds('w'), [])
      await desk.end(holder)
      same(await desk.claimIds('w'), [both.id])
      await desk.end(await knownTo(desk, both))
      same(await desk.claimIds('w'), [later.id])
    },

    'scenario 40: who shares nothing with a stuck saga passes those that wait for it': async ({ desk }) => {
      await desk.join('w')
      const stuck = await desk.submit({ keys: ['a'], start: 'w' })
      const behind = await desk.submit({ keys: ['a', 'b'], start: 'w' })
      const passes = await desk.submit({ keys: ['b'], start: 'w' })
      const waits = await desk.submit({ keys: ['a', 'c'], start: 'w' })
      same(passes.token, null)
      await desk.setStuck(stuck, true)
      same(await desk.claimIds('w'), [passes.id])
      const new_ = await desk.submit({ keys: ['c'], start: 'w' })
      differs(new_.token, null)
      await desk.setStuck(stuck, false)
      await desk.end(await knownTo(desk, passes))
      await desk.end(new_)
      const reserved = await desk.submit({ keys: ['b'], start: 'w' })
      same(reserved.token, null)
      same(await desk.claimIds('w'), [])
      await desk.end(stuck)
      same(await desk.claimIds('w'), [behind.id])
      await desk.end(await knownTo(desk, behind))
      same((await desk.claimIds('w')).sort(), [waits.id, reserved.id].sort())
    },

    'scenario 40: a saga that is stuck, recovers and is stuck again lets others pass again': async ({
      desk,
    }) => {
      await desk.join('w')
      const stuck = await desk.submit({ keys: ['a'], start: 'w' })
      await desk.submit({ keys: ['a', 'b'], start: 'w' })
      await desk.setStuck(stuck, true)
      same(await desk.claimIds('w'), [])
      await desk.setStuck(stuck, false)
      const passes = await desk.submit({ keys: ['b'], start: 'w' })
      same(passes.token, null)
      same(await desk.claimIds('w'), [])
      await desk.setStuck(stuck, true)
      same(await desk.claimIds('w'), [passes.id])
    },

    'scenario 40: no wake-up is lost if a submit finds out first that somebody is stuck': async ({
      desk,
    }) => {
      await desk.join('w')
      const stuck = await desk.submit({ keys: ['a'], start: 'w' })
      await desk.submit({ keys: ['a', 'b'], start: 'w' })
      const passes = await desk.submit({ keys: ['b'], start: 'w' })
      same(await desk.claimIds('w'), [])
      await desk.setStuck(stuck, true)
      same((await desk.submit({ keys: ['b'], start: 'w' })).token, null)
      same(await desk.claimIds('w'), [passes.id])
    },

    'scenario 40: the same for one that is blocked in the middle': async ({ desk }) => {
      await desk.join('w', [trip])
      await desk.join('v', [order])
      await desk.submit({ keys: ['a'], definition: order, start: 'v' })
      await desk.submit({ keys: ['a', 'b'], start: 'w' })
      const passes = await desk.submit({ keys: ['b'], start: 'w' })
      same(await desk.claimIds('w'), [])
      await desk.leave('v')
      same(await desk.claimIds('w'), [passes.id])
    },

    'scenario 40: in serial mode all wait for the stuck one': async ({ desk, store }) => {
      await desk.join('w')
      const stuck = await desk.submit({ keys: null, start: 'w' })
      const next = await desk.submit({ keys: null, start: 'w' })
      await desk.setStuck(stuck, true)
      same(await desk.claimIds('w'), [])
      like(await store.obstacles(next.n, 5), [{ n: stuck.n, stuck: true, stage: 'holding', key: null }])
    },

    'scenario 40: a saga without keys steps aside while a stuck one with keys holds': async ({
      desk,
      store,
    }) => {
      await desk.join('w')
      const stuck = await desk.submit({ keys: ['a'], start: 'w' })
      const alone = await desk.submit({ keys: null, start: 'w' })
      same((await desk.submit({ keys: ['b'], start: 'w' })).token, null)
      await desk.setStuck(stuck, true)
      same((await desk.claimIds('w')).length, 1)
      differs((await desk.submit({ keys: ['c'], start: 'w' })).token, null)
      like(await store.obstacles(alone.n, 5), [{ n: stuck.n }, {}, {}])
    },

    'scenarios 21, 22: a blocked saga that has not started steps aside; one that has keeps its keys': async ({
      desk,
    }) => {
      await desk.join('w', [trip])
      await desk.join('v', [order])
      const held = await desk.submit({ keys: ['a'], definition: order, start: 'v' })
      const queued = await desk.submit({ keys: ['a', 'b'], definition: order })
      const later = await desk.submit({ keys: ['b'], start: 'w' })
      same(later.token, null)
      await desk.leave('v')
      same(await desk.claimIds('w'), [later.id])
      like(await desk.submit({ keys: ['a'], start: 'w' }), { token: null })
      like(await desk.find(held), { blocked: true, stage: 'holding' })
      like(await desk.find(queued), { blocked: true, stage: 'waiting' })
      await desk.join('u', [order])
      same(await desk.claimIds('u'), [held.id])
      await desk.end(await knownTo(desk, held))
      await desk.end(await knownTo(desk, later))
      like(await desk.find(queued), { blocked: false })
      same(await desk.claimIds('u'), [queued.id])
    },

    'a shape that differs is another definition': async ({ desk }) => {
      await desk.join('w', [{ ...trip, shape: 'flight > payment!' }])
      const saga = await desk.submit()
      same(await desk.claimIds('w'), [])
      like(await desk.find(saga), { blocked: true })
      await desk.join('v', [{ ...trip }])
      same(await desk.claimIds('v'), [saga.id])
    },

    'a cancelled queued saga gives way at once': async ({ desk }) => {
      await desk.join('w')
      const holder = await desk.submit({ keys: ['a'], start: 'w' })
      const middle = await desk.submit({ keys: ['a', 'b'] })
      const last = await desk.submit({ keys: ['b'] })
      same(await desk.claimIds('w'), [])
      await desk.add(middle, [endedEntry], summaryOf({ status: 'rolled_back', stage: 'done' }), null)
      same(await desk.claimIds('w'), [last.id])
      await desk.end(holder)
      same(await desk.claimIds('w'), [])
    },

    'a late saga takes its keys again, in its old place': async ({ desk }) => {
      await desk.join('w')
      const ended = await desk.submit({ keys: ['a'], start: 'w', deadline: 1 })
      await desk.end(ended)
      const holder = await desk.submit({ keys: ['a'], start: 'w' })
      const queued = await desk.submit({ keys: ['a'], start: 'w' })
      const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
      await desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
      like(await desk.find(ended), {
        status: 'rolling_back',
        stage: 'waiting',
        late: true,
        endedAt: null,
      })
      same(await desk.claimIds('w'), [])
      await desk.end(holder)
      same(await desk.claimIds('w'), [ended.id])
      like(await desk.find(ended), { status: 'rolling_back', stage: 'holding' })
      await desk.end(await knownTo(desk, ended))
      same(await desk.claimIds('w'), [queued.id])
    },

    'a late saga without keys waits until nothing holds': async ({ desk }) => {
      await desk.join('w')
      const ended = await desk.submit({ keys: null, start: 'w' })
      await desk.end(ended)
      const holder = await desk.submit({ keys: ['a'], start: 'w' })
      const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
      await desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
      same((await desk.submit({ keys: ['b'], start: 'w' })).token, null)
      same(await desk.claimIds('w'), [])
      await desk.end(holder)
      same(await desk.claimIds('w'), [ended.id])
    },

    'an operator moves a waiting saga to a version that is offered': async ({ desk }) => {
      const newer = { ...trip, version: '2' }
      await desk.join('w', [newer])
      const saga = await desk.submit({ keys: ['a'] })
      same(await desk.claimIds('w'), [])
      const summary = summaryOf({ status: 'queued', stage: 'waiting', definition: newer, dueIn: 0 })
      await desk.add(saga, [{ type: 'rebound', version: '2', shape: trip.shape }], summary, null)
      const [claimed] = await desk.claim('w')
      like(claimed?.saga, {
        id: saga.id,
        definition: newer,
        status: 'running',
        stage: 'holding',
      })
    },

    'an operator moves a held saga to a version that is offered': async ({ desk }) => {
      const newer = { ...trip, version: '2' }
      await desk.join('v', [trip])
      const saga = await desk.submit({ keys: ['a'], start: 'v' })
      await desk.leave('v')
      await desk.join('w', [newer])
      same(await desk.claimIds('w'), [])
      await desk.add(
        saga,
        [{ type: 'rebound', version: '2', shape: trip.shape }],
        summaryOf({ definition: newer, dueIn: 0 }),
        null,
      )
      same(await desk.claimIds('w'), [saga.id])
    },

    'a saga that is moved to a version that nobody offers steps aside, waiting or held': async ({ desk }) => {
      const nowhere = { ...trip, version: 'none' }
      await desk.join('w')
      const held = await desk.submit({ keys: ['a'], start: 'w' })
      const waiting = await desk.submit({ keys: ['a', 'b'], start: 'w' })
      const first = await desk.submit({ keys: ['b', 'c'], start: 'w' })
      await desk.submit({ keys: ['a', 'd'], start: 'w' })
      const second = await desk.submit({ keys: ['d'], start: 'w' })
      same(await desk.claimIds('w'), [])
      const entry = { type: 'rebound', version: 'none', shape: trip.shape } as const
      await desk.add(
        waiting,
        [entry],
        summaryOf({ status: 'queued', stage: 'waiting', definition: nowhere, dueIn: 0 }),
        null,
      )
      same(await desk.claimIds('w'), [first.id])
      await desk.add(held, [entry], summaryOf({ definition: nowhere, dueIn: 0 }))
      same(await desk.claimIds('w'), [second.id])
    },

    'a long queue on one key is handed out one by one, in order': async ({ desk, store }) => {
      await desk.join('w')
      const writes = Array.from({ length: 300 }, (_, i) =>
        submission({ id: `q${i}`, keys: i % 3 === 0 ? ['hot', `own-${i}`] : ['hot'] }),
      )
      await store.apply(writes)
      for (let i = 0; i < 300; i++) {
        const claimed = await claimAll(desk, 'w')
        same(
          claimed.map(({ saga }) => saga.id),
          [`q${i}`],
        )
        const [only] = claimed
        if (!only) throw new Error('none')
        const { n, id } = only.saga
        await desk.end({ id, n, keys: writes[i]?.keys ?? null, token: only.token, seq: 0 })
      }
    },
  },
}
