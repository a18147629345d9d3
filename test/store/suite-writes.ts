/** The store's contract as tests: writes: transactions, repetition, tokens and places, numbers (points 1 to 4). */
import { describe, expect, it } from 'vitest'
import { type Bench, committedEntry, Desk, endedEntry, startedEntry, submission, summaryOf } from './desk.js'

export function writesSuite(bench: Bench): void {
  describe('1: a call is one transaction', () => {
    it('answers each write, in order, and each sees the ones before it', async () => {
      await bench.desk.join('w')
      const first = submission({ keys: ['k'], start: 'w' })
      const second = submission({ keys: ['k'], start: 'w' })
      const results = await bench.store.apply([
        first,
        second,
        { type: 'claim', worker: 'w', limit: 9 },
        { type: 'renew', worker: 'w', lease: 1e6 },
      ])
      expect(results.map(({ type }) => type)).toEqual(['applied', 'applied', 'claimed', 'applied'])
      expect(results[0]).toHaveProperty('token')
      expect(results[1]).not.toHaveProperty('token')
      expect(results[2]).toMatchObject({ sagas: [] })
    })

    it('a bad write is refused and harms no other', async () => {
      await bench.desk.join('w')
      const nonsense = { type: 'nonsense' } as never
      const results = await bench.store.apply([
        submission({ id: 'before' }),
        nonsense,
        submission({ id: 'after', start: 'w' }),
      ])
      expect(results.map(({ type }) => type)).toEqual(['applied', 'refused', 'applied'])
      expect(await bench.store.find({ id: 'before' })).toMatchObject({ status: 'queued' })
      expect(await bench.store.find({ id: 'after' })).toMatchObject({ status: 'running' })
    })

    it('no writes, no answers', async () => {
      expect(await bench.store.apply([])).toEqual([])
    })

    it('what was acknowledged is there for the next one who opens', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ id: 'kept', start: 'w' })
      await bench.desk.add(saga, [committedEntry(), startedEntry])
      await bench.place.close()
      const again = new Desk(await bench.place.open())
      const found = await again.find(saga)
      expect(found.chunks.map(({ seq, entries }) => [seq, entries.length])).toEqual([
        [0, 2],
        [1, 2],
      ])
      expect(found).toMatchObject({
        id: 'kept',
        n: saga.n,
        status: 'running',
        stage: 'holding',
        token: saga.token,
      })
    })
  })

  describe('2: a write that is already in place is answered as it was the first time', () => {
    it('a submit that only queued', async () => {
      const write = submission()
      const first = await bench.desk.one(write)
      expect(await bench.desk.one(write)).toEqual(first)
      expect(await bench.store.list({ order: 'oldest', limit: 10 })).toHaveLength(1)
    })

    it('a submit that started, while the saga is still ours', async () => {
      await bench.desk.join('w')
      const write = submission({ start: 'w' })
      const first = await bench.desk.one(write)
      expect(first).toHaveProperty('token')
      expect(await bench.desk.one(write)).toEqual(first)
    })

    it('but without the token once another owns it', async () => {
      await bench.desk.join('w')
      await bench.desk.join('v')
      const write = submission({ start: 'w' })
      await bench.desk.one(write)
      await bench.desk.leave('w')
      expect(await bench.desk.claim('v')).toHaveLength(1)
      expect(await bench.desk.one(write)).toEqual({ type: 'applied', n: 1 })
    })

    it('a submit that queued and was claimed since: the claim has answered, not the submit', async () => {
      await bench.desk.join('w')
      const blocker = await bench.desk.submit({ keys: ['k'], start: 'w' })
      const write = submission({ keys: ['k'], start: 'w' })
      const first = await bench.desk.one(write)
      await bench.desk.end(blocker)
      expect(await bench.desk.claim('w')).toHaveLength(1)
      expect(await bench.desk.one(write)).toEqual(first)
    })

    it('an append, a replacement, a fact, the end', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      const writes = [
        bench.desk.appendOf(saga, [committedEntry('a')]),
        bench.desk.appendOf(saga, [committedEntry('b')], { replace: true }),
        bench.desk.appendOf({ ...saga, seq: 1 }, [committedEntry('c')], { token: null }),
        bench.desk.appendOf({ ...saga, seq: 2 }, [endedEntry], {
          summary: summaryOf({ status: 'committed', stage: 'done' }),
        }),
      ]
      for (const write of writes) {
        expect(await bench.desk.one(write)).toEqual({ type: 'applied' })
        const before = await bench.desk.find(saga)
        expect(await bench.desk.one(write)).toEqual({ type: 'applied' })
        expect(await bench.desk.find(saga)).toEqual(before)
      }
      expect((await bench.desk.find(saga)).chunks).toHaveLength(4)
    })

    it('join, renew, leave and prune', async () => {
      await bench.desk.join('w')
      await bench.desk.join('w')
      await bench.desk.expect({ type: 'renew', worker: 'w', lease: 1e6 }, 'applied')
      await bench.desk.expect({ type: 'renew', worker: 'w', lease: 1e6 }, 'applied')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.end(saga)
      await bench.desk.leave('w')
      await bench.desk.leave('w')
      await bench.desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      await bench.desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
    })
  })

  describe('3: an append is conditional on token and seq', () => {
    it('a superseded owner writes nothing', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.park(saga, 0)
      const [taken] = await bench.desk.claim('w')
      expect(taken?.token).toBeGreaterThan(saga.token ?? 0)
      const before = await bench.desk.find(saga)
      const stale = bench.desk.appendOf(saga, [endedEntry], {
        summary: summaryOf({ status: 'committed', stage: 'done' }),
      })
      expect(await bench.desk.one(stale)).toEqual({ type: 'superseded' })
      expect(await bench.desk.one({ ...stale, seq: saga.seq, replace: true })).toEqual({ type: 'superseded' })
      expect(await bench.desk.one({ ...stale, token: (taken?.token ?? 0) + 1 })).toEqual({
        type: 'superseded',
      })
      expect(await bench.desk.find(saga)).toEqual(before)
    })

    it('a seq that is taken, or leaves a gap, is a conflict', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.add(saga)
      const before = await bench.desk.find(saga)
      for (const seq of [0, 1, 3, 4, 1_000_000, -1]) {
        for (const token of [saga.token, null]) {
          const write = { ...bench.desk.appendOf(saga, [committedEntry('other')]), seq, token }
          expect(await bench.desk.one(write), `seq ${seq}`).toEqual({ type: 'conflict' })
        }
      }
      expect(await bench.desk.find(saga)).toEqual(before)
    })

    it('only the last chunk can be replaced', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.add(saga)
      await bench.desk.add(saga)
      for (const seq of [0, 1, 3]) {
        const write = bench.desk.appendOf(saga, [committedEntry('other')], { seq, replace: true })
        expect(await bench.desk.one(write), `seq ${seq}`).toEqual({ type: 'conflict' })
        expect(await bench.desk.one({ ...write, token: null }), `seq ${seq}`).toEqual({ type: 'conflict' })
      }
      await bench.desk.expect(
        bench.desk.appendOf(saga, [committedEntry('newer')], { seq: 2, replace: true, at: 7 }),
        'applied',
      )
      expect((await bench.desk.find(saga)).chunks.at(-1)).toEqual({
        seq: 2,
        at: 7,
        entries: [committedEntry('newer')],
      })
    })

    it('of two who add at the same place one lands', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      const mine = bench.desk.appendOf(saga, [committedEntry('mine')])
      const fact = { ...bench.desk.appendOf(saga, [committedEntry('fact')]), token: null }
      const results = await bench.store.apply([fact, mine])
      expect(results.map(({ type }) => type)).toEqual(['applied', 'conflict'])
    })

    it('a saga that does not exist', async () => {
      const nobody = { id: 'x', n: 4711, keys: [], token: 1, seq: 0 }
      expect(await bench.desk.one(bench.desk.appendOf(nobody, [committedEntry()]))).toEqual({
        type: 'superseded',
      })
      expect(
        await bench.desk.one({ ...bench.desk.appendOf(nobody, [committedEntry()]), token: null }),
      ).toEqual({
        type: 'conflict',
      })
    })

    it('a summary that comes with a chunk that does not land is not applied', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ keys: ['k'], start: 'w' })
      const late = bench.desk.appendOf(saga, [endedEntry], {
        seq: 5,
        summary: summaryOf({ status: 'committed', stage: 'done' }),
      })
      await bench.desk.expect(late, 'conflict')
      expect(await bench.desk.find(saga)).toMatchObject({ status: 'running', stage: 'holding' })
      expect(await bench.desk.submit({ keys: ['k'], start: 'w' })).toMatchObject({ token: null })
    })
  })

  describe('4: numbers grow in order of submission', () => {
    it('within a call, across calls and clients', async () => {
      const other = new Desk(await bench.place.open())
      const [a, b] = await bench.store.apply([submission(), submission()])
      const c = await other.submit()
      const d = await bench.desk.submit()
      const numbers = [a, b]
        .map((result) => (result?.type === 'applied' ? (result.n ?? 0) : 0))
        .concat(c.n, d.n)
      expect(numbers).toEqual([...numbers].sort((x, y) => x - y))
      expect(new Set(numbers).size).toBe(4)
    })

    it('and are never given again, not even after the last one is pruned', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.end(saga)
      await bench.desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      await bench.place.close()
      const again = new Desk(await bench.place.open())
      expect((await again.submit()).n).toBeGreaterThan(saga.n)
    })

    it('an id is taken once: another uid is a conflict, also after its tombstone', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ id: 'order-7', start: 'w' })
      expect(await bench.desk.one(submission({ id: 'order-7', uid: 'other' }))).toEqual({ type: 'conflict' })
      await bench.desk.end(saga)
      expect(await bench.desk.one(submission({ id: 'order-7', uid: 'other' }))).toEqual({ type: 'conflict' })
      await bench.desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      expect(await bench.desk.one(submission({ id: 'order-7', uid: 'other' }))).toEqual({ type: 'conflict' })
      expect(await bench.store.find({ id: 'order-7' })).toEqual({
        id: 'order-7',
        inputHash: 'h',
        status: 'committed',
        endedAt: 1_700_000_000_500,
      })
    })

    it('scenario 16: odd ids are found again byte for byte', async () => {
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
      for (const id of odd) await bench.desk.submit({ id, uid: `u${id}` })
      for (const id of odd) expect(await bench.store.find({ id })).toMatchObject({ id })
      expect(await bench.store.list({ order: 'oldest', limit: 100 })).toHaveLength(odd.length)
    })
  })
}
