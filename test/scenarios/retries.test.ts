/**
 * Waiting and trying again: for ever where it must be, at the right time, and in little space.
 */
import { BadInputError, DefinitionError, type Duration, InDoubt, pending, Rejected, saga } from 'backstep'
import { describe, expect, test } from 'vitest'
import { backoff, settle } from '#dist/core/index.js'
import { systemClock } from '#dist/runtime/clock.js'
import { stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'

describe('scenario 3: a rollback that throws 1,000 times, then works', () => {
  test('scenario 3: rolling_back all the while, stuck raised once, a small journal, then rolled_back', async () => {
    const clock = new FakeClock()
    const keys = new Set<string>()
    const attempts: number[] = []
    const definition = saga('stubborn')
      .step('book', {
        commit: () => 'booked',
        rollback: ({ attempt, idempotencyKey }) => {
          attempts.push(attempt)
          keys.add(idempotencyKey)
          if (attempt <= 1_000) throw new Error(`not yet, #${attempt}`)
        },
        rollbackRetry: { min: 100, max: 1_000 },
      })
      .step('pay', {
        commit: () => {
          throw new Error('declined')
        },
        rollback: () => {},
      })
    const alarms: unknown[] = []
    const onStuck = (event: unknown): void => void alarms.push(event)
    const { orchestrator } = await stage({ clock, sagas: [definition], onStuck })
    const statuses = new Set<string | undefined>()
    const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
    await clock.when(async () => {
      if (attempts.length > 0) statuses.add((await orchestrator.get('a'))?.status)
      return attempts.length >= 900
    }, 100_000)
    expect([...statuses]).toEqual(['rolling_back'])
    const stuck = await orchestrator.get('a')
    expect(stuck).toMatchObject({ stuck: true, steps: [{ rollback: 'waiting', rollbackAttempts: 900 }, {}] })
    const journal = (await orchestrator.journal('a')) ?? []
    expect(journal.length).toBeLessThan(16)
    expect(JSON.stringify(journal).length).toBeLessThan(16_000)
    expect(journal.at(-1)).toMatchObject({
      failures: 900,
      first: { message: 'not yet, #1' },
      error: { message: 'not yet, #900' },
    })
    expect(await clock.until(run)).toMatchObject({ code: 'ROLLED_BACK', cause: { message: 'declined' } })
    expect(attempts).toEqual(Array.from({ length: 1_001 }, (_, i) => i + 1))
    expect(keys.size).toBe(1)
    expect(alarms).toHaveLength(1)
    expect(alarms[0]).toMatchObject({ saga: { id: 'a' }, step: 'book', failures: 10 })
    expect(await orchestrator.get('a')).toMatchObject({ status: 'rolled_back', stuck: false })
  })

  test('scenario 3: across restarts the count goes on, and so does the wait', async () => {
    const clock = new FakeClock()
    const attempts: number[] = []
    const definition = saga('stubborn').step('book', {
      commit: () => {
        throw new Error('socket', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) })
      },
      rollback: ({ attempt }) => {
        attempts.push(attempt)
        if (attempt <= 30) throw new Error('not yet')
      },
      rollbackRetry: { min: 1_000, max: 1_000 },
    })
    const first = await stage({ clock, sagas: [definition] })
    await clock.until(first.orchestrator.submit(definition, undefined, { id: 'a' }))
    let { orchestrator } = first
    while (attempts.length < 30) {
      await clock.advance(3_300)
      await clock.until(orchestrator.close({ drain: 0 }))
      ;({ orchestrator } = await stage({ clock, store: first.store, sagas: [definition] }))
    }
    const started = clock.now()
    await clock.when(async () => (await orchestrator.get('a'))?.status === 'rolled_back')
    expect(clock.now() - started).toBeLessThan(5_000)
    expect(attempts).toEqual(Array.from({ length: 31 }, (_, i) => i + 1))
  })
})

describe('scenario 4: waits and timeouts of odd lengths', () => {
  const long = [2 ** 31 - 2, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32, Number.MAX_SAFE_INTEGER]

  test('scenario 4: a timer of a length that setTimeout does not keep does not fire at once', async () => {
    let fired = 0
    const timers = long.map((ms) => systemClock.timer(ms, () => fired++))
    await new Promise((resolve) => setTimeout(resolve, 60))
    for (const timer of timers) timer.cancel()
    expect(fired).toBe(0)
  })

  for (const ms of long) {
    test(`scenario 4: a timeout, a retry, a pending and a deadline of ${ms} ms come when they are due`, async () => {
      const clock = new FakeClock()
      const { orchestrator } = await stage({ clock, lease: ms > 2 ** 33 ? 2 ** 40 : 15_000 })
      const calls: string[] = []
      const never = (): Promise<never> => new Promise(() => {})
      const timeout = saga('timeout', { keys: () => [] }).step('one', {
        commit: never,
        rollback: () => {},
        timeout: ms,
      })
      const retry = saga('retry', { keys: () => [] }).step('one', {
        commit: () => {
          calls.push('retry')
          throw new Error('no')
        },
        rollback: () => {},
        retry: { attempts: 2, min: ms, max: ms },
      })
      const polled = saga('polled', { keys: () => [] }).step('one', {
        commit: () => {
          calls.push('polled')
          return pending({ checkAfter: ms })
        },
        rollback: () => {},
      })
      const due = saga('due', { keys: () => [], deadline: ms }).step('one', {
        commit: never,
        rollback: () => {},
        timeout: ms,
      })
      for (const definition of [timeout, retry, polled, due])
        await clock.until(orchestrator.submit(definition, undefined, { id: definition.plan.name }))
      await clock.advance(60_000)
      expect(calls.sort()).toEqual(['polled', 'retry'])
      for (const id of ['timeout', 'retry', 'polled', 'due'])
        expect((await orchestrator.get(id))?.status).toBe('running')
      const polledAt = (await orchestrator.get('polled'))?.steps[0]?.nextAt ?? 0
      expect(polledAt).toBe(Math.min(8.64e15, Date.UTC(2026, 0, 1) + ms))
      await clock.until(orchestrator.close({ drain: 0 }))
      expect(clock.timers).toBe(0)
    })
  }

  test('scenario 4: what is no length is refused by name, before anything happens', async () => {
    const odd: unknown[] = [
      Number.NaN,
      -1,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      2 ** 53,
      '-1s',
      '1 fortnight',
      '',
    ]
    const { clock, orchestrator } = await stage()
    const fine = saga('fine').step('one', { commit: () => 1, rollback: () => {} })
    for (const value of odd) {
      const wait = value as Duration
      const step = { commit: () => 1, rollback: () => {} }
      expect(() => saga('x').step('one', { ...step, timeout: wait })).toThrow(DefinitionError)
      expect(() => saga('x').step('one', { ...step, retry: { attempts: 2, min: wait } })).toThrow(
        DefinitionError,
      )
      expect(() => saga('x').step('one', { ...step, rollbackRetry: { max: wait } })).toThrow(DefinitionError)
      expect(() => saga('x', { deadline: wait })).toThrow(DefinitionError)
      await expect(orchestrator.submit(fine, undefined, { deadline: wait })).rejects.toThrow(BadInputError)
      await expect(orchestrator.run(fine, undefined, { wait })).rejects.toThrow(BadInputError)
    }
    expect((await orchestrator.list()).sagas).toEqual([])
    await clock.until(orchestrator.close())
  })

  test('scenario 4: a pending with a bad length is in doubt: the commit may have begun something', async () => {
    let rollbacks = 0
    const definition = saga('polled').step('one', {
      commit: () => pending({ checkAfter: Number.NaN }),
      rollback: () => void rollbacks++,
    })
    const { clock, orchestrator } = await stage()
    await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({ reason: 'in_doubt' })
    expect(rollbacks).toBe(1)
  })
})

test('scenario 5: up to attempt 1,000,000 the wait is finite, within [min, cap], and jittered', () => {
  const clock = new FakeClock({ seed: 5 })
  for (const policy of [
    { min: 100, max: 60_000, factor: 2 },
    { min: 0, max: 1_000, factor: 10 },
    { min: 5, max: 5, factor: 1 },
    { min: 1, max: Number.MAX_SAFE_INTEGER, factor: 1.5 },
  ]) {
    for (const n of [1, 2, 3, 10, 31, 32, 64, 1_000, 1_024, 1_025, 100_000, 1_000_000]) {
      const capped = Math.min(policy.max, policy.min === 0 ? 0 : policy.min * policy.factor ** (n - 1))
      const random = clock.random()
      const wait = backoff(policy, n, random)
      expect(Number.isFinite(wait)).toBe(true)
      expect(wait).toBeGreaterThanOrEqual(policy.min)
      expect(wait).toBeLessThanOrEqual(policy.max)
      expect(wait).toBe(Math.round(policy.min + random * (capped - policy.min)))
      expect(backoff(policy, n, 0)).toBe(Math.round(policy.min))
    }
  }
})

test('scenario 5: the millionth failure of a rollback has a time for the next attempt', async () => {
  const definition = saga('long').step('one', { commit: () => 1, rollback: () => {} })
  const { begin, evolveAll } = await import('#dist/core/index.js')
  const state = evolveAll(
    begin(definition.plan, { type: 'submitted', uid: 'u', keys: null }),
    [
      { type: 'started', step: 'one', direction: 'commit', attempt: 1 },
      { type: 'committed', step: 'one', attempt: 1 },
      { type: 'rolling_back', reason: 'cancelled' },
      {
        type: 'failed',
        step: 'one',
        direction: 'rollback',
        attempt: 999_999,
        outcome: 'in_doubt',
        cause: 'thrown',
        failures: 999_999,
        used: 999_999,
        crashes: 0,
        doubt: true,
        since: 0,
        error: { name: 'Error', message: 'no' },
        nextAt: 1,
      },
      { type: 'started', step: 'one', direction: 'rollback', attempt: 1_000_000 },
    ],
    0,
  )
  const failed = {
    is: 'failed',
    outcome: 'in_doubt',
    cause: 'thrown',
    error: { name: 'E', message: 'm' },
    final: false,
  } as const
  const attempt = { step: 0, direction: 'rollback', attempt: 1_000_000 } as const
  for (const random of [0, 0.5, 0.999]) {
    const [entry] = settle(state, attempt, failed, 1_000, random)
    expect(entry).toMatchObject({ type: 'failed', failures: 1_000_000, stuck: true })
    const nextAt = entry?.type === 'failed' ? (entry.nextAt ?? Number.NaN) : Number.NaN
    expect(nextAt - 1_000).toBeGreaterThanOrEqual(100)
    expect(nextAt - 1_000).toBeLessThanOrEqual(60_000)
  }
})

describe('a commit that is rejected until later', () => {
  /** The times of its calls, and how it ends. */
  const busy = async (calls: number, attempts: number) => {
    const clock = new FakeClock()
    const times: number[] = []
    const definition = saga('busy').step('book', {
      commit: () => {
        times.push(clock.now())
        if (times.length < calls) throw new Rejected('too many requests', { retryAfter: 5_000 })
      },
      rollback: () => {},
      retry: { attempts },
    })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    const handle = await clock.until(orchestrator.submit(definition, undefined))
    const { status } = await clock.until(handle.outcome())
    return { status, waits: times.map((time) => time - (times[0] ?? 0)) }
  }

  test('is called again no sooner than it said', async () => {
    expect(await busy(3, 3)).toEqual({ status: 'committed', waits: [0, 5_000, 10_000] })
  })

  test('and so is a rollback that says when to come again', async () => {
    const clock = new FakeClock()
    const times: number[] = []
    const definition = saga('busy').step('book', {
      commit: () => {
        throw new InDoubt('perhaps')
      },
      rollback: () => {
        times.push(clock.now())
        if (times.length < 3) throw new Rejected('too many requests', { retryAfter: 5_000 })
      },
    })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    const handle = await clock.until(orchestrator.submit(definition, undefined))
    expect((await clock.until(handle.outcome())).status).toBe('rolled_back')
    expect(times.map((time) => time - (times[0] ?? 0))).toEqual([0, 5_000, 10_000])
  })

  test('but only as often as retry allows, and then there is nothing to roll back', async () => {
    expect(await busy(3, 2)).toEqual({ status: 'rolled_back', waits: [0, 5_000] })
    expect(await busy(2, 1)).toEqual({ status: 'rolled_back', waits: [0] })
  })
})
