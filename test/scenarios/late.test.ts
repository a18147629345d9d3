/**
 * Calls that do not end when they should: a success that comes after its rollback, a rejection after the timeout, a call that
 * never settles, an answer that was lost.
 */
import { memoryStore, none, StoreError, saga } from 'backstep'
import { afterEach, describe, expect, test } from 'vitest'
import { deferred, errorLog, journalWords, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { wrapStore } from '../support/wrapped-store.mjs'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))
afterEach(() => {
  expect(unhandled.splice(0)).toEqual([])
})

/** A flight whose booking ignores its signal; what stands at the airline is a set, with the keys it has seen. */
function airline(clock: FakeClock) {
  const standing = new Set<string>()
  const undone = new Map<string, number>()
  const answer = deferred<string>()
  const rollbacks: { key: string; commitKey: string; output: unknown }[] = []
  const definition = saga('flight', { keys: () => ['seat'] }).step('book', {
    commit: async ({ idempotencyKey }) => {
      const ticket = await answer.promise
      standing.add(idempotencyKey)
      return ticket
    },
    rollback: async ({ idempotencyKey, commitKey, output }) => {
      rollbacks.push({ key: idempotencyKey, commitKey, output })
      await clock.sleep(1)
      // As an idempotent service does: the same request twice is answered, not done again.
      if (undone.has(idempotencyKey)) return
      undone.set(idempotencyKey, rollbacks.length)
      standing.delete(commitKey)
    },
    timeout: 100,
    rollbackRetry: { min: 50, max: 50 },
  })
  return { definition, standing, rollbacks, answer }
}

describe('scenario 1: a commit that succeeds after it was given up', () => {
  test('scenario 1: after its rollback, and after the end of the saga', async () => {
    const clock = new FakeClock()
    const { definition, standing, rollbacks, answer } = airline(clock)
    const { orchestrator } = await stage({ clock, sagas: [definition], grace: 50 })
    const ended: string[] = []
    const late: string[] = []
    orchestrator.on('ended', ({ status }) => ended.push(status))
    orchestrator.on('late', ({ step }) => late.push(step))
    const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
    expect(await clock.until(run)).toMatchObject({
      code: 'ROLLED_BACK',
      reason: 'timeout',
      rolledBack: ['book'],
    })
    expect((await orchestrator.get('a'))?.status).toBe('rolled_back')
    answer.resolve('ticket-7')
    await clock.settle()
    expect(await orchestrator.get('a')).toMatchObject({ status: 'rolling_back', late: true })
    await clock.when(async () => (await orchestrator.get('a'))?.status === 'rolled_back')
    expect(standing.size).toBe(0)
    expect(rollbacks).toHaveLength(2)
    expect(rollbacks[1]?.key).not.toBe(rollbacks[0]?.key)
    expect(rollbacks[1]).toMatchObject({ commitKey: rollbacks[0]?.commitKey, output: 'ticket-7' })
    expect(late).toEqual(['book'])
    expect(await journalWords(orchestrator, 'a')).toBe(
      'submitted book:started book:failed book:rolling_back book:undo-started book:rolled_back ended ' +
        'book:late book:undo-started book:rolled_back ended',
    )
    expect(ended).toEqual(['rolled_back', 'rolled_back'])
    await clock.until(orchestrator.close())
  })

  test('scenario 1: while its rollback is under way: once more, under a new key', async () => {
    const clock = new FakeClock()
    const answer = deferred<string>()
    const keys: string[] = []
    const first = deferred()
    const definition = saga('flight').step('book', {
      commit: () => answer.promise,
      rollback: async ({ idempotencyKey }) => {
        keys.push(idempotencyKey)
        if (keys.length === 1) await first.promise
      },
      timeout: 100,
    })
    const { orchestrator } = await stage({ clock, sagas: [definition], grace: 50 })
    const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
    await clock.when(() => keys.length === 1)
    answer.resolve('late')
    await clock.settle()
    first.resolve()
    expect(await clock.until(run)).toMatchObject({ code: 'ROLLED_BACK' })
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(2)
    expect((await orchestrator.get('a'))?.late).toBe(false)
  })

  test('scenario 1: after its orchestrator was closed: nobody can journal it, and the log says so', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const { definition, standing, rollbacks, answer } = airline(clock)
    const { errors, log } = errorLog()
    const first = await stage({ clock, store: memory, sagas: [definition], grace: 50, log })
    await clock.until(first.orchestrator.submit(definition, undefined, { id: 'a' }))
    await clock.advance(10)
    // The first one gives its sagas up with the call still under way; nobody can stop that call.
    await clock.until(first.orchestrator.close({ drain: 0 }))
    const other = saga('flight', { keys: () => ['seat'] }).step('book', {
      commit: () => {
        throw new Error('sold out')
      },
      rollback: ({ idempotencyKey, commitKey }) => {
        rollbacks.push({ key: idempotencyKey, commitKey, output: undefined })
        standing.delete(commitKey)
      },
    })
    const second = await stage({ clock, store: memory, sagas: [other] })
    await clock.when(async () => (await second.orchestrator.get('a'))?.status === 'rolled_back')
    expect(rollbacks).toHaveLength(1)
    answer.resolve('ticket-7')
    await clock.settle()
    // What only a participant can prevent, see backstep/barrier.
    expect(standing.size).toBe(1)
    expect(errors).toMatchObject([{ event: 'late_success_lost', saga: 'a', step: 'book' }])
    await clock.until(second.orchestrator.close())
  })

  test('scenario 1: a superseded owner that is still there adds its late success', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const { definition, standing, rollbacks, answer } = airline(clock)
    const first = await stage({ clock, store: memory, sagas: [definition], grace: 50 })
    const [worker] = (await first.orchestrator.health()).workers
    await clock.until(first.orchestrator.submit(definition, undefined, { id: 'a' }))
    await clock.advance(10)
    const refusing = saga('flight', { keys: () => ['seat'] }).step('book', {
      commit: () => {
        throw new Error('sold out')
      },
      rollback: ({ idempotencyKey, commitKey }) => {
        rollbacks.push({ key: idempotencyKey, commitKey, output: 'second' })
        standing.delete(commitKey)
      },
    })
    const second = await stage({ clock, store: memory, sagas: [refusing] })
    await memory.apply([{ type: 'leave', worker: worker?.worker ?? '' }])
    await clock.when(async () => (await second.orchestrator.get('a'))?.status === 'rolled_back')
    expect(rollbacks).toHaveLength(1)
    answer.resolve('ticket-7')
    await clock.when(() => rollbacks.length === 2)
    await clock.when(async () => (await second.orchestrator.get('a'))?.status === 'rolled_back')
    expect(await second.orchestrator.get('a')).toMatchObject({ late: true, status: 'rolled_back' })
    expect(new Set(rollbacks.map(({ key }) => key)).size).toBe(2)
    expect(standing.size).toBe(0)
  })

  test('scenario 1: it takes its keys again before its rollback runs again, in its old place', async () => {
    const clock = new FakeClock()
    const { definition, rollbacks, answer } = airline(clock)
    const { orchestrator } = await stage({ clock, sagas: [definition], grace: 50 })
    await clock.until(orchestrator.run(definition, undefined, { id: 'a' }).catch(() => {}))
    const order: string[] = []
    const gate = deferred()
    const neighbour = saga('neighbour', { keys: () => ['seat'] }).step('sit', {
      commit: async ({ sagaId }) => {
        order.push(`${sagaId} sits, ${rollbacks.length} rollbacks so far`)
        if (sagaId === 'b') await gate.promise
      },
      rollback: none('only looks'),
      timeout: '1h',
    })
    await clock.until(orchestrator.submit(neighbour, undefined, { id: 'b' }))
    const last = orchestrator.run(neighbour, undefined, { id: 'c' })
    await clock.advance(1_000)
    answer.resolve('ticket-7')
    await clock.advance(1_000)
    expect(await orchestrator.get('a')).toMatchObject({ status: 'rolling_back', late: true })
    gate.resolve()
    await clock.until(last)
    expect(order).toEqual(['b sits, 1 rollbacks so far', 'c sits, 2 rollbacks so far'])
  })

  test('scenario 1: of a bare list, whose functions only its submitter has', async () => {
    const clock = new FakeClock()
    const answer = deferred<string>()
    let rollbacks = 0
    const { orchestrator } = await stage({ clock, grace: 50 })
    const run = orchestrator.run([
      { commit: () => answer.promise, rollback: () => void rollbacks++, timeout: 100 },
    ])
    await expect(clock.until(run)).rejects.toMatchObject({ code: 'ROLLED_BACK' })
    expect(rollbacks).toBe(1)
    answer.resolve('late')
    await clock.advance(1_000)
    expect(rollbacks).toBe(2)
    const { sagas } = await orchestrator.list()
    expect(sagas).toMatchObject([{ status: 'rolled_back', late: true }])
  })

  test('scenario 1: while the store cannot be read: said as soon as it can', async () => {
    const clock = new FakeClock()
    let silent = false
    const { definition, standing, rollbacks, answer } = airline(clock)
    const { orchestrator } = await stage({
      clock,
      sagas: [definition],
      grace: 50,
      wrap: (store) =>
        wrapStore(store, {
          find: (ref) => {
            if (!silent) return store.find(ref)
            return Promise.reject(new StoreError('busy', { code: 'STORE_UNAVAILABLE', hint: 'wait' }))
          },
        }),
    })
    await clock.until(orchestrator.run(definition, undefined, { id: 'a' }).catch(() => {}))
    silent = true
    answer.resolve('ticket-7')
    await clock.advance(3_000)
    expect(rollbacks).toHaveLength(1)
    silent = false
    await clock.advance(3_000)
    expect(rollbacks).toHaveLength(2)
    expect(standing.size).toBe(0)
  })

  test('scenario 1: of a step that stands by a later attempt: nothing to say, nothing to undo', async () => {
    const clock = new FakeClock()
    const first = deferred<string>()
    const gate = deferred()
    let rollbacks = 0
    const definition = saga('twice')
      .step('book', {
        commit: ({ attempt }) => (attempt === 1 ? first.promise : 'second'),
        rollback: () => void rollbacks++,
        timeout: 100,
        retry: { attempts: 2, min: 10 },
      })
      .step('then', { commit: () => gate.promise, rollback: () => {} })
    const { orchestrator } = await stage({ clock, sagas: [definition], grace: 50 })
    const run = orchestrator.run(definition, undefined, { id: 'a' })
    await clock.when(async () => (await journalWords(orchestrator, 'a')).endsWith('then:started'))
    first.resolve('first')
    await clock.advance(1_000)
    gate.resolve()
    expect(await clock.until(run)).toEqual({ book: 'second' })
    expect(rollbacks).toBe(0)
    expect(await journalWords(orchestrator, 'a')).not.toContain('late')
  })

  test('scenario 1: within the grace it commits, and the saga goes on where an attempt was left', async () => {
    for (const attempts of [1, 2]) {
      const clock = new FakeClock()
      const outputs: unknown[] = []
      const definition = saga('overdue').step('slow', {
        commit: async () => {
          await clock.sleep(150)
          return 'there'
        },
        rollback: ({ output }) => void outputs.push(output),
        timeout: 100,
        retry: { attempts },
      })
      const { orchestrator } = await stage({ clock, sagas: [definition], grace: 100 })
      const run = clock.until(orchestrator.run(definition, undefined, { id: 'a' }))
      if (attempts === 2) expect(await run).toEqual({ slow: 'there' })
      else await expect(run).rejects.toMatchObject({ reason: 'timeout', step: 'slow' })
      expect(outputs).toEqual(attempts === 2 ? [] : ['there'])
    }
  })
})

describe('scenario 2: an attempt in doubt, then one that is rejected', () => {
  const lost: Record<string, () => unknown> = {
    'a reset connection': () => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
    'a reset connection, three causes deep': () =>
      new Error('fetch failed', {
        cause: new Error('other', {
          cause: Object.assign(new Error('closed'), { code: 'UND_ERR_SOCKET' }),
        }),
      }),
  }
  for (const [what, error] of Object.entries(lost)) {
    test(`scenario 2: ${what}: the step is rolled back`, async () => {
      const rollbacks: unknown[] = []
      const definition = saga('doubt').step('charge', {
        commit: ({ attempt }) => {
          throw attempt === 1 ? error() : new Error('card declined')
        },
        rollback: ({ output, commitKey }) => void rollbacks.push({ output, commitKey }),
        retry: { attempts: 2, min: 10 },
      })
      const { clock, orchestrator } = await stage({ sagas: [definition] })
      const ended = clock.until(orchestrator.run(definition, undefined, { id: 'a' }))
      await expect(ended).rejects.toMatchObject({
        reason: 'rejected',
        step: 'charge',
        rolledBack: ['charge'],
        cause: { message: 'card declined' },
      })
      expect(rollbacks).toHaveLength(1)
      expect(rollbacks[0]).toMatchObject({ output: undefined })
    })
  }

  test('scenario 2: then rejected twice, with a restart before the last time: the doubt is kept', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    let rollbacks = 0
    const definition = saga('doubt').step('charge', {
      commit: ({ attempt }) => {
        throw attempt === 1
          ? Object.assign(new Error('reset'), { code: 'ECONNRESET' })
          : new Error('declined')
      },
      rollback: () => void rollbacks++,
      retry: { attempts: 3, min: 1_000, max: 1_000 },
    })
    const first = await stage({ clock, store: memory, sagas: [definition] })
    await clock.until(first.orchestrator.submit(definition, undefined, { id: 'a' }))
    await clock.when(async () => (await first.orchestrator.get('a'))?.steps[0]?.commitAttempts === 2)
    await clock.until(first.orchestrator.close())
    const second = await stage({ clock, store: memory, sagas: [definition] })
    await clock.when(async () => (await second.orchestrator.get('a'))?.status === 'rolled_back')
    expect(rollbacks).toBe(1)
  })

  test('scenario 2: an abort by cancel: the step is rolled back, though the call throws', async () => {
    let rollbacks = 0
    const definition = saga('doubt').step('charge', {
      commit: ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      rollback: () => void rollbacks++,
      retry: { attempts: 5, min: 10 },
    })
    const { clock, orchestrator } = await stage({ sagas: [definition] })
    const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
    await clock.advance(10)
    await clock.until(orchestrator.cancel('a', 'changed my mind'))
    expect(await clock.until(run)).toMatchObject({ reason: 'cancelled', rolledBack: ['charge'] })
    expect(rollbacks).toBe(1)
  })

  test('scenario 2: every attempt rejected: nothing to roll back', async () => {
    let rollbacks = 0
    const definition = saga('clean').step('charge', {
      commit: () => {
        throw new Error('card declined')
      },
      rollback: () => void rollbacks++,
      retry: { attempts: 3, min: 10 },
    })
    const { clock, orchestrator } = await stage({ sagas: [definition] })
    await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({ rolledBack: [] })
    expect(rollbacks).toBe(0)
  })
})

describe('scenario 6: it settles after its timeout with a rejection', () => {
  test('scenario 6: no unhandled rejection, no second transition, no timer left', async () => {
    const clock = new FakeClock()
    const answers = [deferred<never>(), deferred<never>()]
    const definition = saga('sulks').step('one', {
      commit: ({ attempt }) => answers[attempt - 1]?.promise,
      rollback: () => {},
      timeout: 100,
      retry: { attempts: 2, min: 10 },
    })
    const { orchestrator } = await stage({ clock, sagas: [definition], grace: 50 })
    const run = orchestrator.run(definition, undefined, { id: 'a' })
    await expect(clock.until(run)).rejects.toMatchObject({ reason: 'timeout' })
    const before = await journalWords(orchestrator, 'a')
    for (const { reject } of answers) reject(new Error('at last'))
    await clock.advance(1_000)
    expect(await journalWords(orchestrator, 'a')).toBe(before)
    await clock.until(orchestrator.close())
    expect(clock.timers).toBe(0)
  })

  test('scenario 6: within the grace: in doubt, with what it said as the cause', async () => {
    const clock = new FakeClock()
    const definition = saga('sulks').step('one', {
      commit: async () => {
        await clock.sleep(120)
        throw new Error('gateway went away')
      },
      rollback: () => {},
      timeout: 100,
    })
    const { orchestrator } = await stage({ clock, sagas: [definition], grace: 50 })
    const run = clock.until(orchestrator.run(definition, undefined, { id: 'a' }))
    await expect(run).rejects.toMatchObject({
      reason: 'timeout',
      rolledBack: ['one'],
      cause: { code: 'TIMEOUT', cause: { message: 'gateway went away' } },
    })
  })
})

test('scenario 7: a commit that never settles and names no timeout is given up after 30 s', async () => {
  const clock = new FakeClock()
  const definition = saga('hangs').step('one', { commit: () => new Promise(() => {}), rollback: () => {} })
  const { orchestrator } = await stage({ clock, sagas: [definition] })
  const before = clock.monotonic()
  await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({ reason: 'timeout' })
  expect(clock.monotonic() - before).toBeGreaterThanOrEqual(30_000)
  expect(clock.monotonic() - before).toBeLessThan(33_000)
})
