/**
 * The store's contract as cases: what others see and add, and what is read (points 11 and 12).
 */
import type { Entry } from '../../core/entry.js'
import type { ListFilter, SagaRow } from '../../store/store.js'
import type { Groups } from './bench.js'
import { committedEntry, Desk, endedEntry, order, startedEntry, summaryOf, trip } from './desk.js'
import { differs, lacks, like, same } from './judge.js'

/** Sagas in every status and stage, of two definitions, one of which nobody offers; each kind twice. */
async function oneOfEachKind(desk: Desk): Promise<void> {
  await desk.join('w', [trip])
  await desk.join('v', [order])
  for (let round = 0; round < 2; round++) {
    for (const [definition, worker] of [[trip, 'w'] as const, [order, 'v'] as const]) {
      const started = () => desk.submit({ definition, start: worker })
      await desk.submit({ definition })
      await started()
      await desk.setStuck(await started(), true)
      await desk.end(await started())
      await desk.add(await started(), [endedEntry], summaryOf({ status: 'rolled_back', stage: 'done' }))
      const late = await started()
      await desk.end(late)
      await desk.add(
        late,
        [lateEntry],
        summaryOf({ status: 'rolling_back', stage: 'waiting', late: true }),
        null,
      )
      const lateAndHeld = summaryOf({ status: 'rolling_back', late: true })
      await desk.add(await started(), [lateEntry], lateAndHeld)
      const lateAndDone = await started()
      await desk.add(
        lateAndDone,
        [endedEntry],
        summaryOf({ status: 'rolled_back', stage: 'done', late: true }),
      )
    }
  }
  await desk.submit({ keys: null })
  await desk.leave('v')
}

const lateEntry: Entry = { type: 'late', step: 'flight', attempt: 1, output: {} }

const values: { readonly [Name in keyof ListFilter]?: readonly unknown[] } = {
  status: [
    undefined,
    [],
    ['queued'],
    ['running'],
    ['rolling_back'],
    ['committed'],
    ['rolled_back'],
    ['queued', 'rolling_back'],
    ['running', 'committed'],
  ],
  name: [undefined, 'trip', 'order', 'unknown'],
  stuck: [undefined, true, false],
  blocked: [undefined, true, false],
  late: [undefined, true, false],
}

/** Every combination of these, as a first page and as one from the middle on. */
function combinations(middle: number): ListFilter[] {
  let filters: Partial<ListFilter>[] = [{}]
  for (const [name, some] of Object.entries(values))
    filters = filters.flatMap((filter) =>
      some.map((value) => (value === undefined ? filter : { ...filter, [name]: value })),
    )
  return filters.flatMap((filter): ListFilter[] => [
    { ...filter, order: 'newest', limit: 3 },
    { ...filter, order: 'oldest', limit: 100, after: middle },
  ])
}

function expectedOf(all: readonly SagaRow[], filter: ListFilter): readonly SagaRow[] {
  const { status, name, stuck, blocked, late, after, order, limit } = filter
  const rows = all.filter(
    (row) =>
      (status?.includes(row.status) ?? true) &&
      row.definition.name === (name ?? row.definition.name) &&
      row.stuck === (stuck ?? row.stuck) &&
      row.blocked === (blocked ?? row.blocked) &&
      row.late === (late ?? row.late) &&
      (after === undefined || row.n > after),
  )
  return (order === 'newest' ? rows.toReversed() : rows).slice(0, limit)
}

export const reading: Groups = {
  '11 and 12: what others see and add': {
    'another client sees it at once': async ({ desk, open }) => {
      const other = new Desk(await open())
      await desk.join('w')
      const saga = await desk.submit({ keys: ['a'], start: 'w' })
      same(await other.find(saga), await desk.find(saga))
      await other.join('v')
      same((await other.submit({ keys: ['a'], start: 'v' })).token, null)
      await desk.end(saga)
      same((await other.claim('v')).length, 1)
    },

    'a fact is noticed by the owner, once, and changes no owner': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      const cancel = summaryOf({ status: 'rolling_back', dueIn: 0 })
      await desk.add({ ...saga }, [{ type: 'rolling_back', reason: 'cancelled' }], cancel, null)
      like(await desk.find(saga), { owner: 'w', status: 'rolling_back', dueAt: null })
      like(await desk.claimed('w'), { sagas: [], noticed: [saga.n] })
      like(await desk.claimed('w', 0), { noticed: [] })
      await desk.add({ ...saga, seq: 1 })
    },

    'a fact makes a parked saga due when it says so': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      await desk.park(saga, 1e9)
      await desk.add(saga, [{ type: 'retry_requested' }], summaryOf({ dueIn: 0 }), null)
      same(await desk.claimIds('w'), [saga.id])
    },

    'a fact for a waiting saga that has been claimed meanwhile does not let go of its keys': async ({
      desk,
    }) => {
      await desk.join('w')
      const saga = await desk.submit({ keys: ['a'] })
      const summary = summaryOf({ status: 'queued', stage: 'waiting', dueIn: 0 })
      const fact = { ...desk.appendOf(saga, [{ type: 'retry_requested' }], { summary }), token: null }
      const [claimed] = await desk.claim('w')
      same(claimed?.saga.id, saga.id)
      await desk.expect(fact, 'applied')
      like(await desk.find(saga), {
        stage: 'holding',
        status: 'running',
        owner: 'w',
        token: claimed?.token,
      })
      same((await desk.submit({ keys: ['a'], start: 'w' })).token, null)
    },

    'a waiting saga cancelled at the moment it is claimed: it ends, its claim is in vain, its keys are free':
      async ({ desk }) => {
        await desk.join('w')
        const saga = await desk.submit({ keys: ['a'] })
        const summary = summaryOf({ status: 'rolled_back', stage: 'done' })
        const cancel = { ...desk.appendOf(saga, [endedEntry], { summary }), token: null }
        const [claimed] = await desk.claim('w')
        await desk.expect(cancel, 'applied')
        await desk.expect({ ...desk.appendOf(saga, [startedEntry]), token: claimed?.token ?? 0 }, 'conflict')
        differs((await desk.submit({ keys: ['a'], start: 'w' })).token, null)
      },

    'payloads come back as they were written': async ({ desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      const output = {
        text: '\u2028 "quoted" \\ 😀 \u007f',
        deep: [[[{ a: null, 'b c': [1.5, -1e300, true] }]]],
        empty: {},
        none: [],
      }
      await desk.add(saga, [{ type: 'committed', step: 'flight', attempt: 1, output }])
      same((await desk.find(saga)).chunks[1]?.entries, [
        { type: 'committed', step: 'flight', attempt: 1, output },
      ])
    },
  },

  reading: {
    'lists by pages, both ways, and filters': async ({ desk, store }) => {
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
      same(await ids({}), ['l0', 'l1', 'l2', 'l3', 'l4', 'l5', 'other'])
      same(await ids({ order: 'newest', limit: 3 }), ['other', 'l5', 'l4'])
      same(await ids({ order: 'newest', limit: 3, after: sagas[4]?.n }), ['l3', 'l2', 'l1'])
      same(await ids({ limit: 2, after: sagas[1]?.n }), ['l2', 'l3'])
      same(await ids({ status: ['queued'] }), ['l4', 'l5', 'other'])
      same(await ids({ status: ['committed', 'rolling_back'] }), ['l0', 'l2'])
      same(await ids({ name: 'order' }), [other.id])
      same(await ids({ name: 'unknown' }), [])
      same(await ids({ stuck: true }), ['l2'])
      same(await ids({ stuck: false, status: ['running'] }), ['l3'])
      same(await ids({ blocked: true }), ['other'])
      same(await ids({ blocked: false }), ['l0', 'l1', 'l2', 'l3', 'l4', 'l5'])
      same(await ids({ late: true }), ['l1'])
      same(await ids({ endedBefore: 1_700_000_000_501 }), ['l0', 'l1'])
      same(await ids({ endedBefore: 1_700_000_000_500 }), [])
      same(await ids({ limit: 0 }), [])
    },

    'any filter finds what the whole list shows, whatever it is combined with': async ({ desk, store }) => {
      await oneOfEachKind(desk)
      const all = await store.list({ order: 'oldest', limit: 1_000 })
      const middle = all[all.length >> 1]?.n ?? 0
      for (const filter of combinations(middle)) {
        const found = await store.list(filter)
        const numbers = (rows: readonly SagaRow[]) => JSON.stringify([filter, rows.map(({ n }) => n)])
        same(numbers(found), numbers(expectedOf(all, filter)))
      }
    },

    'finds by number, rows without journals, and nothing for what is not there': async ({ desk, store }) => {
      const saga = await desk.submit({ id: 'x' })
      like(await store.find({ n: saga.n }), {
        id: 'x',
        submittedAt: 1_700_000_000_000,
        endedAt: null,
      })
      same(await store.find({ n: 999 }), undefined)
      same(await store.find({ id: 'y' }), undefined)
      const rows = await store.rows([saga.n, 999])
      same(
        rows.map(({ id }) => id),
        ['x'],
      )
      lacks(rows[0], 'chunks')
    },

    'says what a waiting saga waits for, the stuck one first': async ({ desk, store }) => {
      await desk.join('w')
      const a = await desk.submit({ keys: ['a'], start: 'w' })
      const b = await desk.submit({ keys: ['b'], start: 'w' })
      const c = await desk.submit({ keys: ['a', 'c'], start: 'w' })
      await desk.setStuck(b, true)
      const waiting = await desk.submit({ keys: ['a', 'b', 'c'], start: 'w' })
      same(await store.obstacles(waiting.n, 9), [
        { n: b.n, id: b.id, stage: 'holding', stuck: true, blocked: false, key: 'b' },
        { n: a.n, id: a.id, stage: 'holding', stuck: false, blocked: false, key: 'a' },
        { n: c.n, id: c.id, stage: 'waiting', stuck: false, blocked: false, key: 'c' },
      ])
      same((await store.obstacles(waiting.n, 1)).length, 1)
      same(await store.obstacles(a.n, 9), [])
      same(await store.obstacles(4711, 9), [])
    },

    'knows the definitions and its own health': async ({ desk, store }) => {
      const newer = { ...trip, version: '2', shape: 'flight' }
      await desk.join('w', [trip])
      await desk.submit({ definition: newer })
      await desk.end(await desk.submit({ start: 'w' }))
      same(await store.definitions('trip'), [trip, newer])
      same(await store.definitions('none'), [])
      const health = await store.health()
      same(health.counts, {
        queued: 1,
        running: 0,
        rolling_back: 0,
        committed: 1,
        rolled_back: 0,
        stuck: 0,
        blocked: 1,
      })
      same(health.workers, [{ worker: 'w', alive: true, offers: [trip] }])
      same(health.problems, [])
      differs(health.engine, '')
    },

    'prunes only what has ended, and keeps a tombstone': async ({ desk, store }) => {
      await desk.join('w')
      const saga = await desk.submit({ id: 'gone', start: 'w' })
      await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'superseded')
      await desk.end(saga)
      await desk.expect({ type: 'prune', n: saga.n, inputHash: 'h' }, 'applied')
      like(await store.find({ id: 'gone' }), { inputHash: 'h', status: 'committed' })
      same(await store.find({ n: saga.n }), undefined)
      same(await store.list({ order: 'newest', limit: 9 }), [])
      same(await desk.one(desk.appendOf(saga, [committedEntry()])), {
        type: 'superseded',
      })
      same((await store.health()).counts.committed, 0)
    },
  },
}
