/**
 * The lease: who may believe that a saga is his. Past two thirds of it without an answered renewal, nothing new is called.
 */
import { memoryStore, saga } from 'backstep'
import { describe, expect, test } from 'vitest'
import { Lease } from '#dist/runtime/lease.js'
import type { Result, Write } from '#dist/store/store.js'
import { deferred, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { wrapStore } from '../support/wrapped-store.mjs'

describe('a lease', () => {
  test('holds for two thirds from when the last answered renewal was sent', async () => {
    const clock = new FakeClock()
    const lost: number[] = []
    let answer = true
    const lease = new Lease(
      clock,
      900,
      async () => {
        await clock.sleep(100)
        if (!answer) throw new Error('no answer')
        return true
      },
      () => lost.push(clock.monotonic()),
    )
    await clock.advance(3_000)
    expect(lease.holds).toBe(true)
    answer = false
    const from = clock.monotonic()
    await clock.advance(2_000)
    expect(lease.holds).toBe(false)
    expect(lost).toHaveLength(1)
    expect((lost[0] ?? 0) - from).toBeLessThanOrEqual(601)
    expect(clock.timers).toBe(0)
  })

  test('counts from when the renewal was sent, not from when it was answered', async () => {
    const clock = new FakeClock()
    const lost: number[] = []
    let renewals = 0
    new Lease(
      clock,
      900,
      async () => {
        if (++renewals > 1) return new Promise<never>(() => {})
        await clock.sleep(250)
        return true
      },
      () => lost.push(clock.monotonic()),
    )
    await clock.advance(3_000)
    // Sent at 300, answered at 550.
    expect(lost).toEqual([901])
  })

  test('is over at once when the store no longer knows the worker', async () => {
    const clock = new FakeClock()
    const lost: string[] = []
    new Lease(
      clock,
      900,
      async () => false,
      (why) => lost.push(why),
    )
    await clock.advance(301)
    expect(lost).toEqual(['another process took it for dead'])
    expect(clock.timers).toBe(0)
  })
})

describe('a worker that loses its lease', () => {
  /** Two orchestrators on one store; the first one's writes can be kept from it. */
  async function pair() {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const calls: string[] = []
    const aborts: unknown[] = []
    const gate = { promise: Promise.resolve() as Promise<void> }
    const store = wrapStore(memory, {
      apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
        await gate.promise
        return memory.apply(writes)
      },
    })
    const slow = deferred()
    const definition = saga('contended')
      .step('one', {
        commit: async ({ token, attempt, signal }) => {
          calls.push(`one #${attempt} by token ${token}`)
          signal.addEventListener('abort', () => aborts.push(signal.reason))
          if (attempt === 1) await slow.promise
        },
        rollback: () => {},
        timeout: '1h',
      })
      .step('two', {
        commit: ({ token, attempt }) => {
          calls.push(`two #${attempt} by token ${token}`)
        },
        rollback: () => {},
      })
    const first = await stage({ clock, store, sagas: [definition], lease: 900 })
    return { clock, memory, definition, calls, aborts, gate, slow, first }
  }

  test('another takes over; what the first still writes changes nothing, its signal aborts', async () => {
    const { clock, memory, definition, calls, aborts, gate, slow, first } = await pair()
    const freeze = deferred()
    await clock.until(first.orchestrator.submit(definition, undefined, { id: 'a' }))
    gate.promise = freeze.promise
    await clock.advance(700)
    expect(aborts).toHaveLength(1)
    const second = await stage({ clock, store: memory, sagas: [definition] })
    await clock.when(async () => (await second.orchestrator.get('a'))?.status === 'committed')
    expect(calls).toEqual(['one #1 by token 1', 'one #2 by token 2', 'two #1 by token 2'])
    slow.resolve()
    freeze.resolve()
    await clock.advance(5_000)
    expect(calls).toHaveLength(3)
    expect((await second.orchestrator.get('a'))?.status).toBe('committed')
  })

  test('woken after its lease, it makes no call, though the intent of one has just become durable', async () => {
    const { clock, definition, calls, gate, slow, first } = await pair()
    await clock.until(first.orchestrator.submit(definition, undefined, { id: 'a' }))
    const freeze = deferred()
    gate.promise = freeze.promise
    slow.resolve()
    await clock.settle()
    clock.freeze(700)
    freeze.resolve()
    gate.promise = Promise.resolve()
    await clock.when(async () => (await first.orchestrator.get('a'))?.status === 'committed')
    expect(calls.slice(1)).toEqual(['two #2 by token 2'])
  })

  test('begins anew under another name, and nothing that its former name was given is lost', async () => {
    const { clock, memory, definition, gate, slow, first } = await pair()
    slow.resolve()
    const beside = await stage({ clock, store: memory, work: false })
    const freeze = deferred()
    // The claim is on its way when the lease runs out: it lands, and its answer is for a worker that is gone.
    gate.promise = freeze.promise
    await clock.until(beside.orchestrator.submit(definition, undefined, { id: 'a' }))
    await clock.until(beside.orchestrator.submit(definition, undefined, { id: 'b' }))
    await clock.advance(800)
    freeze.resolve()
    await clock.when(async () => (await first.orchestrator.get('b'))?.status === 'committed')
    expect((await first.orchestrator.get('a'))?.status).toBe('committed')
    const { workers } = await first.orchestrator.health()
    expect(workers.filter(({ alive }) => alive)).toHaveLength(1)
  })

  test('that was taken for dead learns it from its next claim, long before its renewal', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const definition = saga('plain').step('one', { commit: () => 1, rollback: () => {} })
    const { orchestrator } = await stage({ clock, store: memory, sagas: [definition], lease: '60s' })
    const [worker] = (await orchestrator.health()).workers
    await memory.apply([{ type: 'leave', worker: worker?.worker ?? '' }])
    const before = clock.monotonic()
    await clock.until(orchestrator.run(definition))
    expect(clock.monotonic() - before).toBeLessThan(1_000)
  })
})
