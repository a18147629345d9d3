/** The store's contract as tests: claims, starts and dead workers (points 7 to 10, 13). */
import { describe, expect, it } from 'vitest'
import { type Bench, committedEntry, Desk, endedEntry, order, submission, summaryOf, trip } from './desk.js'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export function claimsSuite(bench: Bench): void {
  describe('7: claims', () => {
    it('give only what the worker offers', async () => {
      await bench.desk.join('w', [trip])
      await bench.desk.join('v', [order])
      const a = await bench.desk.submit()
      const b = await bench.desk.submit({ definition: order })
      expect(await bench.desk.claimIds('v')).toEqual([b.id])
      expect(await bench.desk.claimIds('w')).toEqual([a.id])
    })

    it('give each saga to one worker, with tokens that only grow, whatever the saga', async () => {
      await bench.desk.join('w')
      await bench.desk.join('v')
      const tokens: number[] = []
      for (let i = 0; i < 3; i++) tokens.push((await bench.desk.submit({ start: 'w' })).token ?? 0)
      for (let i = 0; i < 3; i++) await bench.desk.submit()
      const first = await bench.desk.claim('v', 2)
      const second = await bench.desk.claim('w', 9)
      expect(first).toHaveLength(2)
      expect(second).toHaveLength(1)
      tokens.push(...[...first, ...second].map(({ token }) => token))
      expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
    })

    it('hand over the journal, and say that it runs', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit()
      const [claimed] = await bench.desk.claim('w')
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
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.park(saga, 150)
      const { sagas, dueIn } = await bench.desk.claimed('w')
      expect(sagas).toEqual([])
      expect(dueIn).toBeGreaterThan(0)
      expect(dueIn).toBeLessThanOrEqual(151)
      expect(await bench.desk.find(saga)).toMatchObject({ owner: null })
      await wait((dueIn ?? 0) + 5)
      expect(await bench.desk.claimIds('w')).toEqual([saga.id])
      expect(await bench.desk.find(saga)).toMatchObject({ owner: 'w', dueAt: null })
    })

    it('what a dead worker owned is given at once', async () => {
      await bench.desk.join('w')
      await bench.desk.join('v')
      const sagas = [await bench.desk.submit({ start: 'w' }), await bench.desk.submit({ start: 'w' })]
      expect(await bench.desk.claimIds('v')).toEqual([])
      await bench.desk.leave('w')
      expect((await bench.desk.claimIds('v')).sort()).toEqual(sagas.map(({ id }) => id).sort())
      expect(await bench.desk.claimIds('v')).toEqual([])
    })

    it('a waiting saga past its deadline is given to be ended, and does not hold', async () => {
      await bench.desk.join('w')
      const holder = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const late = await bench.desk.submit({ keys: ['a', 'b'], deadline: Date.now() - 1_000 })
      const next = await bench.desk.submit({ keys: ['b'] })
      const [claimed] = await bench.desk.claim('w')
      expect(claimed?.saga).toMatchObject({ id: late.id, stage: 'waiting', status: 'queued' })
      expect(await bench.desk.claimIds('w')).toEqual([])
      const owned = await bench.store.owned('w')
      expect(owned).toContainEqual({ n: late.n, token: claimed?.token })
      await bench.desk.add(
        { ...late, token: claimed?.token ?? 0 },
        [endedEntry],
        summaryOf({ status: 'rolled_back', stage: 'done' }),
      )
      expect(await bench.desk.claimIds('w')).toEqual([next.id])
      await bench.desk.end(holder)
    })

    it('also if it could start: whatever kind the claim looks at first, it is not started', async () => {
      await bench.desk.join('w')
      const overdue: string[] = []
      for (let i = 0; i < 6; i++) overdue.push((await bench.desk.submit({ deadline: Date.now() - 1_000 })).id)
      for (let i = 0; i < 6; i++) {
        const [claimed] = await bench.desk.claim('w', 1)
        expect(overdue).toContain(claimed?.saga.id)
        expect(claimed?.saga).toMatchObject({ stage: 'waiting', status: 'queued', owner: 'w' })
      }
    })

    it('and is given again if that worker dies', async () => {
      await bench.desk.join('w')
      await bench.desk.join('v')
      await bench.desk.submit({ keys: ['a'], start: 'v' })
      const late = await bench.desk.submit({ keys: ['a'], deadline: Date.now() - 1_000 })
      expect(await bench.desk.claimIds('w')).toEqual([late.id])
      await bench.desk.leave('w')
      expect(await bench.desk.claimIds('v')).toEqual([late.id])
    })

    it('a deadline ahead is part of what the claim says is due', async () => {
      await bench.desk.join('w')
      await bench.desk.submit({ keys: ['a'], start: 'w' })
      await bench.desk.submit({ keys: ['a'], deadline: Date.now() + 60_000 })
      const { sagas, dueIn } = await bench.desk.claimed('w')
      expect(sagas).toEqual([])
      expect(dueIn).toBeGreaterThan(50_000)
      expect(dueIn).toBeLessThanOrEqual(60_000)
    })

    it('13: a late saga sees no deadline any more', async () => {
      await bench.desk.join('w')
      const ended = await bench.desk.submit({ keys: ['a'], start: 'w', deadline: Date.now() - 1 })
      await bench.desk.end(ended)
      const holder = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
      await bench.desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
      expect(await bench.desk.claimed('w')).toMatchObject({ sagas: [], dueIn: null })
      await bench.desk.end(holder)
      expect((await bench.desk.claim('w')).map(({ saga }) => saga.stage)).toEqual(['holding'])
    })

    it('neither the parked nor the waiting starve, one at a time or many', async () => {
      await bench.desk.join('w')
      for (let i = 0; i < 20; i++) {
        const parked = await bench.desk.submit({ id: `parked-${i}`, start: 'w' })
        await bench.desk.park(parked, 0)
        await bench.desk.submit({ id: `waiting-${i}` })
      }
      const one: string[] = []
      for (let i = 0; i < 16; i++) one.push(...(await bench.desk.claimIds('w', 1)))
      expect(one).toHaveLength(16)
      expect(one.filter((id) => id.startsWith('parked')).length).toBeGreaterThanOrEqual(4)
      expect(one.filter((id) => id.startsWith('waiting')).length).toBeGreaterThanOrEqual(4)
      const many = await bench.desk.claimIds('w', 10)
      expect(many).toHaveLength(10)
      expect(many.some((id) => id.startsWith('parked'))).toBe(true)
      expect(many.some((id) => id.startsWith('waiting'))).toBe(true)
      expect((await bench.desk.claimIds('w', 100)).length).toBe(14)
    })

    it('nor do those of one definition, if another has more than a claim takes', async () => {
      await bench.desk.join('w', [trip, order])
      for (let i = 0; i < 12; i++) {
        const definition = i < 10 ? trip : order
        await bench.desk.park(await bench.desk.submit({ definition, start: 'w' }), 0)
      }
      const names: string[] = []
      for (let i = 0; i < 8; i++)
        names.push(...(await bench.desk.claim('w', 1)).map(({ saga }) => saga.definition.name))
      expect(names.filter((name) => name === 'order')).toHaveLength(2)
    })

    it('waiting sagas start in order of submission', async () => {
      const queued: string[] = []
      for (let i = 0; i < 30; i++)
        queued.push((await bench.desk.submit({ definition: i % 2 ? order : trip })).id)
      await bench.desk.join('w', [trip, order])
      const started: string[] = []
      for (let i = 0; i < 10; i++) started.push(...(await bench.desk.claimIds('w', 3)))
      expect(started).toEqual(queued)
    })

    it('a claim that asks for none takes none', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit()
      expect(await bench.desk.claimed('w', 0)).toMatchObject({ sagas: [] })
      expect(await bench.desk.find(saga)).toMatchObject({ stage: 'waiting', owner: null })
    })

    it('a worker that is unknown or has left gets nothing', async () => {
      await bench.desk.submit()
      await bench.desk.expect({ type: 'claim', worker: 'nobody', limit: 1 }, 'superseded')
      await bench.desk.join('w')
      await bench.desk.leave('w')
      await bench.desk.expect({ type: 'claim', worker: 'w', limit: 1 }, 'superseded')
    })

    it('a claim whose answer was lost is found again', async () => {
      await bench.desk.join('w')
      await bench.desk.submit()
      const own = await bench.desk.submit({ start: 'w' })
      const [claimed] = await bench.desk.claim('w')
      const owned = await bench.store.owned('w')
      expect([...owned].sort((a, b) => a.n - b.n)).toEqual([
        { n: claimed?.saga.n, token: claimed?.token },
        { n: own.n, token: own.token },
      ])
      expect(await bench.store.owned('nobody')).toEqual([])
    })
  })

  describe('8: submit with a start', () => {
    it('begins at once, in the first chunk', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      expect(saga.token).not.toBeNull()
      const found = await bench.desk.find(saga)
      expect(found).toMatchObject({ status: 'running', stage: 'holding', owner: 'w', token: saga.token })
      expect(found.chunks).toHaveLength(1)
      expect(found.chunks[0]?.entries.map(({ type }) => type)).toEqual(['submitted', 'started'])
    })

    it('or queues, and the start is dropped', async () => {
      await bench.desk.join('w')
      await bench.desk.submit({ keys: ['a'], start: 'w' })
      const saga = await bench.desk.submit({ keys: ['a'], start: 'w' })
      expect(saga.token).toBeNull()
      const found = await bench.desk.find(saga)
      expect(found).toMatchObject({ status: 'queued', stage: 'waiting', owner: null })
      expect(found.chunks[0]?.entries.map(({ type }) => type)).toEqual(['submitted'])
    })

    it('only queues for a worker that is not there, or does not offer it', async () => {
      expect((await bench.desk.submit({ start: 'nobody' })).token).toBeNull()
      await bench.desk.join('w', [order])
      expect((await bench.desk.submit({ start: 'w' })).token).toBeNull()
      await bench.desk.leave('w')
      expect((await bench.desk.submit({ definition: order, start: 'w' })).token).toBeNull()
    })

    it('may end in the same write: a saga without steps', async () => {
      await bench.desk.join('w')
      const write = submission({ keys: ['a'], start: 'w' })
      if (!write.start) throw new Error('no start')
      const summary = summaryOf({ status: 'committed', stage: 'done' })
      const result = await bench.desk.one({
        ...write,
        start: { ...write.start, entries: [endedEntry], summary },
      })
      expect(result).toHaveProperty('token')
      expect(await bench.store.find({ id: write.id })).toMatchObject({
        status: 'committed',
        stage: 'done',
        owner: null,
      })
      expect((await bench.desk.submit({ keys: ['a'], start: 'w' })).token).not.toBeNull()
    })
  })

  describe('9: dead workers', () => {
    it('a lease that ran out: taken over, and the renewal is superseded', async () => {
      await bench.desk.join('w', [trip], 200)
      await bench.desk.join('v')
      const saga = await bench.desk.submit({ start: 'w' })
      expect(saga.token).not.toBeNull()
      await wait(220)
      await bench.desk.expect({ type: 'renew', worker: 'w', lease: 1_000 }, 'superseded')
      await bench.desk.expect({ type: 'join', worker: 'w', lease: 1_000, offers: [trip] }, 'superseded')
      await bench.desk.expect({ type: 'claim', worker: 'w', limit: 1 }, 'superseded')
      expect(await bench.desk.claimIds('v')).toEqual([saga.id])
      expect(await bench.desk.one(bench.desk.appendOf(saga, [committedEntry()]))).toEqual({
        type: 'superseded',
      })
    })

    it('a renewal in time keeps it alive', async () => {
      await bench.desk.join('w', [trip], 400)
      await bench.desk.join('v')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.expect({ type: 'renew', worker: 'w', lease: 600_000 }, 'applied')
      await wait(420)
      expect(await bench.desk.claimIds('v')).toEqual([])
      await bench.desk.add(saga)
    })

    it('a renewal by another client counts, though this one has seen the lease before', async () => {
      const other = new Desk(await bench.place.open())
      await bench.desk.join('w', [trip], 400)
      await other.join('v')
      expect(await other.claimIds('v')).toEqual([])
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.expect({ type: 'renew', worker: 'w', lease: 600_000 }, 'applied')
      await wait(420)
      expect(await other.claimIds('v')).toEqual([])
      expect(await other.find(saga)).toMatchObject({ blocked: false, owner: 'w' })
    })

    it('a dead owner whose saga nobody has taken may still write: its token holds', async () => {
      await bench.desk.join('w')
      const saga = await bench.desk.submit({ start: 'w' })
      await bench.desk.leave('w')
      await bench.desk.add(saga)
    })

    it('a worker that joins again offers what it says now', async () => {
      await bench.desk.join('w', [trip])
      await bench.desk.join('w', [order])
      const saga = await bench.desk.submit()
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.join('w', [trip, order])
      expect(await bench.desk.claimIds('w')).toEqual([saga.id])
    })
  })
}
