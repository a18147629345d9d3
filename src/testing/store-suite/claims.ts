/**
 * The store's contract as cases: claims, and submits that start (points 7, 8, 10 and 13).
 */
import type { Groups } from './bench.js'
import { endedEntry, order, submission, summaryOf, trip } from './desk.js'
import { above, atLeast, atMost, contains, differs, has, like, same } from './judge.js'

export const claims: Groups = {
  '7: claims': {
    'give only what the worker offers': async ({ desk }) => {
      await desk.join('w', [trip])
      await desk.join('v', [order])
      const a = await desk.submit()
      const b = await desk.submit({ definition: order })
      same(await desk.claimIds('v'), [b.id])
      same(await desk.claimIds('w'), [a.id])
    },

    'give each saga to one worker, with tokens that only grow, whatever the saga': async ({ desk }) => {
      await desk.join('w')
      await desk.join('v')
      const tokens: number[] = []
      for (let i = 0; i < 3; i++) tokens.push((await desk.submit({ start: 'w' })).token ?? 0)
      for (let i = 0; i < 3; i++) await desk.submit()
      const first = await desk.claim('v', 2)
      const second = await desk.claim('w', 9)
      same(first.length, 2)
      same(second.length, 1)
      tokens.push(...[...first, ...second].map(({ token }) => token))
      same(
        tokens,
        [...new Set(tokens)].sort((a, b) => a - b),
      )
    },

    'hand over the journal, and say that it runs': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit()
      const [claimed] = await desk.claim('w')
      like(claimed?.saga, {
        id: saga.id,
        status: 'running',
        stage: 'holding',
        owner: 'w',
        blocked: false,
      })
      same(claimed?.saga.chunks.length, 1)
      same(claimed?.saga.token, claimed?.token)
    },

    'a parked saga is given once it is due, not before': async ({ desk, wait }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      await desk.park(saga, 150)
      const { sagas, dueIn } = await desk.claimed('w')
      same(sagas, [])
      above(dueIn, 0)
      atMost(dueIn, 151)
      like(await desk.find(saga), { owner: null })
      await wait((dueIn ?? 0) + 5)
      same(await desk.claimIds('w'), [saga.id])
      like(await desk.find(saga), { owner: 'w', dueAt: null })
    },

    'what a dead worker owned is given at once': async ({ desk }) => {
      await desk.join('w')
      await desk.join('v')
      const sagas = [await desk.submit({ start: 'w' }), await desk.submit({ start: 'w' })]
      same(await desk.claimIds('v'), [])
      await desk.leave('w')
      same((await desk.claimIds('v')).sort(), sagas.map(({ id }) => id).sort())
      same(await desk.claimIds('v'), [])
    },

    'a waiting saga past its deadline is given to be ended, and does not hold': async ({
      desk,
      store,
      now,
    }) => {
      await desk.join('w')
      const holder = await desk.submit({ keys: ['a'], start: 'w' })
      const late = await desk.submit({ keys: ['a', 'b'], deadline: now() - 1_000 })
      const next = await desk.submit({ keys: ['b'] })
      const [claimed] = await desk.claim('w')
      like(claimed?.saga, { id: late.id, stage: 'waiting', status: 'queued' })
      same(await desk.claimIds('w'), [])
      const owned = await store.owned('w')
      contains(owned, { n: late.n, token: claimed?.token })
      await desk.add(
        { ...late, token: claimed?.token ?? 0 },
        [endedEntry],
        summaryOf({ status: 'rolled_back', stage: 'done' }),
      )
      same(await desk.claimIds('w'), [next.id])
      await desk.end(holder)
    },

    'also if it could start: whatever kind the claim looks at first, it is not started': async ({
      desk,
      now,
    }) => {
      await desk.join('w')
      const overdue: string[] = []
      for (let i = 0; i < 6; i++) overdue.push((await desk.submit({ deadline: now() - 1_000 })).id)
      for (let i = 0; i < 6; i++) {
        const [claimed] = await desk.claim('w', 1)
        contains(overdue, claimed?.saga.id)
        like(claimed?.saga, { stage: 'waiting', status: 'queued', owner: 'w' })
      }
    },

    'and is given again if that worker dies': async ({ desk, now }) => {
      await desk.join('w')
      await desk.join('v')
      await desk.submit({ keys: ['a'], start: 'v' })
      const late = await desk.submit({ keys: ['a'], deadline: now() - 1_000 })
      same(await desk.claimIds('w'), [late.id])
      await desk.leave('w')
      same(await desk.claimIds('v'), [late.id])
    },

    'a deadline ahead is part of what the claim says is due': async ({ desk, now }) => {
      await desk.join('w')
      await desk.submit({ keys: ['a'], start: 'w' })
      await desk.submit({ keys: ['a'], deadline: now() + 60_000 })
      const { sagas, dueIn } = await desk.claimed('w')
      same(sagas, [])
      above(dueIn, 50_000)
      atMost(dueIn, 60_000)
    },

    '13: a late saga sees no deadline any more': async ({ desk, now }) => {
      await desk.join('w')
      const ended = await desk.submit({ keys: ['a'], start: 'w', deadline: now() - 1 })
      await desk.end(ended)
      const holder = await desk.submit({ keys: ['a'], start: 'w' })
      const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
      await desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
      like(await desk.claimed('w'), { sagas: [], dueIn: null })
      await desk.end(holder)
      same(
        (await desk.claim('w')).map(({ saga }) => saga.stage),
        ['holding'],
      )
    },

    'neither the parked nor the waiting starve, one at a time or many': async ({ desk }) => {
      await desk.join('w')
      for (let i = 0; i < 20; i++) {
        const parked = await desk.submit({ id: `parked-${i}`, start: 'w' })
        await desk.park(parked, 0)
        await desk.submit({ id: `waiting-${i}` })
      }
      const one: string[] = []
      for (let i = 0; i < 16; i++) one.push(...(await desk.claimIds('w', 1)))
      same(one.length, 16)
      atLeast(one.filter((id) => id.startsWith('parked')).length, 4)
      atLeast(one.filter((id) => id.startsWith('waiting')).length, 4)
      const many = await desk.claimIds('w', 10)
      same(many.length, 10)
      same(
        many.some((id) => id.startsWith('parked')),
        true,
      )
      same(
        many.some((id) => id.startsWith('waiting')),
        true,
      )
      same((await desk.claimIds('w', 100)).length, 14)
    },

    'nor do those of one definition, if another has more than a claim takes': async ({ desk }) => {
      await desk.join('w', [trip, order])
      for (let i = 0; i < 12; i++) {
        const definition = i < 10 ? trip : order
        await desk.park(await desk.submit({ definition, start: 'w' }), 0)
      }
      const names: string[] = []
      for (let i = 0; i < 8; i++)
        names.push(...(await desk.claim('w', 1)).map(({ saga }) => saga.definition.name))
      same(names.filter((name) => name === 'order').length, 2)
    },

    'waiting sagas start in order of submission': async ({ desk }) => {
      const queued: string[] = []
      for (let i = 0; i < 30; i++) queued.push((await desk.submit({ definition: i % 2 ? order : trip })).id)
      await desk.join('w', [trip, order])
      const started: string[] = []
      for (let i = 0; i < 10; i++) started.push(...(await desk.claimIds('w', 3)))
      same(started, queued)
    },

    'a claim that asks for none takes none': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit()
      like(await desk.claimed('w', 0), { sagas: [] })
      like(await desk.find(saga), { stage: 'waiting', owner: null })
    },

    'a worker that is unknown or has left gets nothing': async ({ desk }) => {
      await desk.submit()
      await desk.expect({ type: 'claim', worker: 'nobody', limit: 1 }, 'superseded')
      await desk.join('w')
      await desk.leave('w')
      await desk.expect({ type: 'claim', worker: 'w', limit: 1 }, 'superseded')
    },

    'a claim whose answer was lost is found again': async ({ desk, store }) => {
      await desk.join('w')
      await desk.submit()
      const own = await desk.submit({ start: 'w' })
      const [claimed] = await desk.claim('w')
      const owned = await store.owned('w')
      same(
        [...owned].sort((a, b) => a.n - b.n),
        [
          { n: claimed?.saga.n, token: claimed?.token },
          { n: own.n, token: own.token },
        ],
      )
      same(await store.owned('nobody'), [])
    },
  },

  '8: submit with a start': {
    'begins at once, in the first chunk': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      differs(saga.token, null)
      const found = await desk.find(saga)
      like(found, { status: 'running', stage: 'holding', owner: 'w', token: saga.token })
      same(found.chunks.length, 1)
      same(
        found.chunks[0]?.entries.map(({ type }) => type),
        ['submitted', 'started'],
      )
    },

    'or queues, and the start is dropped': async ({ desk }) => {
      await desk.join('w')
      await desk.submit({ keys: ['a'], start: 'w' })
      const saga = await desk.submit({ keys: ['a'], start: 'w' })
      same(saga.token, null)
      const found = await desk.find(saga)
      like(found, { status: 'queued', stage: 'waiting', owner: null })
      same(
        found.chunks[0]?.entries.map(({ type }) => type),
        ['submitted'],
      )
    },

    'only queues for a worker that is not there, or does not offer it': async ({ desk }) => {
      same((await desk.submit({ start: 'nobody' })).token, null)
      await desk.join('w', [order])
      same((await desk.submit({ start: 'w' })).token, null)
      await desk.leave('w')
      same((await desk.submit({ definition: order, start: 'w' })).token, null)
    },

    'may end in the same write: a saga without steps': async ({ desk, store }) => {
      await desk.join('w')
      const write = submission({ keys: ['a'], start: 'w' })
      if (!write.start) throw new Error('no start')
      const summary = summaryOf({ status: 'committed', stage: 'done' })
      const result = await desk.one({
        ...write,
        start: { ...write.start, entries: [endedEntry], summary },
      })
      has(result, 'token')
      like(await store.find({ id: write.id }), {
        status: 'committed',
        stage: 'done',
        owner: null,
      })
      differs((await desk.submit({ keys: ['a'], start: 'w' })).token, null)
    },
  },
}
