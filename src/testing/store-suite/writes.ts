/**
 * The store's contract as cases: repetition, tokens, places and numbers (points 1 to 4 and 14).
 */
import type { Groups } from './bench.js'
import { committedEntry, Desk, endedEntry, startedEntry, submission, summaryOf } from './desk.js'
import { above, has, lacks, like, same } from './judge.js'

export const writes: Groups = {
  '1: a call is one transaction': {
    'answers each write, in order, and each sees the ones before it': async ({ desk, store }) => {
      await desk.join('w')
      const first = submission({ keys: ['k'], start: 'w' })
      const second = submission({ keys: ['k'], start: 'w' })
      const results = await store.apply([
        first,
        second,
        { type: 'claim', worker: 'w', limit: 9 },
        { type: 'renew', worker: 'w', lease: 1e6 },
      ])
      same(
        results.map(({ type }) => type),
        ['applied', 'applied', 'claimed', 'applied'],
      )
      has(results[0], 'token')
      lacks(results[1], 'token')
      like(results[2], { sagas: [] })
    },

    'a bad write is refused and harms no other': async ({ desk, store }) => {
      await desk.join('w')
      const nonsense = { type: 'nonsense' } as never
      const results = await store.apply([
        submission({ id: 'before' }),
        nonsense,
        submission({ id: 'after', start: 'w' }),
      ])
      same(
        results.map(({ type }) => type),
        ['applied', 'refused', 'applied'],
      )
      like(await store.find({ id: 'before' }), { status: 'queued' })
      like(await store.find({ id: 'after' }), { status: 'running' })
    },

    'no writes, no answers': async ({ store }) => {
      same(await store.apply([]), [])
    },

    'what was acknowledged is there for the next one who opens': async ({ desk, open, close }) => {
      await desk.join('w')
      const saga = await desk.submit({ id: 'kept', start: 'w' })
      await desk.add(saga, [committedEntry(), startedEntry])
      await close()
      const again = new Desk(await open())
      const found = await again.find(saga)
      same(
        found.chunks.map(({ seq, entries }) => [seq, entries.length]),
        [
          [0, 2],
          [1, 2],
        ],
      )
      like(found, {
        id: 'kept',
        n: saga.n,
        status: 'running',
        stage: 'holding',
        token: saga.token,
      })
    },
  },

  '2: a write that is already in place is answered as it was the first time': {
    'a submit that only queued': async ({ desk, store }) => {
      const write = submission()
      const first = await desk.one(write)
      same(await desk.one(write), first)
      same((await store.list({ order: 'oldest', limit: 10 })).length, 1)
    },

    'a submit that started, while the saga is still ours': async ({ desk }) => {
      await desk.join('w')
      const write = submission({ start: 'w' })
      const first = await desk.one(write)
      has(first, 'token')
      same(await desk.one(write), first)
    },

    'but without the token once another owns it': async ({ desk }) => {
      await desk.join('w')
      await desk.join('v')
      const write = submission({ start: 'w' })
      await desk.one(write)
      await desk.leave('w')
      same((await desk.claim('v')).length, 1)
      same(await desk.one(write), { type: 'applied', n: 1 })
    },

    'a submit that queued and was claimed since: the claim has answered, not the submit': async ({
      desk,
    }) => {
      await desk.join('w')
      const blocker = await desk.submit({ keys: ['k'], start: 'w' })
      const write = submission({ keys: ['k'], start: 'w' })
      const first = await desk.one(write)
      await desk.end(blocker)
      same((await desk.claim('w')).length, 1)
      same(await desk.one(write), first)
    },

    'an append, a replacement, a fact, the end': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      const writes = [
        desk.appendOf(saga, [committedEntry('a')]),
        desk.appendOf(saga, [committedEntry('b')], { replace: true }),
        desk.appendOf({ ...saga, seq: 1 }, [committedEntry('c')], { token: null }),
        desk.appendOf({ ...saga, seq: 2 }, [endedEntry], {
          summary: summaryOf({ status: 'committed', stage: 'done' }),
        }),
      ]
      for (const write of writes) {
        same(await desk.one(write), { type: 'applied' })
        const before = await desk.find(saga)
        same(await desk.one(write), { type: 'applied' })
        same(await desk.find(saga), before)
      }
      same((await desk.find(saga)).chunks.length, 4)
    },

    'join, renew, leave and prune': async ({ desk }) => {
      await desk.join('w')
      await desk.join('w')
      await desk.expect({ type: 'renew', worker: 'w', lease: 1e6 }, 'applied')
      await desk.expect({ type: 'renew', worker: 'w', lease: 1e6 }, 'applied')
      const saga = await desk.submit({ start: 'w' })
      await desk.end(saga)
      await desk.leave('w')
      await desk.leave('w')
      await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
    },
  },

  '3: an append is conditional on token and seq': {
    'a superseded owner writes nothing': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      await desk.park(saga, 0)
      const [taken] = await desk.claim('w')
      above(taken?.token, saga.token ?? 0)
      const before = await desk.find(saga)
      const stale = desk.appendOf(saga, [endedEntry], {
        summary: summaryOf({ status: 'committed', stage: 'done' }),
      })
      same(await desk.one(stale), { type: 'superseded' })
      same(await desk.one({ ...stale, seq: saga.seq, replace: true }), { type: 'superseded' })
      same(await desk.one({ ...stale, token: (taken?.token ?? 0) + 1 }), {
        type: 'superseded',
      })
      same(await desk.find(saga), before)
    },

    'a seq that is taken, or leaves a gap, is a conflict': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      await desk.add(saga)
      const before = await desk.find(saga)
      for (const seq of [0, 1, 3, 4, 1_000_000, -1]) {
        for (const token of [saga.token, null]) {
          const write = { ...desk.appendOf(saga, [committedEntry('other')]), seq, token }
          same(await desk.one(write), { type: 'conflict' }, `seq ${seq}`)
        }
      }
      same(await desk.find(saga), before)
    },

    'only the last chunk can be replaced': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      await desk.add(saga)
      await desk.add(saga)
      for (const seq of [0, 1, 3]) {
        const write = desk.appendOf(saga, [committedEntry('other')], { seq, replace: true })
        same(await desk.one(write), { type: 'conflict' }, `seq ${seq}`)
        same(await desk.one({ ...write, token: null }), { type: 'conflict' }, `seq ${seq}`)
      }
      await desk.expect(
        desk.appendOf(saga, [committedEntry('newer')], { seq: 2, replace: true, at: 7 }),
        'applied',
      )
      same((await desk.find(saga)).chunks.at(-1), {
        seq: 2,
        at: 7,
        entries: [committedEntry('newer')],
      })
    },

    'of two who add at the same place one lands': async ({ desk, store }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      const mine = desk.appendOf(saga, [committedEntry('mine')])
      const fact = { ...desk.appendOf(saga, [committedEntry('fact')]), token: null }
      const results = await store.apply([fact, mine])
      same(
        results.map(({ type }) => type),
        ['applied', 'conflict'],
      )
    },

    'a saga that does not exist': async ({ desk }) => {
      const nobody = { id: 'x', n: 4711, keys: [], token: 1, seq: 0 }
      same(await desk.one(desk.appendOf(nobody, [committedEntry()])), {
        type: 'superseded',
      })
      same(await desk.one({ ...desk.appendOf(nobody, [committedEntry()]), token: null }), {
        type: 'conflict',
      })
    },

    'a summary that comes with a chunk that does not land is not applied': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ keys: ['k'], start: 'w' })
      const late = desk.appendOf(saga, [endedEntry], {
        seq: 5,
        summary: summaryOf({ status: 'committed', stage: 'done' }),
      })
      await desk.expect(late, 'conflict')
      like(await desk.find(saga), { status: 'running', stage: 'holding' })
      like(await desk.submit({ keys: ['k'], start: 'w' }), { token: null })
    },
  },

  '4: numbers grow in order of submission': {
    'within a call, across calls and clients': async ({ desk, store, open }) => {
      const other = new Desk(await open())
      const [a, b] = await store.apply([submission(), submission()])
      const c = await other.submit()
      const d = await desk.submit()
      const numbers = [a, b]
        .map((result) => (result?.type === 'applied' ? (result.n ?? 0) : 0))
        .concat(c.n, d.n)
      same(
        numbers,
        [...numbers].sort((x, y) => x - y),
      )
      same(new Set(numbers).size, 4)
    },

    'and are never given again, not even after the last one is pruned': async ({ desk, open, close }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      await desk.end(saga)
      await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      await close()
      const again = new Desk(await open())
      above((await again.submit()).n, saga.n)
    },

    'an id is taken once: another uid is a conflict, also after its tombstone': async ({ desk, store }) => {
      await desk.join('w')
      const saga = await desk.submit({ id: 'order-7', start: 'w' })
      same(await desk.one(submission({ id: 'order-7', uid: 'other' })), { type: 'conflict' })
      await desk.end(saga)
      same(await desk.one(submission({ id: 'order-7', uid: 'other' })), { type: 'conflict' })
      await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      same(await desk.one(submission({ id: 'order-7', uid: 'other' })), { type: 'conflict' })
      same(await store.find({ id: 'order-7' }), {
        id: 'order-7',
        inputHash: 'h',
        status: 'committed',
        endedAt: 1_700_000_000_500,
      })
    },

    'scenario 16: odd ids are found again byte for byte': async ({ desk, store }) => {
      const odd = [
        ' ',
        '../x',
        `x${'y'.repeat(10_000)}`,
        '😀',
        'a\u0000b',
        'a',
        "'; DROP TABLE sagas --",
        '__proto__',
        '\u00e4',
        'a\u0308',
      ]
      for (const id of odd) await desk.submit({ id, uid: `u${id}` })
      for (const id of odd) like(await store.find({ id }), { id })
      same((await store.list({ order: 'oldest', limit: 100 })).length, odd.length)
    },
  },
}
