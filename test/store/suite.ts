/**
 * The store's contract as tests: every store passes all of them. Numbers in the names are the points of the contract in
 * src/store/store.ts, or scenarios.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '#dist/store/store.js'
import { anyHistory, History } from './admission-property.js'
import {
  claimAll,
  committedEntry,
  Desk,
  endedEntry,
  order,
  startedEntry,
  submission,
  summaryOf,
  trip,
} from './desk.js'

/** One set of data, and ways to it. */
export interface Place {
  /** A store over it, opened. Each call may be another client of the same data, or the same one. */
  open(): Promise<Store>
  /** Closes all of them. The data stays. */
  close(): Promise<void>
  remove(): Promise<void>
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export function storeSuite(name: string, makePlace: () => Promise<Place>, runs = 60): void {
  describe(`store contract: ${name}`, () => {
    let place: Place
    let store: Store
    let desk: Desk

    beforeEach(async () => {
      place = await makePlace()
      store = await place.open()
      desk = new Desk(store)
    })
    afterEach(async () => {
      await place.close()
      await place.remove()
    })

    describe('1: a call is one transaction', () => {
      it('answers each write, in order, and each sees the ones before it', async () => {
        await desk.join('w')
        const first = submission({ keys: ['k'], start: 'w' })
        const second = submission({ keys: ['k'], start: 'w' })
        const results = await store.apply([
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
        await desk.join('w')
        const nonsense = { type: 'nonsense' } as never
        const results = await store.apply([
          submission({ id: 'before' }),
          nonsense,
          submission({ id: 'after', start: 'w' }),
        ])
        expect(results.map(({ type }) => type)).toEqual(['applied', 'refused', 'applied'])
        expect(await store.find({ id: 'before' })).toMatchObject({ status: 'queued' })
        expect(await store.find({ id: 'after' })).toMatchObject({ status: 'running' })
      })

      it('no writes, no answers', async () => {
        expect(await store.apply([])).toEqual([])
      })

      it('what was acknowledged is there for the next one who opens', async () => {
        await desk.join('w')
        const saga = await desk.submit({ id: 'kept', start: 'w' })
        await desk.add(saga, [committedEntry(), startedEntry])
        await place.close()
        const again = new Desk(await place.open())
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
        const first = await desk.one(write)
        expect(await desk.one(write)).toEqual(first)
        expect(await store.list({ order: 'oldest', limit: 10 })).toHaveLength(1)
      })

      it('a submit that started, while the saga is still ours', async () => {
        await desk.join('w')
        const write = submission({ start: 'w' })
        const first = await desk.one(write)
        expect(first).toHaveProperty('token')
        expect(await desk.one(write)).toEqual(first)
      })

      it('but without the token once another owns it', async () => {
        await desk.join('w')
        await desk.join('v')
        const write = submission({ start: 'w' })
        await desk.one(write)
        await desk.leave('w')
        expect(await desk.claim('v')).toHaveLength(1)
        expect(await desk.one(write)).toEqual({ type: 'applied', n: 1 })
      })

      it('a submit that queued and was claimed since: the claim has answered, not the submit', async () => {
        await desk.join('w')
        const blocker = await desk.submit({ keys: ['k'], start: 'w' })
        const write = submission({ keys: ['k'], start: 'w' })
        const first = await desk.one(write)
        await desk.end(blocker)
        expect(await desk.claim('w')).toHaveLength(1)
        expect(await desk.one(write)).toEqual(first)
      })

      it('an append, a replacement, a fact, the end', async () => {
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
          expect(await desk.one(write)).toEqual({ type: 'applied' })
          const before = await desk.find(saga)
          expect(await desk.one(write)).toEqual({ type: 'applied' })
          expect(await desk.find(saga)).toEqual(before)
        }
        expect((await desk.find(saga)).chunks).toHaveLength(4)
      })

      it('join, renew, leave and prune', async () => {
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
      })
    })

    describe('3: an append is conditional on token and seq', () => {
      it('a superseded owner writes nothing', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        await desk.park(saga, 0)
        const [taken] = await desk.claim('w')
        expect(taken?.token).toBeGreaterThan(saga.token ?? 0)
        const before = await desk.find(saga)
        const stale = desk.appendOf(saga, [endedEntry], {
          summary: summaryOf({ status: 'committed', stage: 'done' }),
        })
        expect(await desk.one(stale)).toEqual({ type: 'superseded' })
        expect(await desk.one({ ...stale, seq: saga.seq, replace: true })).toEqual({ type: 'superseded' })
        expect(await desk.one({ ...stale, token: (taken?.token ?? 0) + 1 })).toEqual({ type: 'superseded' })
        expect(await desk.find(saga)).toEqual(before)
      })

      it('a seq that is taken, or leaves a gap, is a conflict', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        await desk.add(saga)
        const before = await desk.find(saga)
        for (const seq of [0, 1, 3, 4, 1_000_000, -1]) {
          for (const token of [saga.token, null]) {
            const write = { ...desk.appendOf(saga, [committedEntry('other')]), seq, token }
            expect(await desk.one(write), `seq ${seq}`).toEqual({ type: 'conflict' })
          }
        }
        expect(await desk.find(saga)).toEqual(before)
      })

      it('only the last chunk can be replaced', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        await desk.add(saga)
        await desk.add(saga)
        for (const seq of [0, 1, 3]) {
          const write = desk.appendOf(saga, [committedEntry('other')], { seq, replace: true })
          expect(await desk.one(write), `seq ${seq}`).toEqual({ type: 'conflict' })
          expect(await desk.one({ ...write, token: null }), `seq ${seq}`).toEqual({ type: 'conflict' })
        }
        await desk.expect(
          desk.appendOf(saga, [committedEntry('newer')], { seq: 2, replace: true, at: 7 }),
          'applied',
        )
        expect((await desk.find(saga)).chunks.at(-1)).toEqual({
          seq: 2,
          at: 7,
          entries: [committedEntry('newer')],
        })
      })

      it('of two who add at the same place one lands', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        const mine = desk.appendOf(saga, [committedEntry('mine')])
        const fact = { ...desk.appendOf(saga, [committedEntry('fact')]), token: null }
        const results = await store.apply([fact, mine])
        expect(results.map(({ type }) => type)).toEqual(['applied', 'conflict'])
      })

      it('a saga that does not exist', async () => {
        const nobody = { id: 'x', n: 4711, keys: [], token: 1, seq: 0 }
        expect(await desk.one(desk.appendOf(nobody, [committedEntry()]))).toEqual({ type: 'superseded' })
        expect(await desk.one({ ...desk.appendOf(nobody, [committedEntry()]), token: null })).toEqual({
          type: 'conflict',
        })
      })

      it('a summary that comes with a chunk that does not land is not applied', async () => {
        await desk.join('w')
        const saga = await desk.submit({ keys: ['k'], start: 'w' })
        const late = desk.appendOf(saga, [endedEntry], {
          seq: 5,
          summary: summaryOf({ status: 'committed', stage: 'done' }),
        })
        await desk.expect(late, 'conflict')
        expect(await desk.find(saga)).toMatchObject({ status: 'running', stage: 'holding' })
        expect(await desk.submit({ keys: ['k'], start: 'w' })).toMatchObject({ token: null })
      })
    })

    describe('4: numbers grow in order of submission', () => {
      it('within a call, across calls and clients', async () => {
        const other = new Desk(await place.open())
        const [a, b] = await store.apply([submission(), submission()])
        const c = await other.submit()
        const d = await desk.submit()
        const numbers = [a, b]
          .map((result) => (result?.type === 'applied' ? (result.n ?? 0) : 0))
          .concat(c.n, d.n)
        expect(numbers).toEqual([...numbers].sort((x, y) => x - y))
        expect(new Set(numbers).size).toBe(4)
      })

      it('and are never given again, not even after the last one is pruned', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        await desk.end(saga)
        await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
        await place.close()
        const again = new Desk(await place.open())
        expect((await again.submit()).n).toBeGreaterThan(saga.n)
      })

      it('an id is taken once: another uid is a conflict, also after its tombstone', async () => {
        await desk.join('w')
        const saga = await desk.submit({ id: 'order-7', start: 'w' })
        expect(await desk.one(submission({ id: 'order-7', uid: 'other' }))).toEqual({ type: 'conflict' })
        await desk.end(saga)
        expect(await desk.one(submission({ id: 'order-7', uid: 'other' }))).toEqual({ type: 'conflict' })
        await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
        expect(await desk.one(submission({ id: 'order-7', uid: 'other' }))).toEqual({ type: 'conflict' })
        expect(await store.find({ id: 'order-7' })).toEqual({
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
        for (const id of odd) await desk.submit({ id, uid: `u${id}` })
        for (const id of odd) expect(await store.find({ id })).toMatchObject({ id })
        expect(await store.list({ order: 'oldest', limit: 100 })).toHaveLength(odd.length)
      })
    })

    describe('5 and 6: who may start', () => {
      it('scenario 38: without keys, one at a time in order of submission', async () => {
        await desk.join('w')
        const ids = ['s1', 's2', 's3', 's4']
        for (const id of ids) await desk.submit({ id, keys: null, start: 'w' })
        for (const id of ids) {
          if (id !== 's1') expect(await desk.claimIds('w')).toEqual([id])
          expect(await desk.claimIds('w')).toEqual([])
          const { n, token, chunks } = (await store.find({ id })) as never as {
            n: number
            token: number
            chunks: unknown[]
          }
          await desk.end({ id, n, keys: null, token, seq: chunks.length - 1 })
        }
      })

      it('scenario 38: a saga without keys overlaps with none that has some', async () => {
        await desk.join('w')
        const keyed = await desk.submit({ keys: ['k'], start: 'w' })
        const alone = await desk.submit({ keys: null, start: 'w' })
        const later = await desk.submit({ keys: ['z'], start: 'w' })
        const free = await desk.submit({ keys: [], start: 'w' })
        expect([keyed, alone, later, free].map(({ token }) => token !== null)).toEqual([
          true,
          false,
          false,
          false,
        ])
        expect(await desk.claimIds('w')).toEqual([])
        await desk.end(keyed)
        expect(await desk.claimIds('w')).toEqual([alone.id])
        await desk.end(await known(alone))
        expect((await desk.claimIds('w')).sort()).toEqual([later.id, free.id].sort())
      })

      it('scenario 39: sagas that share a key never overlap, others do', async () => {
        await desk.join('w')
        const ab = await desk.submit({ keys: ['a', 'b'], start: 'w' })
        const c = await desk.submit({ keys: ['c'], start: 'w' })
        const bc = await desk.submit({ keys: ['b', 'c'], start: 'w' })
        const a = await desk.submit({ keys: ['a'], start: 'w' })
        const d = await desk.submit({ keys: ['d'], start: 'w' })
        expect([ab, c, bc, a, d].map(({ token }) => token !== null)).toEqual([true, true, false, false, true])
        await desk.end(ab)
        expect(await desk.claimIds('w')).toEqual([a.id])
        await desk.end(c)
        expect(await desk.claimIds('w')).toEqual([bc.id])
      })

      it('a waiting saga reserves its free keys against later ones: no starvation', async () => {
        await desk.join('w')
        const holder = await desk.submit({ keys: ['a'], start: 'w' })
        const both = await desk.submit({ keys: ['a', 'b'], start: 'w' })
        const later = await desk.submit({ keys: ['b'], start: 'w' })
        expect(later.token).toBeNull()
        expect(await desk.claimIds('w')).toEqual([])
        await desk.end(holder)
        expect(await desk.claimIds('w')).toEqual([both.id])
        await desk.end(await known(both))
        expect(await desk.claimIds('w')).toEqual([later.id])
      })

      it('scenario 40: who shares nothing with a stuck saga passes those that wait for it', async () => {
        await desk.join('w')
        const stuck = await desk.submit({ keys: ['a'], start: 'w' })
        const behind = await desk.submit({ keys: ['a', 'b'], start: 'w' })
        const passes = await desk.submit({ keys: ['b'], start: 'w' })
        const waits = await desk.submit({ keys: ['a', 'c'], start: 'w' })
        expect(passes.token).toBeNull()
        await desk.setStuck(stuck, true)
        expect(await desk.claimIds('w')).toEqual([passes.id])
        const new_ = await desk.submit({ keys: ['c'], start: 'w' })
        expect(new_.token).not.toBeNull()
        await desk.setStuck(stuck, false)
        await desk.end(await known(passes))
        await desk.end(new_)
        const reserved = await desk.submit({ keys: ['b'], start: 'w' })
        expect(reserved.token).toBeNull()
        expect(await desk.claimIds('w')).toEqual([])
        await desk.end(stuck)
        expect(await desk.claimIds('w')).toEqual([behind.id])
        await desk.end(await known(behind))
        expect((await desk.claimIds('w')).sort()).toEqual([waits.id, reserved.id].sort())
      })

      it('scenario 40: a saga that is stuck, recovers and is stuck again lets others pass again', async () => {
        await desk.join('w')
        const stuck = await desk.submit({ keys: ['a'], start: 'w' })
        await desk.submit({ keys: ['a', 'b'], start: 'w' })
        await desk.setStuck(stuck, true)
        expect(await desk.claimIds('w')).toEqual([])
        await desk.setStuck(stuck, false)
        const passes = await desk.submit({ keys: ['b'], start: 'w' })
        expect(passes.token).toBeNull()
        expect(await desk.claimIds('w')).toEqual([])
        await desk.setStuck(stuck, true)
        expect(await desk.claimIds('w')).toEqual([passes.id])
      })

      it('scenario 40: no wake-up is lost if a submit finds out first that somebody is stuck', async () => {
        await desk.join('w')
        const stuck = await desk.submit({ keys: ['a'], start: 'w' })
        await desk.submit({ keys: ['a', 'b'], start: 'w' })
        const passes = await desk.submit({ keys: ['b'], start: 'w' })
        expect(await desk.claimIds('w')).toEqual([])
        await desk.setStuck(stuck, true)
        expect((await desk.submit({ keys: ['b'], start: 'w' })).token).toBeNull()
        expect(await desk.claimIds('w')).toEqual([passes.id])
      })

      it('scenario 40: the same for one that is blocked in the middle', async () => {
        await desk.join('w', [trip])
        await desk.join('v', [order])
        await desk.submit({ keys: ['a'], definition: order, start: 'v' })
        await desk.submit({ keys: ['a', 'b'], start: 'w' })
        const passes = await desk.submit({ keys: ['b'], start: 'w' })
        expect(await desk.claimIds('w')).toEqual([])
        await desk.leave('v')
        expect(await desk.claimIds('w')).toEqual([passes.id])
      })

      it('scenario 40: in serial mode all wait for the stuck one', async () => {
        await desk.join('w')
        const stuck = await desk.submit({ keys: null, start: 'w' })
        const next = await desk.submit({ keys: null, start: 'w' })
        await desk.setStuck(stuck, true)
        expect(await desk.claimIds('w')).toEqual([])
        expect(await store.obstacles(next.n, 5)).toMatchObject([
          { n: stuck.n, stuck: true, stage: 'holding', key: null },
        ])
      })

      it('scenario 40: a saga without keys steps aside while a stuck one with keys holds', async () => {
        await desk.join('w')
        const stuck = await desk.submit({ keys: ['a'], start: 'w' })
        const alone = await desk.submit({ keys: null, start: 'w' })
        expect((await desk.submit({ keys: ['b'], start: 'w' })).token).toBeNull()
        await desk.setStuck(stuck, true)
        expect(await desk.claimIds('w')).toHaveLength(1)
        expect((await desk.submit({ keys: ['c'], start: 'w' })).token).not.toBeNull()
        expect(await store.obstacles(alone.n, 5)).toMatchObject([{ n: stuck.n }, {}, {}])
      })

      it('scenarios 21, 22: a blocked saga that has not started steps aside; one that has keeps its keys', async () => {
        await desk.join('w', [trip])
        await desk.join('v', [order])
        const held = await desk.submit({ keys: ['a'], definition: order, start: 'v' })
        const queued = await desk.submit({ keys: ['a', 'b'], definition: order })
        const later = await desk.submit({ keys: ['b'], start: 'w' })
        expect(later.token).toBeNull()
        await desk.leave('v')
        expect(await desk.claimIds('w')).toEqual([later.id])
        expect(await desk.submit({ keys: ['a'], start: 'w' })).toMatchObject({ token: null })
        expect(await desk.find(held)).toMatchObject({ blocked: true, stage: 'holding' })
        expect(await desk.find(queued)).toMatchObject({ blocked: true, stage: 'waiting' })
        await desk.join('u', [order])
        expect(await desk.claimIds('u')).toEqual([held.id])
        await desk.end(await known(held))
        await desk.end(await known(later))
        expect(await desk.find(queued)).toMatchObject({ blocked: false })
        expect(await desk.claimIds('u')).toEqual([queued.id])
      })

      it('a shape that differs is another definition', async () => {
        await desk.join('w', [{ ...trip, shape: 'flight > payment!' }])
        const saga = await desk.submit()
        expect(await desk.claimIds('w')).toEqual([])
        expect(await desk.find(saga)).toMatchObject({ blocked: true })
        await desk.join('v', [{ ...trip }])
        expect(await desk.claimIds('v')).toEqual([saga.id])
      })

      it('a cancelled queued saga gives way at once', async () => {
        await desk.join('w')
        const holder = await desk.submit({ keys: ['a'], start: 'w' })
        const middle = await desk.submit({ keys: ['a', 'b'] })
        const last = await desk.submit({ keys: ['b'] })
        expect(await desk.claimIds('w')).toEqual([])
        await desk.add(middle, [endedEntry], summaryOf({ status: 'rolled_back', stage: 'done' }), null)
        expect(await desk.claimIds('w')).toEqual([last.id])
        await desk.end(holder)
        expect(await desk.claimIds('w')).toEqual([])
      })

      it('a late saga takes its keys again, in its old place', async () => {
        await desk.join('w')
        const ended = await desk.submit({ keys: ['a'], start: 'w', deadline: 1 })
        await desk.end(ended)
        const holder = await desk.submit({ keys: ['a'], start: 'w' })
        const queued = await desk.submit({ keys: ['a'], start: 'w' })
        const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
        await desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
        expect(await desk.find(ended)).toMatchObject({
          status: 'rolling_back',
          stage: 'waiting',
          late: true,
          endedAt: null,
        })
        expect(await desk.claimIds('w')).toEqual([])
        await desk.end(holder)
        expect(await desk.claimIds('w')).toEqual([ended.id])
        expect(await desk.find(ended)).toMatchObject({ status: 'rolling_back', stage: 'holding' })
        await desk.end(await known(ended))
        expect(await desk.claimIds('w')).toEqual([queued.id])
      })

      it('a late saga without keys waits until nothing holds', async () => {
        await desk.join('w')
        const ended = await desk.submit({ keys: null, start: 'w' })
        await desk.end(ended)
        const holder = await desk.submit({ keys: ['a'], start: 'w' })
        const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
        await desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
        expect((await desk.submit({ keys: ['b'], start: 'w' })).token).toBeNull()
        expect(await desk.claimIds('w')).toEqual([])
        await desk.end(holder)
        expect(await desk.claimIds('w')).toEqual([ended.id])
      })

      it('an operator moves a waiting saga to a version that is offered', async () => {
        const newer = { ...trip, version: '2' }
        await desk.join('w', [newer])
        const saga = await desk.submit({ keys: ['a'] })
        expect(await desk.claimIds('w')).toEqual([])
        const summary = summaryOf({ status: 'queued', stage: 'waiting', definition: newer, dueIn: 0 })
        await desk.add(saga, [{ type: 'rebound', version: '2', shape: trip.shape }], summary, null)
        const [claimed] = await desk.claim('w')
        expect(claimed?.saga).toMatchObject({
          id: saga.id,
          definition: newer,
          status: 'running',
          stage: 'holding',
        })
      })

      it('an operator moves a held saga to a version that is offered', async () => {
        const newer = { ...trip, version: '2' }
        await desk.join('v', [trip])
        const saga = await desk.submit({ keys: ['a'], start: 'v' })
        await desk.leave('v')
        await desk.join('w', [newer])
        expect(await desk.claimIds('w')).toEqual([])
        await desk.add(
          saga,
          [{ type: 'rebound', version: '2', shape: trip.shape }],
          summaryOf({ definition: newer, dueIn: 0 }),
          null,
        )
        expect(await desk.claimIds('w')).toEqual([saga.id])
      })

      it('a saga that is moved to a version that nobody offers steps aside, waiting or held', async () => {
        const nowhere = { ...trip, version: 'none' }
        await desk.join('w')
        const held = await desk.submit({ keys: ['a'], start: 'w' })
        const waiting = await desk.submit({ keys: ['a', 'b'], start: 'w' })
        const first = await desk.submit({ keys: ['b', 'c'], start: 'w' })
        await desk.submit({ keys: ['a', 'd'], start: 'w' })
        const second = await desk.submit({ keys: ['d'], start: 'w' })
        expect(await desk.claimIds('w')).toEqual([])
        const entry = { type: 'rebound', version: 'none', shape: trip.shape } as const
        await desk.add(
          waiting,
          [entry],
          summaryOf({ status: 'queued', stage: 'waiting', definition: nowhere, dueIn: 0 }),
          null,
        )
        expect(await desk.claimIds('w')).toEqual([first.id])
        await desk.add(held, [entry], summaryOf({ definition: nowhere, dueIn: 0 }))
        expect(await desk.claimIds('w')).toEqual([second.id])
      })

      it('random histories start exactly what the model lets start, and wake all of it', async () => {
        let histories = 0
        let started = 0
        let waited = 0
        await fc.assert(
          fc.asyncProperty(anyHistory, async (moves) => {
            const own = await makePlace()
            try {
              const history = new History(await own.open(), `h${histories++}`)
              await history.play(moves)
              started += history.started
              waited += history.waited
            } finally {
              await own.close()
              await own.remove()
            }
          }),
          { numRuns: runs },
        )
        // A handful of histories may hold nothing of interest; many must.
        if (runs < 50) return
        expect(started).toBeGreaterThan(histories)
        expect(waited).toBeGreaterThan(0)
      }, 120_000)
    })

    describe('7: claims', () => {
      it('give only what the worker offers', async () => {
        await desk.join('w', [trip])
        await desk.join('v', [order])
        const a = await desk.submit()
        const b = await desk.submit({ definition: order })
        expect(await desk.claimIds('v')).toEqual([b.id])
        expect(await desk.claimIds('w')).toEqual([a.id])
      })

      it('give each saga to one worker, with tokens that only grow, whatever the saga', async () => {
        await desk.join('w')
        await desk.join('v')
        const tokens: number[] = []
        for (let i = 0; i < 3; i++) tokens.push((await desk.submit({ start: 'w' })).token ?? 0)
        for (let i = 0; i < 3; i++) await desk.submit()
        const first = await desk.claim('v', 2)
        const second = await desk.claim('w', 9)
        expect(first).toHaveLength(2)
        expect(second).toHaveLength(1)
        tokens.push(...[...first, ...second].map(({ token }) => token))
        expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
      })

      it('hand over the journal, and say that it runs', async () => {
        await desk.join('w')
        const saga = await desk.submit()
        const [claimed] = await desk.claim('w')
        expect(claimed?.saga).toMatchObject({
          id: saga.id,
          status: 'running',
          stage: 'holding',
          owner: 'w',
          blocked: false,
        })
        expect(claimed?.saga.chunks).toHaveLength(1)
        expect(claimed?.saga.token).toBe(claimed?.token)
      })

      it('a parked saga is given once it is due, not before', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        await desk.park(saga, 150)
        const { sagas, dueIn } = await desk.claimed('w')
        expect(sagas).toEqual([])
        expect(dueIn).toBeGreaterThan(0)
        expect(dueIn).toBeLessThanOrEqual(151)
        expect(await desk.find(saga)).toMatchObject({ owner: null })
        await wait((dueIn ?? 0) + 5)
        expect(await desk.claimIds('w')).toEqual([saga.id])
        expect(await desk.find(saga)).toMatchObject({ owner: 'w', dueAt: null })
      })

      it('what a dead worker owned is given at once', async () => {
        await desk.join('w')
        await desk.join('v')
        const sagas = [await desk.submit({ start: 'w' }), await desk.submit({ start: 'w' })]
        expect(await desk.claimIds('v')).toEqual([])
        await desk.leave('w')
        expect((await desk.claimIds('v')).sort()).toEqual(sagas.map(({ id }) => id).sort())
        expect(await desk.claimIds('v')).toEqual([])
      })

      it('a waiting saga past its deadline is given to be ended, and does not hold', async () => {
        await desk.join('w')
        const holder = await desk.submit({ keys: ['a'], start: 'w' })
        const late = await desk.submit({ keys: ['a', 'b'], deadline: Date.now() - 1_000 })
        const next = await desk.submit({ keys: ['b'] })
        const [claimed] = await desk.claim('w')
        expect(claimed?.saga).toMatchObject({ id: late.id, stage: 'waiting', status: 'queued' })
        expect(await desk.claimIds('w')).toEqual([])
        const owned = await store.owned('w')
        expect(owned).toContainEqual({ n: late.n, token: claimed?.token })
        await desk.add(
          { ...late, token: claimed?.token ?? 0 },
          [endedEntry],
          summaryOf({ status: 'rolled_back', stage: 'done' }),
        )
        expect(await desk.claimIds('w')).toEqual([next.id])
        await desk.end(holder)
      })

      it('also if it could start: whatever kind the claim looks at first, it is not started', async () => {
        await desk.join('w')
        const overdue: string[] = []
        for (let i = 0; i < 6; i++) overdue.push((await desk.submit({ deadline: Date.now() - 1_000 })).id)
        for (let i = 0; i < 6; i++) {
          const [claimed] = await desk.claim('w', 1)
          expect(overdue).toContain(claimed?.saga.id)
          expect(claimed?.saga).toMatchObject({ stage: 'waiting', status: 'queued', owner: 'w' })
        }
      })

      it('and is given again if that worker dies', async () => {
        await desk.join('w')
        await desk.join('v')
        await desk.submit({ keys: ['a'], start: 'v' })
        const late = await desk.submit({ keys: ['a'], deadline: Date.now() - 1_000 })
        expect(await desk.claimIds('w')).toEqual([late.id])
        await desk.leave('w')
        expect(await desk.claimIds('v')).toEqual([late.id])
      })

      it('a deadline ahead is part of what the claim says is due', async () => {
        await desk.join('w')
        await desk.submit({ keys: ['a'], start: 'w' })
        await desk.submit({ keys: ['a'], deadline: Date.now() + 60_000 })
        const { sagas, dueIn } = await desk.claimed('w')
        expect(sagas).toEqual([])
        expect(dueIn).toBeGreaterThan(50_000)
        expect(dueIn).toBeLessThanOrEqual(60_000)
      })

      it('13: a late saga sees no deadline any more', async () => {
        await desk.join('w')
        const ended = await desk.submit({ keys: ['a'], start: 'w', deadline: Date.now() - 1 })
        await desk.end(ended)
        const holder = await desk.submit({ keys: ['a'], start: 'w' })
        const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
        await desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
        expect(await desk.claimed('w')).toMatchObject({ sagas: [], dueIn: null })
        await desk.end(holder)
        expect((await desk.claim('w')).map(({ saga }) => saga.stage)).toEqual(['holding'])
      })

      it('neither the parked nor the waiting starve, one at a time or many', async () => {
        await desk.join('w')
        for (let i = 0; i < 20; i++) {
          const parked = await desk.submit({ id: `parked-${i}`, start: 'w' })
          await desk.park(parked, 0)
          await desk.submit({ id: `waiting-${i}` })
        }
        const one: string[] = []
        for (let i = 0; i < 16; i++) one.push(...(await desk.claimIds('w', 1)))
        expect(one).toHaveLength(16)
        expect(one.filter((id) => id.startsWith('parked')).length).toBeGreaterThanOrEqual(4)
        expect(one.filter((id) => id.startsWith('waiting')).length).toBeGreaterThanOrEqual(4)
        const many = await desk.claimIds('w', 10)
        expect(many).toHaveLength(10)
        expect(many.some((id) => id.startsWith('parked'))).toBe(true)
        expect(many.some((id) => id.startsWith('waiting'))).toBe(true)
        expect((await desk.claimIds('w', 100)).length).toBe(14)
      })

      it('waiting sagas start in order of submission', async () => {
        const queued: string[] = []
        for (let i = 0; i < 30; i++) queued.push((await desk.submit({ definition: i % 2 ? order : trip })).id)
        await desk.join('w', [trip, order])
        const started: string[] = []
        for (let i = 0; i < 10; i++) started.push(...(await desk.claimIds('w', 3)))
        expect(started).toEqual(queued)
      })

      it('a claim that asks for none takes none', async () => {
        await desk.join('w')
        const saga = await desk.submit()
        expect(await desk.claimed('w', 0)).toMatchObject({ sagas: [] })
        expect(await desk.find(saga)).toMatchObject({ stage: 'waiting', owner: null })
      })

      it('a worker that is unknown or has left gets nothing', async () => {
        await desk.submit()
        await desk.expect({ type: 'claim', worker: 'nobody', limit: 1 }, 'superseded')
        await desk.join('w')
        await desk.leave('w')
        await desk.expect({ type: 'claim', worker: 'w', limit: 1 }, 'superseded')
      })

      it('a claim whose answer was lost is found again', async () => {
        await desk.join('w')
        await desk.submit()
        const own = await desk.submit({ start: 'w' })
        const [claimed] = await desk.claim('w')
        const owned = await store.owned('w')
        expect([...owned].sort((a, b) => a.n - b.n)).toEqual([
          { n: claimed?.saga.n, token: claimed?.token },
          { n: own.n, token: own.token },
        ])
        expect(await store.owned('nobody')).toEqual([])
      })
    })

    describe('8: submit with a start', () => {
      it('begins at once, in the first chunk', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        expect(saga.token).not.toBeNull()
        const found = await desk.find(saga)
        expect(found).toMatchObject({ status: 'running', stage: 'holding', owner: 'w', token: saga.token })
        expect(found.chunks).toHaveLength(1)
        expect(found.chunks[0]?.entries.map(({ type }) => type)).toEqual(['submitted', 'started'])
      })

      it('or queues, and the start is dropped', async () => {
        await desk.join('w')
        await desk.submit({ keys: ['a'], start: 'w' })
        const saga = await desk.submit({ keys: ['a'], start: 'w' })
        expect(saga.token).toBeNull()
        const found = await desk.find(saga)
        expect(found).toMatchObject({ status: 'queued', stage: 'waiting', owner: null })
        expect(found.chunks[0]?.entries.map(({ type }) => type)).toEqual(['submitted'])
      })

      it('only queues for a worker that is not there, or does not offer it', async () => {
        expect((await desk.submit({ start: 'nobody' })).token).toBeNull()
        await desk.join('w', [order])
        expect((await desk.submit({ start: 'w' })).token).toBeNull()
        await desk.leave('w')
        expect((await desk.submit({ definition: order, start: 'w' })).token).toBeNull()
      })

      it('may end in the same write: a saga without steps', async () => {
        await desk.join('w')
        const write = submission({ keys: ['a'], start: 'w' })
        if (!write.start) throw new Error('no start')
        const summary = summaryOf({ status: 'committed', stage: 'done' })
        const result = await desk.one({ ...write, start: { ...write.start, entries: [endedEntry], summary } })
        expect(result).toHaveProperty('token')
        expect(await store.find({ id: write.id })).toMatchObject({
          status: 'committed',
          stage: 'done',
          owner: null,
        })
        expect((await desk.submit({ keys: ['a'], start: 'w' })).token).not.toBeNull()
      })
    })

    describe('9: dead workers', () => {
      it('a lease that ran out: taken over, and the renewal is superseded', async () => {
        await desk.join('w', [trip], 200)
        await desk.join('v')
        const saga = await desk.submit({ start: 'w' })
        expect(saga.token).not.toBeNull()
        await wait(220)
        await desk.expect({ type: 'renew', worker: 'w', lease: 1_000 }, 'superseded')
        await desk.expect({ type: 'claim', worker: 'w', limit: 1 }, 'superseded')
        expect(await desk.claimIds('v')).toEqual([saga.id])
        expect(await desk.one(desk.appendOf(saga, [committedEntry()]))).toEqual({ type: 'superseded' })
      })

      it('a renewal in time keeps it alive', async () => {
        await desk.join('w', [trip], 400)
        await desk.join('v')
        const saga = await desk.submit({ start: 'w' })
        await desk.expect({ type: 'renew', worker: 'w', lease: 600_000 }, 'applied')
        await wait(420)
        expect(await desk.claimIds('v')).toEqual([])
        await desk.add(saga)
      })

      it('a dead owner whose saga nobody has taken may still write: its token holds', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        await desk.leave('w')
        await desk.add(saga)
      })

      it('a worker that joins again offers what it says now', async () => {
        await desk.join('w', [trip])
        await desk.join('w', [order])
        const saga = await desk.submit()
        expect(await desk.claimIds('w')).toEqual([])
        await desk.join('w', [trip, order])
        expect(await desk.claimIds('w')).toEqual([saga.id])
      })
    })

    describe('11 and 12: what others see and add', () => {
      it('another client sees it at once', async () => {
        const other = new Desk(await place.open())
        await desk.join('w')
        const saga = await desk.submit({ keys: ['a'], start: 'w' })
        expect(await other.find(saga)).toEqual(await desk.find(saga))
        await other.join('v')
        expect((await other.submit({ keys: ['a'], start: 'v' })).token).toBeNull()
        await desk.end(saga)
        expect(await other.claim('v')).toHaveLength(1)
      })

      it('a fact is noticed by the owner, once, and changes no owner', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        const cancel = summaryOf({ status: 'rolling_back', dueIn: 0 })
        await desk.add({ ...saga }, [{ type: 'rolling_back', reason: 'cancelled' }], cancel, null)
        expect(await desk.find(saga)).toMatchObject({ owner: 'w', status: 'rolling_back', dueAt: null })
        expect(await desk.claimed('w')).toMatchObject({ sagas: [], noticed: [saga.n] })
        expect(await desk.claimed('w', 0)).toMatchObject({ noticed: [] })
        await desk.add({ ...saga, seq: 1 })
      })

      it('a fact makes a parked saga due when it says so', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        await desk.park(saga, 1e9)
        await desk.add(saga, [{ type: 'retry_requested' }], summaryOf({ dueIn: 0 }), null)
        expect(await desk.claimIds('w')).toEqual([saga.id])
      })

      it('a fact for a waiting saga that has been claimed meanwhile does not let go of its keys', async () => {
        await desk.join('w')
        const saga = await desk.submit({ keys: ['a'] })
        const summary = summaryOf({ status: 'queued', stage: 'waiting', dueIn: 0 })
        const fact = { ...desk.appendOf(saga, [{ type: 'retry_requested' }], { summary }), token: null }
        const [claimed] = await desk.claim('w')
        expect(claimed?.saga.id).toBe(saga.id)
        await desk.expect(fact, 'applied')
        expect(await desk.find(saga)).toMatchObject({
          stage: 'holding',
          status: 'running',
          owner: 'w',
          token: claimed?.token,
        })
        expect((await desk.submit({ keys: ['a'], start: 'w' })).token).toBeNull()
      })

      it('a waiting saga cancelled at the moment it is claimed: it ends, its claim is in vain, its keys are free', async () => {
        await desk.join('w')
        const saga = await desk.submit({ keys: ['a'] })
        const summary = summaryOf({ status: 'rolled_back', stage: 'done' })
        const cancel = { ...desk.appendOf(saga, [endedEntry], { summary }), token: null }
        const [claimed] = await desk.claim('w')
        await desk.expect(cancel, 'applied')
        await desk.expect({ ...desk.appendOf(saga, [startedEntry]), token: claimed?.token ?? 0 }, 'conflict')
        expect((await desk.submit({ keys: ['a'], start: 'w' })).token).not.toBeNull()
      })

      it('payloads come back as they were written', async () => {
        await desk.join('w')
        const saga = await desk.submit({ start: 'w' })
        const output = {
          text: '\u2028 "quoted" \\ 😀 \u007f',
          deep: [[[{ a: null, 'b c': [1.5, -1e300, true] }]]],
          empty: {},
          none: [],
        }
        await desk.add(saga, [{ type: 'committed', step: 'flight', attempt: 1, output }])
        expect((await desk.find(saga)).chunks[1]?.entries).toEqual([
          { type: 'committed', step: 'flight', attempt: 1, output },
        ])
      })
    })

    describe('reading', () => {
      it('lists by pages, both ways, and filters', async () => {
        await desk.join('w', [trip])
        const sagas = []
        for (let i = 0; i < 6; i++)
          sagas.push(await desk.submit({ id: `l${i}`, ...(i < 4 ? { start: 'w' } : {}) }))
        const other = await desk.submit({ id: 'other', definition: order })
        const [a, b, c] = sagas
        if (!a || !b || !c) throw new Error('too few')
        await desk.end(a)
        await desk.add(b, [endedEntry], summaryOf({ status: 'rolled_back', stage: 'done', late: true }))
        await desk.setStuck(c, true)
        const ids = async (filter: object) =>
          (await store.list({ order: 'oldest', limit: 100, ...filter })).map(({ id }) => id)
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
        const saga = await desk.submit({ id: 'x' })
        expect(await store.find({ n: saga.n })).toMatchObject({
          id: 'x',
          submittedAt: 1_700_000_000_000,
          endedAt: null,
        })
        expect(await store.find({ n: 999 })).toBeUndefined()
        expect(await store.find({ id: 'y' })).toBeUndefined()
        const rows = await store.rows([saga.n, 999])
        expect(rows.map(({ id }) => id)).toEqual(['x'])
        expect(rows[0]).not.toHaveProperty('chunks')
      })

      it('says what a waiting saga waits for, the stuck one first', async () => {
        await desk.join('w')
        const a = await desk.submit({ keys: ['a'], start: 'w' })
        const b = await desk.submit({ keys: ['b'], start: 'w' })
        const c = await desk.submit({ keys: ['a', 'c'], start: 'w' })
        await desk.setStuck(b, true)
        const waiting = await desk.submit({ keys: ['a', 'b', 'c'], start: 'w' })
        expect(await store.obstacles(waiting.n, 9)).toEqual([
          { n: b.n, id: b.id, stage: 'holding', stuck: true, blocked: false, key: 'b' },
          { n: a.n, id: a.id, stage: 'holding', stuck: false, blocked: false, key: 'a' },
          { n: c.n, id: c.id, stage: 'waiting', stuck: false, blocked: false, key: 'c' },
        ])
        expect(await store.obstacles(waiting.n, 1)).toHaveLength(1)
        expect(await store.obstacles(a.n, 9)).toEqual([])
        expect(await store.obstacles(4711, 9)).toEqual([])
      })

      it('knows the definitions and its own health', async () => {
        const newer = { ...trip, version: '2', shape: 'flight' }
        await desk.join('w', [trip])
        await desk.submit({ definition: newer })
        await desk.end(await desk.submit({ start: 'w' }))
        expect(await store.definitions('trip')).toEqual([trip, newer])
        expect(await store.definitions('none')).toEqual([])
        const health = await store.health()
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
        await desk.join('w')
        const saga = await desk.submit({ id: 'gone', start: 'w' })
        await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'superseded')
        await desk.end(saga)
        await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
        expect(await store.find({ id: 'gone' })).toMatchObject({ inputHash: 'h', status: 'committed' })
        expect(await store.find({ n: saga.n })).toBeUndefined()
        expect(await store.list({ order: 'newest', limit: 9 })).toEqual([])
        expect(await desk.one(desk.appendOf(saga, [committedEntry()]))).toEqual({ type: 'superseded' })
        expect((await store.health()).counts.committed).toBe(0)
      })
    })

    it('a long queue on one key is handed out one by one, in order', async () => {
      await desk.join('w')
      const writes = Array.from({ length: 300 }, (_, i) =>
        submission({ id: `q${i}`, keys: i % 3 === 0 ? ['hot', `own-${i}`] : ['hot'] }),
      )
      await store.apply(writes)
      for (let i = 0; i < 300; i++) {
        const claimed = await claimAll(desk, 'w')
        expect(claimed.map(({ saga }) => saga.id)).toEqual([`q${i}`])
        const [only] = claimed
        if (!only) throw new Error('none')
        const { n, id } = only.saga
        await desk.end({ id, n, keys: writes[i]?.keys ?? null, token: only.token, seq: 0 })
      }
    })

    /** What the present owner of a saga knows of it. */
    async function known(saga: { readonly n: number; readonly keys: readonly string[] | null }) {
      const { id, n, token, chunks } = await desk.find(saga)
      return { id, n, keys: saga.keys, token, seq: chunks.length - 1 }
    }
  })
}
