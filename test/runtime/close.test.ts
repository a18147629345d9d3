/**
 * The end of an orchestrator: nothing begins after it, nothing is left that keeps the process alive, unfinished sagas go on elsewhere.
 */
import { memoryStore, Orchestrator, pending, saga, step } from 'backstep'
import { describe, expect, test } from 'vitest'
import type { Result, Write } from '#dist/store/store.js'
import { deferred, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { wrapStore } from '../support/wrapped-store.mjs'

const never = () => new Promise<never>(() => {})
const quick = { min: 10, max: 10, factor: 1 }

describe('close leaves no timer behind', () => {
  const hangs = saga('hangs', { keys: () => [] }).step('one', {
    commit: never,
    rollback: () => {},
    timeout: '1d',
  })
  const retried = saga('retried', { keys: () => [] }).step('one', {
    commit: () => {
      throw new Error('no')
    },
    rollback: () => {},
    retry: { attempts: 1_000, min: '1h' },
  })
  const polled = saga('polled', { keys: () => [] }).step('one', {
    commit: () => pending({ checkAfter: '1h' }),
    rollback: () => {},
  })
  const deaf = saga('deaf', { keys: () => [] }).step('one', {
    commit: never,
    rollback: never,
    timeout: 10,
    rollbackRetry: quick,
  })
  const due = saga('due', { keys: () => [], deadline: '3h' }).step('one', {
    commit: never,
    rollback: () => {},
    timeout: '1d',
  })

  for (const definition of [hangs, retried, polled, deaf, due]) {
    test(`while a saga ${definition.plan.name}, with others waiting for it`, async () => {
      const { clock, orchestrator } = await stage({ sagas: [definition] })
      const waits = [
        orchestrator.run(definition, undefined, { id: 'a' }).catch((error: Error) => error),
        orchestrator.run(definition, undefined, { id: 'b', wait: '2h' }).catch((error: Error) => error),
      ]
      await clock.advance(1_000)
      const closed = orchestrator.close({ drain: '5s' })
      await clock.until(closed)
      for (const wait of waits) expect(await wait).toMatchObject({ code: 'CLOSED' })
      expect(clock.timers).toBe(0)
    })
  }

  test('while the store does not answer at all', async () => {
    let silent = false
    const { clock, orchestrator } = await stage({
      sagas: [retried],
      wrap: (store) =>
        wrapStore(store, {
          apply: (writes) => (silent ? Promise.reject(new Error('no answer')) : store.apply(writes)),
          find: (ref) => (silent ? Promise.reject(new Error('no answer')) : store.find(ref)),
          list: (filter) => (silent ? Promise.reject(new Error('no answer')) : store.list(filter)),
        }),
    })
    await clock.until(orchestrator.submit(retried, undefined, { id: 'a' }))
    silent = true
    const submitted = orchestrator.submit(retried, undefined, { id: 'b' }).catch((error: Error) => error)
    await clock.advance(40_000)
    expect(await submitted).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await clock.until(orchestrator.close({ drain: 0 }))
    await clock.settle()
    expect(clock.timers).toBe(0)
  })

  test.each([0, 1e6])(
    'while it reads again what it cannot read, and the answer takes %s ms',
    async (takes) => {
      let silent = false
      const clock = new FakeClock()
      const unreadable = async (): Promise<never> => {
        await clock.sleep(takes)
        throw new Error('no answer')
      }
      const { store, orchestrator } = await stage({
        clock,
        sagas: [hangs],
        wrap: (inner) => wrapStore(inner, { find: (ref) => (silent ? unreadable() : inner.find(ref)) }),
      })
      await clock.until(orchestrator.submit(hangs, undefined, { id: 'a' }))
      const beside = await stage({ clock, store, work: false })
      silent = true
      await clock.until(beside.orchestrator.cancel('a', 'enough'))
      await clock.advance(2_000)
      await clock.until(orchestrator.close({ drain: 0 }))
      await clock.until(beside.orchestrator.close())
      await clock.advance(takes)
      expect(clock.timers).toBe(0)
    },
  )
})

describe('what is under way when it closes', () => {
  /** Holds back the answer of the next flush that `holds` picks. */
  async function held(holds: (writes: readonly Write[]) => boolean) {
    const calls: string[] = []
    const noted = saga('noted', { keys: () => [] }).step('one', {
      commit: () => {
        calls.push('commit')
      },
      rollback: () => {},
    })
    const gate = deferred()
    let armed = false
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const store = wrapStore(memory, {
      apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
        const results = await memory.apply(writes)
        if (armed && holds(writes)) await gate.promise
        return results
      },
    })
    const one = await stage({ clock, store, sagas: [noted] })
    return { ...one, memory, noted, calls, gate, arm: () => (armed = true) }
  }

  test('a submit that had started: with a drain its saga ends, without one it goes on where it is opened next', async () => {
    for (const drain of [0, '5s']) {
      const { clock, memory, orchestrator, noted, calls, gate, arm } = await held((writes) =>
        writes.some(({ type }) => type === 'submit'),
      )
      arm()
      const submitted = orchestrator.submit(noted, undefined, { id: 'a' })
      await clock.settle()
      const closed = orchestrator.close({ drain })
      await clock.advance(100)
      gate.resolve()
      await clock.until(submitted)
      await clock.until(closed)
      expect(calls).toEqual(drain === 0 ? [] : ['commit'])
      await clock.advance(10_000)
      expect(clock.timers).toBe(0)
      const next = await stage({ clock, store: memory, sagas: [noted] })
      await clock.when(async () => (await next.orchestrator.get('a'))?.status === 'committed')
      expect(calls).toEqual(['commit'])
      const journal = (await next.orchestrator.journal('a')) ?? []
      expect(journal.flatMap((entry) => (entry.type === 'failed' ? entry.cause : []))).toEqual(
        drain === 0 ? ['aborted'] : [],
      )
    }
  })

  test('sagas that a claim brings after the close are not begun', async () => {
    for (const later of [0, 500, 1_900, 3_000]) {
      const { clock, memory, orchestrator, noted, calls, gate, arm } = await held((writes) =>
        writes.some((write) => write.type === 'claim'),
      )
      const beside = await stage({ clock, store: memory, work: false })
      arm()
      await clock.until(beside.orchestrator.submit(noted, undefined, { id: 'a' }))
      await clock.advance(300)
      const closed = orchestrator.close({ drain: '1s' })
      await clock.advance(later)
      gate.resolve()
      await clock.until(closed)
      await clock.advance(10_000)
      expect([later, calls]).toEqual([later, []])
      const next = await stage({ clock, store: memory, sagas: [noted] })
      await clock.when(async () => (await next.orchestrator.get('a'))?.status === 'committed')
      expect(calls).toEqual(['commit'])
    }
  })

  test('an answer that came while a write was under way is kept', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const gate = deferred()
    const slow = { a: deferred<string>(), b: deferred<string>() }
    const group = saga('pair').parallel({
      a: step({ commit: () => slow.a.promise, rollback: () => {} }),
      b: step({ commit: () => slow.b.promise, rollback: () => {} }),
      c: step({ commit: never, rollback: () => {} }),
    })
    const store = wrapStore(memory, {
      apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
        if (writes.some(({ type }) => type === 'append')) await gate.promise
        return memory.apply(writes)
      },
    })
    const one = await stage({ clock, store, sagas: [group] })
    await clock.until(one.orchestrator.submit(group, undefined, { id: 'a' }))
    slow.a.resolve('written')
    await clock.settle()
    slow.b.resolve('kept')
    await clock.settle()
    const closed = one.orchestrator.close({ drain: 0 })
    await clock.advance(100)
    gate.resolve()
    await clock.until(closed)
    const { orchestrator } = await stage({ clock, store: memory, work: false })
    expect((await orchestrator.get('a'))?.steps).toMatchObject([
      { commit: 'committed', output: 'written' },
      { commit: 'committed', output: 'kept' },
      { commit: 'waiting', inDoubt: true },
    ])
  })

  test('close again, and after it: the same promise, and CLOSED for all else', async () => {
    const { clock, orchestrator } = await stage()
    const definition = saga('late-comer').step('one', { commit: () => 1, rollback: () => {} })
    const first = orchestrator.close()
    expect(orchestrator.close({ drain: 0 })).toBe(first)
    await clock.until(first)
    await expect(orchestrator.submit(definition)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(orchestrator.run(definition)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('an orchestrator that could not start has closed what it opened', async () => {
    let closed = 0
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const store = wrapStore(memory, {
      apply: () => Promise.reject(new Error('no answer')),
      close: async () => {
        closed++
      },
    })
    await expect(clock.until(Orchestrator.open(store, { clock, log: false }))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
    expect(closed).toBe(1)
    expect(clock.timers).toBe(0)
  })
})
