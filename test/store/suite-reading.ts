/** The store's contract as tests: what others see and add, and what is read (points 11 and 12). */
import { describe, expect, it } from 'vitest'
import { type Bench, committedEntry, Desk, endedEntry, order, startedEntry, summaryOf, trip } from './desk.js'

export function readingSuite(bench: Bench): void {
  describe('11 and 12: what others see and add', () => {
    it('another client sees it at once', async () => {
      const other = new Desk(await bench.place.open())
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ keys: ['a'], start: 'w' })
      expect(await other.find(saga)).toEqual(await bench.desk.find(saga))
      await other.join('v')
      expect((await other.submit({ keys: ['a'], start: 'v' })).token).toBeNull()
      await bench.desk.end(saga)
      expect(await other.claim('v')).toHaveLength(1)
    })

    it('a fact is noticed by the owner, once, and changes no owner', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      const cancel = summaryOf({ status: 'rolling_back', dueIn: 0 })
      await bench.desk.add({ ...saga }, [{ type: 'rolling_back', reason: 'cancelled' }], cancel, null)
      expect(await bench.desk.find(saga)).toMatchObject({ owner: 'w', status: 'rolling_back', dueAt: null })
      expect(await bench.desk.claimed('w')).toMatchObject({ sagas: [], noticed: [saga.n] })
      expect(await bench.desk.claimed('w', 0)).toMatchObject({ noticed: [] })
      await bench.desk.add({ ...saga, seq: 1 })
    })

    it('a fact makes a parked saga due when it says so', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.park(saga, 1e9)
      await bench.desk.add(saga, [{ type: 'retry_requested' }], summaryOf({ dueIn: 0 }), null)
      expect(await bench.desk.claimIds('w')).toEqual([saga.id])
    })

    it('a fact for a waiting saga that has been claimed meanwhile does not let go of its keys', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ keys: ['a'] })
      const summary = summaryOf({ status: 'queued', stage: 'waiting', dueIn: 0 })
      const fact = { ...bench.desk.appendOf(saga, [{ type: 'retry_requested' }], { summary }), token: null }
      const [claimed] = await bench.desk.claim('w')
      expect(claimed?.saga.id).toBe(saga.id)
      await bench.desk.expect(fact, 'applied')
      expect(await bench.desk.find(saga)).toMatchObject({
        stage: 'holding',
        status: 'running',
        owner: 'w',
        token: claimed?.token,
      })
      expect((await bench.desk.submit({ keys: ['a'], start: 'w' })).token).toBeNull()
    })

    it('a waiting saga cancelled at the moment it is claimed: it ends, its claim is in vain, its keys are free', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ keys: ['a'] })
      const summary = summaryOf({ status: 'rolled_back', stage: 'done' })
      const cancel = { ...bench.desk.appendOf(saga, [endedEntry], { summary }), token: null }
      const [claimed] = await bench.desk.claim('w')
      await bench.desk.expect(cancel, 'applied')
      await bench.desk.expect(
        { ...bench.desk.appendOf(saga, [startedEntry]), token: claimed?.token ?? 0 },
        'conflict',
      )
      expect((await bench.desk.submit({ keys: ['a'], start: 'w' })).token).not.toBeNull()
    })

    it('payloads come back as they were written', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      const output = {
        text: '\u2028 "quoted" \\ 😀 \u007f',
        deep: [[[{ a: null, 'b c': [1.5, -1e300, true] }]]],
        empty: {},
        none: [],
      }
      await bench.desk.add(saga, [{ type: 'committed', step: 'flight', attempt: 1, output }])
      expect((await bench.desk.find(saga)).chunks[1]?.entries).toEqual([
        { type: 'committed', step: 'flight', attempt: 1, output },
      ])
    })
  })

  describe('reading', () => {
    it('lists by pages, both ways, and filters', async () => {
      await bench.desk.join('w', [trip])
      const sagas = []
      for (let i = 0; i < 6; i++)
        sagas.push(await bench.desk.submit({ id: `l${i}`, ...(i < 4 ? { start: 'w' } : {}) }))
      const other = await bench.desk.submit({ id: 'other', definition: order })
      const [a, b, c] = sagas
      if (!a || !b || !c) throw new Error('too few')
      await bench.desk.end(a)
      await bench.desk.add(b, [endedEntry], summaryOf({ status: 'rolled_back', stage: 'done', late: true }))
      await bench.desk.setStuck(c, true)
      const ids = async (filter: object) =>
        (await bench.store.list({ order: 'oldest', limit: 100, ...filter })).map(({ id }) => id)
      expect(await ids({})).toEqual(['l0', 'l1', 'l2', 'l3', 'l4', 'l5', 'other'])
      expect(await ids({ order: 'newest', limit: 3 })).toEqual(['other', 'l5', 'l4'])
      expect(await ids({ order: 'newest', limit: 3, after: sagas[4]?.n })).toEqual(['l3', 'l2', 'l1'])
      expect(await ids({ limit: 2, after: sagas[1]?.n })).toEqual(['l2', 'l3'])
      expect(await ids({ status: ['queued'] })).toEqual(['l4', 'l5', 'other'])
      expect(await ids({ status: ['committed', 'rolling_back'] })).toEqual(['l0', 'l2'])
      expect(await ids({ name: 'order' })).toEqual([other.id])
      expect(await ids({ name: 'unknown' })).toEqual([])
      expect(await ids({ stuck: true })).toEqual(['l2'])
      expect(await ids({ stuck: false, status: ['running'] })).toEqual(['l3'])
      expect(await ids({ blocked: true })).toEqual(['other'])
      expect(await ids({ blocked: false })).toEqual(['l0', 'l1', 'l2', 'l3', 'l4', 'l5'])
      expect(await ids({ late: true })).toEqual(['l1'])
      expect(await ids({ endedBefore: 1_700_000_000_501 })).toEqual(['l0', 'l1'])
      expect(await ids({ endedBefore: 1_700_000_000_500 })).toEqual([])
      expect(await ids({ limit: 0 })).toEqual([])
    })

    it('finds by number, rows without journals, and nothing for what is not there', async () => {
      const saga = await bench.desk.submit({ id: 'x' })
      expect(await bench.store.find({ n: saga.n })).toMatchObject({
        id: 'x',
        submittedAt: 1_700_000_000_000,
        endedAt: null,
      })
      expect(await bench.store.find({ n: 999 })).toBeUndefined()
      expect(await bench.store.find({ id: 'y' })).toBeUndefined()
      const rows = await bench.store.rows([saga.n, 999])
      expect(rows.map(({ id }) => id)).toEqual(['x'])
      expect(rows[0]).not.toHaveProperty('chunks')
    })

    it('says what a waiting saga waits for, the stuck one first', async () => {
      await bench.desk.join('w')
      const a = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const b = await bench.desk.submit({ keys: ['b'], start: 'w' })
      const c = await bench.desk.submit({ keys: ['a', 'c'], start: 'w' })
      await bench.desk.setStuck(b, true)
      const waiting = await bench.desk.submit({ keys: ['a', 'b', 'c'], start: 'w' })
      expect(await bench.store.obstacles(waiting.n, 9)).toEqual([
        { n: b.n, id: b.id, stage: 'holding', stuck: true, blocked: false, key: 'b' },
        { n: a.n, id: a.id, stage: 'holding', stuck: false, blocked: false, key: 'a' },
        { n: c.n, id: c.id, stage: 'waiting', stuck: false, blocked: false, key: 'c' },
      ])
      expect(await bench.store.obstacles(waiting.n, 1)).toHaveLength(1)
      expect(await bench.store.obstacles(a.n, 9)).toEqual([])
      expect(await bench.store.obstacles(4711, 9)).toEqual([])
    })

    it('knows the definitions and its own health', async () => {
      const newer = { ...trip, version: '2', shape: 'flight' }
      await bench.desk.join('w', [trip])
      await bench.desk.submit({ definition: newer })
      await bench.desk.end(await bench.desk.submit({ start: 'w' }))
      expect(await bench.store.definitions('trip')).toEqual([trip, newer])
      expect(await bench.store.definitions('none')).toEqual([])
      const health = await bench.store.health()
      expect(health.counts).toEqual({
        queued: 1,
        running: 0,
        rolling_back: 0,
        committed: 1,
        rolled_back: 0,
        stuck: 0,
        blocked: 1,
      })
      expect(health.workers).toEqual([{ worker: 'w', alive: true, offers: [trip] }])
      expect(health.problems).toEqual([])
      expect(health.engine).not.toBe('')
    })

    it('prunes only what has ended, and keeps a tombstone', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ id: 'gone', start: 'w' })
      await bench.desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'superseded')
      await bench.desk.end(saga)
      await bench.desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      expect(await bench.store.find({ id: 'gone' })).toMatchObject({ inputHash: 'h', status: 'committed' })
      expect(await bench.store.find({ n: saga.n })).toBeUndefined()
      expect(await bench.store.list({ order: 'newest', limit: 9 })).toEqual([])
      expect(await bench.desk.one(bench.desk.appendOf(saga, [committedEntry()]))).toEqual({
        type: 'superseded',
      })
      expect((await bench.store.health()).counts.committed).toBe(0)
    })
  })
}
