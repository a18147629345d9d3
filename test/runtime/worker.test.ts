/**
 * The worker: places, suspects, and how often it asks.
 */
import { memoryStore, type Store, saga } from 'backstep'
import { describe, expect, test } from 'vitest'
import type { Claimed, Result, Write } from '#dist/store/store.js'
import { deferred, errorLog, journalWords, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { wrapStore } from '../support/wrapped-store.mjs'

const never = (): Promise<never> => new Promise(() => {})

function counting(store: Store): { store: Store; flushes: () => number } {
  let flushes = 0
  const wrapped = wrapStore(store, {
    apply: (writes: readonly Write[]): Promise<readonly Result[]> => {
      flushes++
      return store.apply(writes)
    },
  })
  return { store: wrapped, flushes: () => flushes }
}

describe('how often it asks', () => {
  test('with all places taken and sagas due, as seldom as when idle', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const { store, flushes } = counting(memory)
    const definition = saga<string>('busy', { keys: () => [] }).step('one', {
      commit: ({ input, attempt }) => {
        if (input === 'parks' && attempt === 1) throw new Error('not now')
        return never()
      },
      rollback: () => {},
      retry: { attempts: 2, min: 1_000, max: 1_000 },
      timeout: '1h',
    })
    const { orchestrator } = await stage({ clock, store, sagas: [definition], concurrency: 1 })
    await clock.until(orchestrator.submit(definition, 'parks', { id: 'a' }))
    await clock.advance(500)
    await clock.until(orchestrator.submit(definition, 'stays', { id: 'b' }))
    await clock.advance(2_000)
    const before = flushes()
    await clock.advance(10_000)
    expect(flushes() - before).toBeLessThan(10_000 / 100 + 10)
  })

  test('a saga that is parked is taken up at its time, not at the next poll', async () => {
    const clock = new FakeClock()
    const calls: number[] = []
    const definition = saga('parks').step('one', {
      commit: ({ attempt }) => {
        calls.push(clock.monotonic())
        if (attempt < 4) throw new Error('not now')
      },
      rollback: () => {},
      retry: { attempts: 4, min: 37, max: 37 },
    })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    await clock.until(orchestrator.run(definition))
    const gaps = calls.slice(1).map((at, i) => at - (calls[i] ?? 0))
    expect(gaps).toEqual([37, 37, 37])
  })

  test('a place that is given back is taken in the same flush', async () => {
    const clock = new FakeClock()
    const { store, flushes } = counting(memoryStore({ now: clock.now }))
    const definition = saga('serial').step('one', { commit: () => 1, rollback: () => {} })
    const { orchestrator } = await stage({ clock, store, sagas: [definition] })
    const gate = saga('gate').step('one', { commit: () => clock.sleep(50), rollback: () => {} })
    const first = orchestrator.run(gate)
    await clock.settle()
    const runs = Array.from({ length: 100 }, () => orchestrator.run(definition))
    await clock.settle()
    const before = flushes()
    const start = clock.monotonic()
    await clock.until(Promise.all([first, ...runs]))
    expect(clock.monotonic() - start).toBeLessThanOrEqual(100)
    // One that ends and claims, one with the intent.
    expect(flushes() - before).toBeLessThan(2 * 100 + 10)
  })
})

describe('concurrency', () => {
  test('is never exceeded, whatever comes from where', async () => {
    const clock = new FakeClock({ seed: 3 })
    const memory = memoryStore({ now: clock.now })
    let now = 0
    let most = 0
    const definition = saga('many', { keys: () => [] }).step('one', {
      commit: async ({ attempt }) => {
        most = Math.max(most, ++now)
        await clock.sleep(clock.random() * 20)
        now--
        if (attempt === 1 && clock.random() < 0.3) throw new Error('again')
      },
      rollback: () => {},
      retry: { attempts: 2, min: 1, max: 30 },
    })
    const { orchestrator } = await stage({ clock, store: memory, sagas: [definition], concurrency: 5 })
    const beside = await stage({ clock, store: memory, work: false })
    const runs: Promise<unknown>[] = []
    for (let i = 0; i < 300; i++) {
      const from = clock.random() < 0.5 ? orchestrator : beside.orchestrator
      runs.push(from.run(definition).catch(() => {}))
      if (i % 7 === 0) await clock.advance(clock.random() * 10)
    }
    await clock.until(Promise.all(runs))
    expect(most).toBe(5)
  })
})

describe('a suspect: its step has been open at two crashes', () => {
  /** Leaves `id` behind as a process would that died twice in its step. */
  async function diedTwice(
    clock: FakeClock,
    memory: Store,
    definition: ReturnType<typeof poisonOf>['definition'],
    id: string,
  ) {
    for (let i = 0; i < 2; i++) {
      const { orchestrator } = await stage({ clock, store: memory, sagas: [definition] })
      if (i === 0) await clock.until(orchestrator.submit(definition, id, { id }))
      await clock.when(async () => {
        const step = (await orchestrator.get(id))?.steps[0]
        return step?.commit === 'open' && step.commitAttempts === i + 1
      })
      const { workers } = await orchestrator.health()
      for (const { worker, alive } of workers) if (alive) await memory.apply([{ type: 'leave', worker }])
    }
  }

  function poisonOf(clock: FakeClock) {
    const together: string[][] = []
    const running = new Set<string>()
    let mode: 'hangs' | 'runs' = 'hangs'
    const definition = saga<string>('mixed', { keys: () => [] }).step('one', {
      commit: async ({ input }) => {
        if (mode === 'hangs') return never()
        running.add(input)
        together.push([...running])
        await clock.sleep(input === 'slow' ? 2_000 : 50)
        running.delete(input)
      },
      rollback: () => {},
      retry: { attempts: 1, min: 10, max: 10 },
      timeout: '1h',
    })
    return { definition, together, heal: () => (mode = 'runs') }
  }

  test('runs with nothing beside it, and those that come meanwhile wait for it', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const { definition, together, heal } = poisonOf(clock)
    await diedTwice(clock, memory, definition, 'poison')
    heal()
    const beside = await stage({ clock, store: memory, work: false })
    for (let i = 0; i < 5; i++)
      await clock.until(beside.orchestrator.submit(definition, `early-${i}`, { id: `early-${i}` }))
    const { orchestrator } = await stage({ clock, store: memory, sagas: [definition] })
    const runs: Promise<unknown>[] = []
    for (let i = 0; i < 40; i++) {
      runs.push(orchestrator.run(definition, `late-${i}`, { id: `late-${i}` }))
      await clock.advance(5)
    }
    await clock.until(Promise.all(runs))
    expect((await orchestrator.get('poison'))?.status).toBe('committed')
    expect(together.filter((those) => those.includes('poison'))).toEqual([['poison']])
    expect(together.some((those) => those.length > 3)).toBe(true)
  })

  test('noticed before its turn, it still counts its crash, and still waits', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const { definition, together, heal } = poisonOf(clock)
    await diedTwice(clock, memory, definition, 'poison')
    heal()
    const beside = await stage({ clock, store: memory, work: false })
    await clock.until(beside.orchestrator.submit(definition, 'slow', { id: 'innocent' }))
    const { orchestrator } = await stage({ clock, store: memory, sagas: [definition] })
    await clock.advance(10)
    await clock.until(beside.orchestrator.retryNow('poison'))
    await clock.when(async () => (await orchestrator.get('poison'))?.status === 'committed')
    expect(together.filter((those) => those.length > 1)).toEqual([])
    const journal = (await orchestrator.journal('poison')) ?? []
    expect(journal.filter((entry) => entry.type === 'failed').at(-1)).toMatchObject({
      cause: 'crash',
      crashes: 2,
    })
  })

  test('a third crash turns it back: crash_loop', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const { definition } = poisonOf(clock)
    await diedTwice(clock, memory, definition, 'poison')
    const third = await stage({ clock, store: memory, sagas: [definition] })
    await clock.when(async () => (await third.orchestrator.get('poison'))?.steps[0]?.commitAttempts === 3)
    for (const { worker } of (await third.orchestrator.health()).workers)
      await memory.apply([{ type: 'leave', worker }])
    const last = await stage({ clock, store: memory, sagas: [definition] })
    await clock.when(async () => (await last.orchestrator.get('poison'))?.status === 'rolled_back')
    expect((await last.orchestrator.get('poison'))?.wayBack).toMatchObject({
      reason: 'crash_loop',
      step: 'one',
    })
    expect(await journalWords(last.orchestrator, 'poison')).toContain('undo-started')
  })
})

describe('waiting for the end of sagas', () => {
  test('that another process ends, after this one had begun and parked them', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const make = (where: string) =>
      saga('shared').step('one', {
        commit: ({ attempt }) => {
          if (attempt === 1) throw new Error('not here')
          return where
        },
        rollback: () => {},
        retry: { attempts: 2, min: 1_000, max: 1_000 },
      })
    // It claims nothing any more, so that the other one must.
    const store = wrapStore(memory, {
      apply: (writes: readonly Write[]) =>
        memory.apply(writes.map((write) => (write.type === 'claim' ? { ...write, limit: 0 } : write))),
    })
    const definition = make('here')
    const first = await stage({ clock, store, sagas: [definition] })
    const run = first.orchestrator.run(definition, undefined, { id: 'a' })
    await clock.advance(100)
    expect(await first.orchestrator.get('a')).toMatchObject({ owner: null, status: 'running' })
    await stage({ clock, store: memory, sagas: [make('there')] })
    const before = clock.monotonic()
    expect(await clock.until(run)).toEqual({ one: 'there' })
    expect(clock.monotonic() - before).toBeLessThan(2_000)
  })

  test('that are pruned before anybody looked: the end is known, the outputs are gone', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const definition = saga('pruned').step('one', { commit: () => 1, rollback: () => {} })
    const waiting = await stage({ clock, store: memory, work: false })
    const run = waiting.orchestrator.run(definition, undefined, { id: 'a' })
    const handle = await clock.until(waiting.orchestrator.submit(definition, undefined, { id: 'a' }))
    const worker = await stage({ clock, store: memory, sagas: [definition] })
    await clock.settle()
    const deadline = clock.monotonic() + 60_000
    while ((await worker.orchestrator.get('a'))?.endedAt === null) await clock.settle()
    // A moment later, so that it ended before now, and long before anybody looks.
    await clock.advance(1)
    expect(await clock.until(worker.orchestrator.prune({ olderThan: 0 }))).toBe(1)
    await expect(clock.until(run)).rejects.toMatchObject({ code: 'PRUNED' })
    expect(await clock.until(handle.outcome())).toMatchObject({ status: 'committed' })
    expect(clock.monotonic()).toBeLessThan(deadline)
  })
})

describe('a saga whose journal makes no sense', () => {
  test('P8: is left as it is, and named in the log; the others run', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const definition = saga('readable', { keys: () => [] }).step('one', {
      commit: () => 1,
      rollback: () => {},
    })
    const spoilt = { seq: 0, at: 0, entries: [{ type: 'from_the_future' }] } as never
    const store = wrapStore(memory, {
      apply: async (writes: readonly Write[]): Promise<readonly Result[]> =>
        (await memory.apply(writes)).map((result) => {
          if (result.type !== 'claimed') return result
          const spoil = (claimed: Claimed): Claimed =>
            claimed.saga.id === 'bad' ? { ...claimed, saga: { ...claimed.saga, chunks: [spoilt] } } : claimed
          return { ...result, sagas: result.sagas.map(spoil) }
        }),
    })
    const { errors, log } = errorLog()
    const beside = await stage({ clock, store: memory, work: false })
    for (const id of ['a', 'bad', 'b'])
      await clock.until(beside.orchestrator.submit(definition, undefined, { id }))
    const { orchestrator } = await stage({ clock, store, sagas: [definition], log })
    for (const id of ['a', 'b'])
      await clock.when(async () => (await orchestrator.get(id))?.status === 'committed')
    await clock.advance(5_000)
    expect(errors).toMatchObject([{ event: 'unreadable', saga: 'bad' }])
    expect(await clock.until(orchestrator.run(definition))).toEqual({ one: 1 })
    await clock.until(orchestrator.close())
  })

  test('P8: one that cannot be read does not keep others from being adopted', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const definition = saga('readable', { keys: () => [] }).step('one', {
      commit: () => 1,
      rollback: () => {},
    })
    let armed = true
    const store = wrapStore(memory, {
      apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
        const results = await memory.apply(writes)
        const gave = results.some((result) => result.type === 'claimed' && result.sagas.length > 0)
        if (gave && armed) throw new Error('the answer was lost')
        return results
      },
      find: async (ref) => {
        const saga = await memory.find(ref)
        if ('n' in ref && saga?.id === 'bad') throw new Error('a damaged page')
        return saga
      },
    })
    const beside = await stage({ clock, store: memory, work: false })
    for (const id of ['bad', 'a', 'b'])
      await clock.until(beside.orchestrator.submit(definition, undefined, { id }))
    const { orchestrator } = await stage({ clock, store, sagas: [definition] })
    await clock.when(async () => (await beside.orchestrator.list({ status: 'queued' })).sagas.length === 0)
    armed = false
    for (const id of ['a', 'b'])
      await clock.when(async () => (await orchestrator.get(id))?.status === 'committed')
    await clock.until(orchestrator.close({ drain: 0 }))
  })
})

describe('a hint of the store', () => {
  /** A store that hints when it is told to, whose claims can be held up, and which is hardly ever polled. */
  function hinting(memory: Store) {
    let hint = (): void => {}
    const claims = { made: 0, gate: Promise.resolve() }
    const store = wrapStore(memory, {
      poll: 60_000,
      onHint: (listener: () => void) => {
        hint = listener
      },
      apply: async (writes) => {
        const results = await memory.apply(writes)
        if (writes.some(({ type }) => type === 'claim')) {
          claims.made++
          await claims.gate
        }
        return results
      },
    })
    return { store, claims, hint: () => hint() }
  }

  test('is followed at once, long before the next poll; one that comes during a claim, right after that', async () => {
    const clock = new FakeClock()
    const { store, claims, hint } = hinting(memoryStore({ now: clock.now }))
    const { orchestrator } = await stage({ clock, store, sagas: [] })
    await clock.advance(100)
    const idle = claims.made
    hint()
    await clock.advance(20)
    expect(claims.made).toBe(idle + 1)

    const { promise, resolve } = deferred()
    claims.gate = promise
    hint()
    await clock.advance(20)
    expect(claims.made).toBe(idle + 2)
    // The claim is answered before the moment at which the hint alone would be followed.
    hint()
    resolve()
    await clock.advance(20)
    expect(claims.made).toBe(idle + 3)
    await clock.until(orchestrator.close())
  })
})
