/** The store's contract as tests: who may start (points 5 and 6). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyHistory, History } from './admission-property.js'
import {
  type Bench,
  claimAll,
  endedEntry,
  knownTo,
  order,
  type Place,
  submission,
  summaryOf,
  trip,
} from './desk.js'

export function admissionSuite(bench: Bench, makePlace: () => Promise<Place>, runs: number): void {
  describe('5 and 6: who may start', () => {
    it('scenario 38: without keys, one at a time in order of submission', async () => {
      await bench.desk.join('w')
      const ids = ['s1', 's2', 's3', 's4']
      for (const id of ids) await bench.desk.submit({ id, keys: null, start: 'w' })
      for (const id of ids) {
        if (id !== 's1') expect(await bench.desk.claimIds('w')).toEqual([id])
        expect(await bench.desk.claimIds('w')).toEqual([])
        const { n, token, chunks } = (await bench.store.find({ id })) as never as {
          n: number
          token: number
          chunks: unknown[]
        }
        await bench.desk.end({ id, n, keys: null, token, seq: chunks.length - 1 })
      }
    })

    it('scenario 38: a saga without keys overlaps with none that has some', async () => {
      await bench.desk.join('w')
      const keyed = await bench.desk.submit({ keys: ['k'], start: 'w' })
      const alone = await bench.desk.submit({ keys: null, start: 'w' })
      const later = await bench.desk.submit({ keys: ['z'], start: 'w' })
      const free = await bench.desk.submit({ keys: [], start: 'w' })
      expect([keyed, alone, later, free].map(({ token }) => token !== null)).toEqual([
        true,
        false,
        false,
        false,
      ])
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.end(keyed)
      expect(await bench.desk.claimIds('w')).toEqual([alone.id])
      await bench.desk.end(await knownTo(bench.desk, alone))
      expect((await bench.desk.claimIds('w')).sort()).toEqual([later.id, free.id].sort())
    })

    it('scenario 39: sagas that share a key never overlap, others do', async () => {
      await bench.desk.join('w')
      const ab = await bench.desk.submit({ keys: ['a', 'b'], start: 'w' })
      const c = await bench.desk.submit({ keys: ['c'], start: 'w' })
      const bc = await bench.desk.submit({ keys: ['b', 'c'], start: 'w' })
      const a = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const d = await bench.desk.submit({ keys: ['d'], start: 'w' })
      expect([ab, c, bc, a, d].map(({ token }) => token !== null)).toEqual([true, true, false, false, true])
      await bench.desk.end(ab)
      expect(await bench.desk.claimIds('w')).toEqual([a.id])
      await bench.desk.end(c)
      expect(await bench.desk.claimIds('w')).toEqual([bc.id])
    })

    it('a waiting saga reserves its free keys against later ones: no starvation', async () => {
      await bench.desk.join('w')
      const holder = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const both = await bench.desk.submit({ keys: ['a', 'b'], start: 'w' })
      const later = await bench.desk.submit({ keys: ['b'], start: 'w' })
      expect(later.token).toBeNull()
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.end(holder)
      expect(await bench.desk.claimIds('w')).toEqual([both.id])
      await bench.desk.end(await knownTo(bench.desk, both))
      expect(await bench.desk.claimIds('w')).toEqual([later.id])
    })

    it('scenario 40: who shares nothing with a stuck saga passes those that wait for it', async () => {
      await bench.desk.join('w')
      const stuck = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const behind = await bench.desk.submit({ keys: ['a', 'b'], start: 'w' })
      const passes = await bench.desk.submit({ keys: ['b'], start: 'w' })
      const waits = await bench.desk.submit({ keys: ['a', 'c'], start: 'w' })
      expect(passes.token).toBeNull()
      await bench.desk.setStuck(stuck, true)
      expect(await bench.desk.claimIds('w')).toEqual([passes.id])
      const new_ = await bench.desk.submit({ keys: ['c'], start: 'w' })
      expect(new_.token).not.toBeNull()
      await bench.desk.setStuck(stuck, false)
      await bench.desk.end(await knownTo(bench.desk, passes))
      await bench.desk.end(new_)
      const reserved = await bench.desk.submit({ keys: ['b'], start: 'w' })
      expect(reserved.token).toBeNull()
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.end(stuck)
      expect(await bench.desk.claimIds('w')).toEqual([behind.id])
      await bench.desk.end(await knownTo(bench.desk, behind))
      expect((await bench.desk.claimIds('w')).sort()).toEqual([waits.id, reserved.id].sort())
    })

    it('scenario 40: a saga that is stuck, recovers and is stuck again lets others pass again', async () => {
      await bench.desk.join('w')
      const stuck = await bench.desk.submit({ keys: ['a'], start: 'w' })
      await bench.desk.submit({ keys: ['a', 'b'], start: 'w' })
      await bench.desk.setStuck(stuck, true)
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.setStuck(stuck, false)
      const passes = await bench.desk.submit({ keys: ['b'], start: 'w' })
      expect(passes.token).toBeNull()
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.setStuck(stuck, true)
      expect(await bench.desk.claimIds('w')).toEqual([passes.id])
    })

    it('scenario 40: no wake-up is lost if a submit finds out first that somebody is stuck', async () => {
      await bench.desk.join('w')
      const stuck = await bench.desk.submit({ keys: ['a'], start: 'w' })
      await bench.desk.submit({ keys: ['a', 'b'], start: 'w' })
      const passes = await bench.desk.submit({ keys: ['b'], start: 'w' })
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.setStuck(stuck, true)
      expect((await bench.desk.submit({ keys: ['b'], start: 'w' })).token).toBeNull()
      expect(await bench.desk.claimIds('w')).toEqual([passes.id])
    })

    it('scenario 40: the same for one that is blocked in the middle', async () => {
      await bench.desk.join('w', [trip])
      await bench.desk.join('v', [order])
      await bench.desk.submit({ keys: ['a'], definition: order, start: 'v' })
      await bench.desk.submit({ keys: ['a', 'b'], start: 'w' })
      const passes = await bench.desk.submit({ keys: ['b'], start: 'w' })
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.leave('v')
      expect(await bench.desk.claimIds('w')).toEqual([passes.id])
    })

    it('scenario 40: in serial mode all wait for the stuck one', async () => {
      await bench.desk.join('w')
      const stuck = await bench.desk.submit({ keys: null, start: 'w' })
      const next = await bench.desk.submit({ keys: null, start: 'w' })
      await bench.desk.setStuck(stuck, true)
      expect(await bench.desk.claimIds('w')).toEqual([])
      expect(await bench.store.obstacles(next.n, 5)).toMatchObject([
        { n: stuck.n, stuck: true, stage: 'holding', key: null },
      ])
    })

    it('scenario 40: a saga without keys steps aside while a stuck one with keys holds', async () => {
      await bench.desk.join('w')
      const stuck = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const alone = await bench.desk.submit({ keys: null, start: 'w' })
      expect((await bench.desk.submit({ keys: ['b'], start: 'w' })).token).toBeNull()
      await bench.desk.setStuck(stuck, true)
      expect(await bench.desk.claimIds('w')).toHaveLength(1)
      expect((await bench.desk.submit({ keys: ['c'], start: 'w' })).token).not.toBeNull()
      expect(await bench.store.obstacles(alone.n, 5)).toMatchObject([{ n: stuck.n }, {}, {}])
    })

    it('scenarios 21, 22: a blocked saga that has not started steps aside; one that has keeps its keys', async () => {
      await bench.desk.join('w', [trip])
      await bench.desk.join('v', [order])
      const held = await bench.desk.submit({ keys: ['a'], definition: order, start: 'v' })
      const queued = await bench.desk.submit({ keys: ['a', 'b'], definition: order })
      const later = await bench.desk.submit({ keys: ['b'], start: 'w' })
      expect(later.token).toBeNull()
      await bench.desk.leave('v')
      expect(await bench.desk.claimIds('w')).toEqual([later.id])
      expect(await bench.desk.submit({ keys: ['a'], start: 'w' })).toMatchObject({ token: null })
      expect(await bench.desk.find(held)).toMatchObject({ blocked: true, stage: 'holding' })
      expect(await bench.desk.find(queued)).toMatchObject({ blocked: true, stage: 'waiting' })
      await bench.desk.join('u', [order])
      expect(await bench.desk.claimIds('u')).toEqual([held.id])
      await bench.desk.end(await knownTo(bench.desk, held))
      await bench.desk.end(await knownTo(bench.desk, later))
      expect(await bench.desk.find(queued)).toMatchObject({ blocked: false })
      expect(await bench.desk.claimIds('u')).toEqual([queued.id])
    })

    it('a shape that differs is another definition', async () => {
      await bench.desk.join('w', [{ ...trip, shape: 'flight > payment!' }])
      const saga = await bench.desk.submit()
      expect(await bench.desk.claimIds('w')).toEqual([])
      expect(await bench.desk.find(saga)).toMatchObject({ blocked: true })
      await bench.desk.join('v', [{ ...trip }])
      expect(await bench.desk.claimIds('v')).toEqual([saga.id])
    })

    it('a cancelled queued saga gives way at once', async () => {
      await bench.desk.join('w')
      const holder = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const middle = await bench.desk.submit({ keys: ['a', 'b'] })
      const last = await bench.desk.submit({ keys: ['b'] })
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.add(middle, [endedEntry], summaryOf({ status: 'rolled_back', stage: 'done' }), null)
      expect(await bench.desk.claimIds('w')).toEqual([last.id])
      await bench.desk.end(holder)
      expect(await bench.desk.claimIds('w')).toEqual([])
    })

    it('a late saga takes its keys again, in its old place', async () => {
      await bench.desk.join('w')
      const ended = await bench.desk.submit({ keys: ['a'], start: 'w', deadline: 1 })
      await bench.desk.end(ended)
      const holder = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const queued = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
      await bench.desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
      expect(await bench.desk.find(ended)).toMatchObject({
        status: 'rolling_back',
        stage: 'waiting',
        late: true,
        endedAt: null,
      })
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.end(holder)
      expect(await bench.desk.claimIds('w')).toEqual([ended.id])
      expect(await bench.desk.find(ended)).toMatchObject({ status: 'rolling_back', stage: 'holding' })
      await bench.desk.end(await knownTo(bench.desk, ended))
      expect(await bench.desk.claimIds('w')).toEqual([queued.id])
    })

    it('a late saga without keys waits until nothing holds', async () => {
      await bench.desk.join('w')
      const ended = await bench.desk.submit({ keys: null, start: 'w' })
      await bench.desk.end(ended)
      const holder = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
      await bench.desk.add(ended, [{ type: 'late', step: 'flight', attempt: 1 }], summary, null)
      expect((await bench.desk.submit({ keys: ['b'], start: 'w' })).token).toBeNull()
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.end(holder)
      expect(await bench.desk.claimIds('w')).toEqual([ended.id])
    })

    it('an operator moves a waiting saga to a version that is offered', async () => {
      const newer = { ...trip, version: '2' }
      await bench.desk.join('w', [newer])
      const saga = await bench.desk.submit({ keys: ['a'] })
      expect(await bench.desk.claimIds('w')).toEqual([])
      const summary = summaryOf({ status: 'queued', stage: 'waiting', definition: newer, dueIn: 0 })
      await bench.desk.add(saga, [{ type: 'rebound', version: '2', shape: trip.shape }], summary, null)
      const [claimed] = await bench.desk.claim('w')
      expect(claimed?.saga).toMatchObject({
        id: saga.id,
        definition: newer,
        status: 'running',
        stage: 'holding',
      })
    })

    it('an operator moves a held saga to a version that is offered', async () => {
      const newer = { ...trip, version: '2' }
      await bench.desk.join('v', [trip])
      const saga = await bench.desk.submit({ keys: ['a'], start: 'v' })
      await bench.desk.leave('v')
      await bench.desk.join('w', [newer])
      expect(await bench.desk.claimIds('w')).toEqual([])
      await bench.desk.add(
        saga,
        [{ type: 'rebound', version: '2', shape: trip.shape }],
        summaryOf({ definition: newer, dueIn: 0 }),
        null,
      )
      expect(await bench.desk.claimIds('w')).toEqual([saga.id])
    })

    it('a saga that is moved to a version that nobody offers steps aside, waiting or held', async () => {
      const nowhere = { ...trip, version: 'none' }
      await bench.desk.join('w')
      const held = await bench.desk.submit({ keys: ['a'], start: 'w' })
      const waiting = await bench.desk.submit({ keys: ['a', 'b'], start: 'w' })
      const first = await bench.desk.submit({ keys: ['b', 'c'], start: 'w' })
      await bench.desk.submit({ keys: ['a', 'd'], start: 'w' })
      const second = await bench.desk.submit({ keys: ['d'], start: 'w' })
      expect(await bench.desk.claimIds('w')).toEqual([])
      const entry = { type: 'rebound', version: 'none', shape: trip.shape } as const
      await bench.desk.add(
        waiting,
        [entry],
        summaryOf({ status: 'queued', stage: 'waiting', definition: nowhere, dueIn: 0 }),
        null,
      )
      expect(await bench.desk.claimIds('w')).toEqual([first.id])
      await bench.desk.add(held, [entry], summaryOf({ definition: nowhere, dueIn: 0 }))
      expect(await bench.desk.claimIds('w')).toEqual([second.id])
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

  it('a long queue on one key is handed out one by one, in order', async () => {
    await bench.desk.join('w')
    const writes = Array.from({ length: 300 }, (_, i) =>
      submission({ id: `q${i}`, keys: i % 3 === 0 ? ['hot', `own-${i}`] : ['hot'] }),
    )
    await bench.store.apply(writes)
    for (let i = 0; i < 300; i++) {
      const claimed = await claimAll(bench.desk, 'w')
      expect(claimed.map(({ saga }) => saga.id)).toEqual([`q${i}`])
      const [only] = claimed
      if (!only) throw new Error('none')
      const { n, id } = only.saga
      await bench.desk.end({ id, n, keys: writes[i]?.keys ?? null, token: only.token, seq: 0 })
    }
  })
}
