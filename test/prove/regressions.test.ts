/**
 * What the simulator has found, each as the shortest case that shows it.
 */
import { memoryStore, Orchestrator, saga } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { FakeClock } from 'backstep/testing'
import { expect, test } from 'vitest'
import { begin, type Entry, evolveAll, interrupt, planOfShape, settle, suspected } from '#dist/core/index.js'
import type { Result, SubmitWrite, Write } from '#dist/store/store.js'
import { temporaryFile } from '../support/stores.js'
import { wrapStore } from '../support/wrapped-store.mjs'

test('sqlite: a worker that leaves in one flush with others shifts no answer to a write that is not its own', async () => {
  const store = sqliteStore(temporaryFile(), { thread: false })
  await store.open()
  const definition = { name: 'trip', version: '1', shape: 'a' }
  const submit = (id: string): SubmitWrite => ({
    type: 'submit',
    id,
    uid: `uid-${id}`,
    definition,
    keys: [],
    deadline: null,
    at: 1,
    entries: [{ type: 'submitted', uid: `uid-${id}`, keys: [] }],
  })
  const writes: readonly Write[] = [
    { type: 'leave', worker: 'former' },
    { type: 'join', worker: 'present', lease: 10_000, offers: [definition] },
    { type: 'leave', worker: 'another' },
    submit('a'),
    submit('b'),
    { type: 'claim', worker: 'present', limit: 2 },
  ]
  const results = await store.apply(writes)
  await store.close()
  expect(results.map(({ type }) => type)).toEqual([
    'applied',
    'applied',
    'applied',
    'applied',
    'applied',
    'claimed',
  ])
  expect(results.slice(3, 5)).toEqual([
    { type: 'applied', n: 1 },
    { type: 'applied', n: 2 },
  ])
})

test('a worker that begins anew while its former beginning is still unanswered has one lease, and leaves no timer', async () => {
  const clock = new FakeClock()
  const memory = memoryStore({ now: clock.now })
  let gate: Promise<void> | undefined
  let isDown = false
  const store = wrapStore(memory, {
    apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
      await gate
      if (isDown) throw new Error('the store does not answer')
      return memory.apply(writes)
    },
  })
  const sagas = [saga('trip').step('a', { commit: () => {}, rollback: () => {} })]
  const orchestrator = await clock.until(Orchestrator.open(store, { sagas, clock, lease: 900, log: false }))
  await clock.advance(1_000)
  // Long enough for two leases to be lost, each with a join that is not answered.
  let open = (): void => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  await clock.advance(2_500)
  isDown = true
  open()
  await clock.advance(700)
  isDown = false
  await clock.advance(5_000)
  expect((await orchestrator.health()).workers.filter(({ alive }) => alive)).toHaveLength(1)
  await clock.until(orchestrator.close({ drain: 0 }))
  expect(clock.timers).toBe(0)
})

test('a rollback that kills its process runs alone from the third time on, until it fails in any other way', () => {
  const plan = planOfShape('trip', '1', 'a > b')
  const submitted: Entry = { type: 'submitted', uid: 'u', keys: [] }
  const entries: Entry[] = [
    { type: 'started', step: 'a', direction: 'commit', attempt: 1 },
    { type: 'committed', step: 'a', attempt: 1 },
    { type: 'rolling_back', reason: 'cancelled' },
    { type: 'started', step: 'a', direction: 'rollback', attempt: 1 },
  ]
  let state = evolveAll(begin(plan, submitted), entries, 0)
  const seen = [suspected(state)]
  for (let crash = 1; crash <= 2; crash++) {
    state = evolveAll(
      state,
      interrupt(state, crash, () => 0),
      crash,
    )
    seen.push(suspected(state))
    const next: Entry = { type: 'started', step: 'a', direction: 'rollback', attempt: crash + 1 }
    state = evolveAll(state, [next], crash)
    seen.push(suspected(state))
  }
  expect(seen).toEqual([false, false, true, true, true])
  const error = { name: 'Error', message: 'no' }
  const thrown = { is: 'failed', outcome: 'in_doubt', cause: 'thrown', error, final: false } as const
  state = evolveAll(state, settle(state, { step: 0, direction: 'rollback', attempt: 3 }, thrown, 9, 0), 9)
  expect(suspected(state)).toBe(false)
})

test('a fact that was judged before the chunk in front of it was overwritten hides no stuck saga for longer than one write', async () => {
  const clock = new FakeClock()
  const memory = memoryStore({ now: clock.now })
  const trip = saga('trip', { keys: () => [], stuck: { attempts: 2 } })
    .step('a', { commit: () => {}, rollback: () => {}, pivot: true })
    .step('b', {
      commit: ({ attempt }) => {
        if (attempt < 3) throw new Error('not yet')
        return new Promise<never>(() => {})
      },
      retry: { min: 1_000, max: 1_000 },
    })
  let gate: Promise<void> | undefined
  const slow = wrapStore(memory, {
    find: async (ref) => {
      const found = await memory.find(ref)
      await gate
      return found
    },
  })
  const worker = await clock.until(Orchestrator.open(memory, { sagas: [trip], clock, log: false }))
  const desk = await clock.until(Orchestrator.open(slow, { work: false, clock, log: false }))
  await clock.until(worker.submit(trip, undefined, { id: 'x' }))
  await clock.advance(100)
  let open = (): void => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  const hurried = desk.retryNow('x')
  await clock.advance(1_200)
  expect((await worker.get('x'))?.stuck).toBe(true)
  open()
  await clock.until(hurried)
  await clock.advance(500)
  const view = await worker.get('x')
  expect([view?.steps[1]?.commit, view?.stuck]).toEqual(['open', true])
  await clock.until(Promise.all([worker.close({ drain: 0 }), desk.close()]))
})

test('a saga that is read again while it waits for its deadline leaves no timer for that behind', async () => {
  const clock = new FakeClock()
  const memory = memoryStore({ now: clock.now })
  let fails = false
  const store = wrapStore(memory, {
    find: (ref) => (fails ? Promise.reject(new Error('the read failed')) : memory.find(ref)),
  })
  const trip = saga('trip', { deadline: '30d' }).step('a', {
    commit: () => new Promise<never>(() => {}),
    rollback: () => {},
  })
  const worker = await clock.until(Orchestrator.open(store, { sagas: [trip], clock, log: false }))
  const desk = await clock.until(Orchestrator.open(memory, { work: false, clock, log: false }))
  await clock.until(worker.submit(trip, undefined, { id: 'x' }))
  await clock.advance(100)
  fails = true
  await clock.until(desk.retryNow('x'))
  await clock.advance(1_200)
  fails = false
  await clock.advance(1_000)
  await clock.until(Promise.all([worker.close({ drain: 0 }), desk.close()]))
  expect(clock.timers).toBe(0)
})

test('a step behind the pivot whose service says never is tried for ever, and its journal stays small', async () => {
  const clock = new FakeClock()
  let calls = 0
  const trip = saga('trip')
    .step('a', { commit: () => {}, rollback: () => {}, pivot: true })
    .step('b', {
      commit: () => {
        calls++
        throw new Error('lost')
      },
      throws: 'in_doubt',
      verify: () => 'never',
      retry: { min: 10, max: 10 },
    })
  const orchestrator = await clock.until(
    Orchestrator.open(memoryStore({ now: clock.now }), { sagas: [trip], clock, log: false }),
  )
  await clock.until(orchestrator.submit(trip, undefined, { id: 'x' }))
  await clock.advance(5_000)
  const journal = (await orchestrator.journal('x')) ?? []
  expect(calls).toBeGreaterThan(100)
  expect(journal.length).toBeLessThan(15)
  expect(journal.find(({ type }) => type === 'verified')).toMatchObject({
    answer: 'unknown',
    error: { code: 'NEVER_BEHIND_PIVOT' },
  })
  await clock.until(orchestrator.close({ drain: 0 }))
})

test('while the answers to its claims are lost, a worker does not claim on and on', async () => {
  const clock = new FakeClock()
  const memory = memoryStore({ now: clock.now })
  let loses = true
  let claims = 0
  const store = wrapStore(memory, {
    owned: async (worker) => {
      await clock.sleep(500)
      return memory.owned(worker)
    },
    apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
      const results = await memory.apply(writes)
      const asks = writes.some(({ type }) => type === 'claim')
      // Without a bound, claims at one moment would follow each other for ever.
      if (asks && (loses || ++claims > 1_000)) throw new Error('the answer was lost')
      return results
    },
  })
  const trip = saga('trip', { keys: () => [] }).step('a', {
    commit: ({ attempt }) => {
      if (attempt === 1) throw new Error('not yet')
    },
    rollback: () => {},
    retry: { attempts: 2, min: 1_000, max: 1_000 },
  })
  const sagas = [trip]
  const former = await clock.until(Orchestrator.open(memory, { sagas, clock, log: false }))
  for (let i = 0; i < 40; i++) await clock.until(former.submit(trip, undefined, { id: `x${i}` }))
  await clock.until(former.close({ drain: 100 }))
  await clock.advance(1_000)
  const worker = await clock.until(Orchestrator.open(store, { sagas, clock, concurrency: 2, log: false }))
  await clock.advance(3_000)
  const [present] = (await memory.health()).workers
  expect(await memory.owned(present?.worker ?? '')).toHaveLength(2)
  loses = false
  await clock.advance(30_000)
  expect(claims).toBeLessThan(500)
  const desk = await clock.until(Orchestrator.open(memory, { work: false, clock, log: false }))
  expect((await desk.list({ status: ['committed'], limit: 100 })).sagas).toHaveLength(40)
  await clock.until(Promise.all([worker.close({ drain: 0 }), desk.close()]))
})

test('a saga that is given back because it was moved to a version that is not here is given back, whatever comes between', async () => {
  const clock = new FakeClock()
  const memory = memoryStore({ now: clock.now })
  const functions = { commit: () => {}, rollback: () => {} }
  const first = saga('trip', { version: '1', keys: () => [] }).step('a', {
    ...functions,
    commit: () => new Promise<never>(() => {}),
  })
  const second = saga('trip', { version: '2', keys: () => [] }).step('a', functions)
  const desk = await clock.until(Orchestrator.open(memory, { work: false, clock, log: false }))
  let between = true
  const store = wrapStore(memory, {
    apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
      const gives = writes.some((write) => write.type === 'append' && write.summary?.dueIn === 0)
      if (gives && between) {
        between = false
        await desk.retryNow('x')
      }
      return memory.apply(writes)
    },
  })
  const old = await clock.until(Orchestrator.open(store, { sagas: [first], clock, log: false }))
  await clock.until(old.submit(first, undefined, { id: 'x' }))
  const newer = await clock.until(Orchestrator.open(memory, { sagas: [second], clock, log: false }))
  await clock.until(desk.rebind('x', '2'))
  await clock.advance(30_000)
  expect([between, (await desk.get('x'))?.status]).toEqual([false, 'committed'])
  await clock.until(Promise.all([old.close({ drain: 0 }), newer.close({ drain: 0 }), desk.close()]))
})

test('a rollback that hangs is given up when its step is resolved by hand and the saga ends', async () => {
  const clock = new FakeClock()
  const memory = memoryStore({ now: clock.now })
  const aborted: unknown[] = []
  const trip = saga('trip')
    .step('a', {
      commit: () => {},
      rollback: ({ signal }) => {
        signal.addEventListener('abort', () => aborted.push(signal.reason))
        return new Promise<never>(() => {})
      },
      timeout: '1h',
    })
    .step('b', {
      commit: () => {
        throw new Error('no')
      },
      rollback: () => {},
    })
  const orchestrator = await clock.until(Orchestrator.open(memory, { sagas: [trip], clock, log: false }))
  const handle = await clock.until(orchestrator.submit(trip, undefined, { id: 'x' }))
  await clock.advance(1_000)
  await clock.until(
    orchestrator.resolve('x', 'a', { as: 'rolled_back', reason: 'seen by hand', actor: 'somebody' }),
  )
  expect((await clock.until(handle.outcome())).status).toBe('rolled_back')
  await clock.until(orchestrator.close({ drain: 0 }))
  expect([aborted.length, clock.timers]).toEqual([1, 0])
})

test('what a worker was given while nobody could tell whether it had joined is run all the same', async () => {
  const clock = new FakeClock()
  const memory = memoryStore({ now: clock.now })
  let gate: Promise<void> | undefined
  let losesJoin = false
  const store = wrapStore(memory, {
    apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
      await gate
      const results = await memory.apply(writes)
      if (!losesJoin || !writes.some(({ type }) => type === 'join')) return results
      losesJoin = false
      throw new Error('the answer was lost')
    },
  })
  const trip = saga('trip', { keys: () => [] }).step('a', { commit: () => {}, rollback: () => {} })
  const worker = await clock.until(
    Orchestrator.open(store, { sagas: [trip], clock, lease: 3_000, log: false }),
  )
  const desk = await clock.until(Orchestrator.open(memory, { work: false, clock, log: false }))
  await clock.advance(1_000)
  let open = (): void => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  // One flush hangs; behind it stand a claim, and what a worker says that has lost its lease and begins anew.
  const hanging = worker.submit(trip, undefined, { id: 'x' })
  await clock.advance(100)
  await clock.until(desk.submit(trip, undefined, { id: 'y' }))
  await clock.advance(2_300)
  losesJoin = true
  open()
  await clock.until(hanging)
  await clock.advance(30_000)
  expect((await desk.list({ status: ['committed'] })).sagas.map(({ id }) => id)).toEqual(['x', 'y'])
  await clock.until(Promise.all([worker.close({ drain: 0 }), desk.close()]))
  expect(clock.timers).toBe(0)
})
