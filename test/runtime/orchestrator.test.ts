/**
 * What a user of an orchestrator sees: what steps receive, what runs answer, what is refused, what is told to those who watch.
 */
import { memoryStore, none, Orchestrator, pending, type SagaRolledBackError, saga, step } from 'backstep'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { deferred, errorLog, journalWords, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { temporaryFile } from '../support/stores.js'

const fails =
  (message = 'no') =>
  () => {
    throw new Error(message)
  }

describe('what steps receive', () => {
  test('input, outputs, ids, attempts, keys, token, deadline, signal and log', async () => {
    const clock = new FakeClock()
    const seen: Record<string, unknown>[] = []
    const records: object[] = []
    const push = (record: object): void => void records.push(record)
    const log = { debug: push, info: push, warn: push, error: push }
    const definition = saga<{ to: string }>('trip')
      .step('flight', {
        commit: (context) => {
          seen.push({ ...context, outputs: context.outputs })
          context.log.info({ seat: '7A' }, 'booked')
          expect(context.signal.aborted).toBe(false)
          expect(Object.isFrozen(context.input)).toBe(true)
          if (context.attempt === 1) throw new Error('not now')
          return { seat: '7A' }
        },
        rollback: (context) => void seen.push({ ...context, outputs: context.outputs }),
        retry: { attempts: 2, min: 10 },
        timeout: '5s',
      })
      .step('hotel', { commit: fails('full'), rollback: () => {} })
    const { orchestrator } = await stage({ clock, sagas: [definition], log })
    await expect(clock.until(orchestrator.run(definition, { to: 'LIS' }, { id: 'a' }))).rejects.toThrow(
      'full',
    )
    const [first, second, undo] = seen
    expect(first).toMatchObject({
      input: { to: 'LIS' },
      outputs: {},
      sagaId: 'a',
      step: 'flight',
      attempt: 1,
    })
    expect(second).toMatchObject({ attempt: 2, idempotencyKey: first?.['idempotencyKey'] })
    expect(first?.['deadline']).toBe(Date.UTC(2026, 0, 1) + 5_000)
    expect(first).not.toHaveProperty('commitKey')
    expect(undo).toMatchObject({ output: { seat: '7A' }, commitKey: first?.['idempotencyKey'], attempt: 1 })
    expect(undo?.['idempotencyKey']).not.toBe(first?.['idempotencyKey'])
    expect(String(first?.['idempotencyKey'])).not.toContain('a:')
    expect(Number(undo?.['token'])).toBeGreaterThanOrEqual(Number(first?.['token']))
    expect(records).toContainEqual({
      saga: 'a',
      definition: 'trip@1',
      step: 'flight',
      attempt: 1,
      seat: '7A',
    })
    const events = records.flatMap((record) => ('event' in record ? [record.event] : []))
    expect(events).toEqual(
      expect.arrayContaining([
        'submitted',
        'started',
        'failed',
        'committed',
        'rolling_back',
        'rolled_back',
        'ended',
      ]),
    )
    expect(JSON.stringify(records)).not.toContain('LIS')
  })

  test('the same keys after a restart, in another process, over SQLite', async () => {
    const file = temporaryFile()
    const keys: string[] = []
    const make = (hangs: boolean) =>
      saga('keys').step('one', {
        commit: ({ idempotencyKey }) => {
          keys.push(idempotencyKey)
          return hangs ? new Promise<never>(() => {}) : undefined
        },
        rollback: () => {},
      })
    const first = await Orchestrator.open(`sqlite:${file}`, { sagas: [make(true)], log: false })
    await first.submit(make(true), undefined, { id: 'a' })
    while (keys.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await first.close({ drain: 0 })
    await using second = await Orchestrator.open(`sqlite:${file}`, { sagas: [make(false)], log: false })
    await second.run(make(false), undefined, { id: 'a' })
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
  })
})

describe('run', () => {
  test('the smallest form: a list', async () => {
    await using orchestrator = await Orchestrator.open({ log: false })
    const undone: string[] = []
    const steps = ['a', 'b', 'c'].map((name) => ({
      name,
      commit: () => name.toUpperCase(),
      rollback: () => void undone.push(name),
    }))
    expect(await orchestrator.run(steps)).toEqual({ a: 'A', b: 'B', c: 'C' })
    const broken = [
      ...steps,
      { name: 'd', commit: fails('out of seats'), rollback: () => void undone.push('d') },
    ]
    const error = (await orchestrator.run(broken).catch((error: unknown) => error)) as SagaRolledBackError
    expect(error).toMatchObject({
      code: 'ROLLED_BACK',
      step: 'd',
      reason: 'rejected',
      rolledBack: ['c', 'b', 'a'],
      cause: { message: 'out of seats' },
    })
    expect(undone).toEqual(['c', 'b', 'a'])
  })

  test('a list is refused on a store that outlives the process', async () => {
    await using orchestrator = await Orchestrator.open(`sqlite:${temporaryFile()}`, { log: false })
    const run = orchestrator.run([{ commit: () => 1, rollback: () => {} }])
    await expect(run).rejects.toMatchObject({ code: 'ANONYMOUS', hint: expect.stringContaining("saga('") })
  })

  test('wait bounds the wait, not the saga; the cause is the commit’s error', async () => {
    const gate = deferred()
    const definition = saga('slow')
      .step('one', { commit: () => 1, rollback: () => gate.promise, timeout: '1h' })
      .step('two', { commit: fails('sold out'), rollback: () => {} })
    const { clock, orchestrator } = await stage({ sagas: [definition] })
    const run = orchestrator.run(definition, undefined, { id: 'a', wait: '30s' })
    await expect(clock.until(run)).rejects.toMatchObject({
      code: 'UNFINISHED',
      sagaId: 'a',
      cause: { message: 'sold out' },
    })
    expect(clock.monotonic()).toBeGreaterThanOrEqual(30_000)
    expect((await orchestrator.get('a'))?.status).toBe('rolling_back')
    gate.resolve()
    await clock.when(async () => (await orchestrator.get('a'))?.status === 'rolled_back')
  })

  test('of an id that has ended answers as it did, from the journal, in another process', async () => {
    const file = temporaryFile()
    class SoldOut extends Error {
      readonly code = 'SOLD_OUT'
    }
    const definition = saga<number>('once').step('one', {
      commit: ({ input }) => {
        if (input === 0) throw new SoldOut('no seats left', { cause: new TypeError('zero') })
        return { input }
      },
      rollback: () => {},
    })
    {
      await using first = await Orchestrator.open(`sqlite:${file}`, { log: false })
      await first.run(definition, 7, { id: 'fine' })
      const error = (await first.run(definition, 0, { id: 'bad' }).catch((error: unknown) => error)) as Error
      expect(error.cause).toBeInstanceOf(SoldOut)
    }
    await using second = await Orchestrator.open(`sqlite:${file}`, { log: false })
    expect(await second.run(definition, 7, { id: 'fine' })).toEqual({ one: { input: 7 } })
    await expect(second.run(definition, 0, { id: 'bad' })).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      step: 'one',
      cause: {
        name: 'SoldOut',
        message: 'no seats left',
        code: 'SOLD_OUT',
        cause: { name: 'TypeError', message: 'zero' },
      },
    })
    await expect(second.run(definition, 8, { id: 'fine' })).rejects.toMatchObject({
      code: 'CONFLICT',
      sagaId: 'fine',
    })
  })

  test('a pruned id answers by its tombstone, and other input still conflicts', async () => {
    const clock = new FakeClock()
    const definition = saga<number>('once').step('one', { commit: ({ input }) => input, rollback: () => {} })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    await clock.until(orchestrator.run(definition, 7, { id: 'a' }))
    await clock.advance(2_000)
    expect(await clock.until(orchestrator.prune({ olderThan: '1h' }))).toBe(0)
    expect(await clock.until(orchestrator.prune({ olderThan: '1s' }))).toBe(1)
    expect(await orchestrator.get('a')).toBeUndefined()
    const handle = await clock.until(orchestrator.submit(definition, 7, { id: 'a' }))
    expect(await clock.until(handle.outcome())).toEqual({ status: 'committed', outputs: {}, pruned: 'a' })
    const again = orchestrator.run(definition, 7, { id: 'a' })
    await expect(clock.until(again)).rejects.toMatchObject({ code: 'PRUNED', sagaId: 'a' })
    await expect(clock.until(orchestrator.submit(definition, 8, { id: 'a' }))).rejects.toMatchObject({
      code: 'CONFLICT',
    })
  })

  test('input is validated by its schema, and stored as the schema made it', async () => {
    const schema = z.object({ to: z.string().trim(), seats: z.number().default(1) })
    const definition = saga('typed', { input: schema, keys: ({ to }) => [`to:${to}`] }).step('one', {
      commit: ({ input }) => input,
      rollback: () => {},
    })
    const { clock, orchestrator } = await stage({ sagas: [definition] })
    expect(await clock.until(orchestrator.run(definition, { to: ' LIS ' }, { id: 'a' }))).toEqual({
      one: { to: 'LIS', seats: 1 },
    })
    expect((await orchestrator.get('a'))?.keys).toEqual(['to:LIS'])
    const bad = orchestrator.run(definition, { to: 7 } as never)
    await expect(bad).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('input.to'),
    })
    const unstorable = saga<object>('plain').step('one', { commit: () => 1, rollback: () => {} })
    const odd = orchestrator.run(unstorable, { list: [1, { on: new Date() }] })
    await expect(odd).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('input.list[1].on'),
    })
  })

  test('keys that throw, or are none, refuse the submit', async () => {
    const { orchestrator } = await stage()
    for (const keys of [
      fails('boom'),
      () => 'text',
      () => [7],
      () => [''],
      () => Array(101).fill('k'),
      () => ['\0'],
    ]) {
      const definition = saga('keyed', { keys: keys as never }).step('one', {
        commit: () => 1,
        rollback: () => {},
      })
      await expect(orchestrator.submit(definition)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    }
    expect((await orchestrator.list()).sagas).toEqual([])
  })
})

describe('step policies', () => {
  test('when: asked once, journaled, and a skipped step is not rolled back', async () => {
    const clock = new FakeClock()
    const calls: string[] = []
    let asked = 0
    const definition = saga<{ car: boolean }>('trip')
      .step('flight', {
        commit: () => void calls.push('flight'),
        rollback: () => void calls.push('undo flight'),
      })
      .step('car', {
        when: ({ input }) => {
          asked++
          return input.car
        },
        commit: ({ attempt }) => {
          calls.push('car')
          if (attempt === 1) throw new Error('again')
        },
        rollback: () => void calls.push('undo car'),
        retry: { attempts: 2, min: 5 },
      })
      .step('payment', { commit: fails(), rollback: () => {} })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    await clock.until(orchestrator.run(definition, { car: false }, { id: 'a' }).catch(() => {}))
    expect(calls.splice(0)).toEqual(['flight', 'undo flight'])
    expect(await journalWords(orchestrator, 'a')).toContain('car:skipped')
    expect(asked).toBe(1)
    await clock.until(orchestrator.run(definition, { car: true }, { id: 'b' }).catch(() => {}))
    expect(calls).toEqual(['flight', 'car', 'car', 'undo car', 'undo flight'])
    expect(asked).toBe(2)
  })

  test('a when that throws, or answers nonsense, is a rejection of its step; no sibling has begun', async () => {
    for (const when of [fails('boom'), () => 'yes' as never, () => Promise.resolve(true) as never]) {
      const calls: string[] = []
      const definition = saga('group').parallel({
        a: step({ commit: () => void calls.push('a'), rollback: () => {} }),
        b: step({ commit: () => void calls.push('b'), rollback: () => {}, when: when as () => boolean }),
      })
      const { clock, orchestrator } = await stage({ sagas: [definition] })
      await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({
        step: 'b',
        rolledBack: [],
      })
      expect(calls).toEqual([])
    }
  })

  test('pending: nothing is held in memory, and it is called again with the same key', async () => {
    const clock = new FakeClock()
    const calls: string[] = []
    const definition = saga('polled').step('charge', {
      commit: ({ attempt, idempotencyKey }) => {
        calls.push(idempotencyKey)
        return attempt < 4 ? pending({ checkAfter: '30s' }) : { settled: true }
      },
      rollback: () => {},
      timeout: '1s',
    })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    const run = orchestrator.run(definition, undefined, { id: 'a' })
    await clock.advance(1_000)
    expect(await orchestrator.get('a')).toMatchObject({ owner: null, status: 'running' })
    expect(await clock.until(run)).toEqual({ charge: { settled: true } })
    expect(clock.monotonic()).toBeGreaterThanOrEqual(90_000)
    expect(new Set(calls).size).toBe(1)
    expect((await orchestrator.journal('a'))?.filter(({ type }) => type === 'pending')).toHaveLength(1)
  })

  test('verify: only never spares the step its rollback', async () => {
    const answers = {
      committed: { committed: { seat: 1 } },
      never: 'never',
      unknown: 'unknown',
      throws: undefined,
      nonsense: 7,
    } as const
    for (const [what, answer] of Object.entries(answers)) {
      const rollbacks: unknown[] = []
      const keys: string[] = []
      const definition = saga('asked').step('seat', {
        commit: ({ idempotencyKey }) => {
          keys.push(idempotencyKey)
          throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
        },
        verify: ({ commitKey, idempotencyKey }) => {
          expect([commitKey, idempotencyKey]).toEqual([keys[0], keys[0]])
          if (what === 'throws') throw new Error('service is down')
          return answer as never
        },
        rollback: ({ output }) => void rollbacks.push(output),
      })
      const { clock, orchestrator } = await stage({ sagas: [definition] })
      await clock.until(orchestrator.run(definition, undefined, { id: 'a' }).catch(() => {}))
      expect((await orchestrator.get('a'))?.status).toBe('rolled_back')
      expect([what, rollbacks]).toEqual([
        what,
        what === 'never' ? [] : [what === 'committed' ? { seat: 1 } : undefined],
      ])
    }
  })

  test('verify: committed, with an attempt left, goes on', async () => {
    let calls = 0
    const definition = saga('asked').step('seat', {
      commit: () => {
        calls++
        throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      },
      verify: () => ({ committed: { seat: 1 } }),
      rollback: () => {},
      retry: { attempts: 2, min: 10 },
    })
    const { clock, orchestrator } = await stage({ sagas: [definition] })
    expect(await clock.until(orchestrator.run(definition))).toEqual({ seat: { seat: 1 } })
    expect(calls).toBe(1)
  })

  test('throws: in_doubt, of a step or a saga: an error that cannot be trusted is rolled back', async () => {
    let rollbacks = 0
    const one = { commit: fails(), rollback: () => void rollbacks++ }
    const { clock, orchestrator } = await stage()
    const ofStep = saga('of-step').step('one', { ...one, throws: 'in_doubt' })
    const ofSaga = saga('of-saga', { throws: 'in_doubt' }).step('one', one)
    const ofNeither = saga('of-neither').step('one', one)
    for (const definition of [ofStep, ofSaga, ofNeither]) {
      await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({ code: 'ROLLED_BACK' })
    }
    expect(rollbacks).toBe(2)
  })

  test('none: nothing to call, and the saga ends', async () => {
    const definition = saga('reads')
      .step('look', { commit: () => 1, rollback: none('read only') })
      .step('fail', { commit: fails(), rollback: none('never took effect') })
    const { clock, orchestrator } = await stage()
    await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({ rolledBack: [] })
  })
})

describe('those who watch', () => {
  test('are told of every entry once, in order, when it is durable; one that throws harms nobody', async () => {
    const clock = new FakeClock()
    const { errors, log } = errorLog()
    const { orchestrator } = await stage({ clock, log })
    const definition = saga('watched')
      .step('one', { commit: () => 1, rollback: () => {} })
      .step('two', { commit: fails(), rollback: () => {} })
    const heard: string[] = []
    const stop = orchestrator.on('entry', ({ saga: { id, name }, entry }) =>
      heard.push(`${id} ${name} ${entry.type}`),
    )
    orchestrator.on('entry', fails('a listener that throws'))
    await clock.until(orchestrator.run(definition, undefined, { id: 'a' }).catch(() => {}))
    const words = ((await orchestrator.journal('a')) ?? []).map(({ type }) => `a watched ${type}`)
    expect(heard).toEqual(words)
    expect(errors.length).toBe(words.length)
    stop()
    await clock.until(orchestrator.run(definition, undefined, { id: 'b' }).catch(() => {}))
    expect(heard).toHaveLength(words.length)
  })

  test('a logger that throws harms nobody', async () => {
    const log = { debug: fails(), info: fails(), warn: fails(), error: fails() }
    const { clock, orchestrator } = await stage({ log })
    const definition = saga('logged').step('one', {
      commit: ({ log }) => {
        log.info({}, 'hello')
        return 1
      },
      rollback: () => {},
    })
    expect(await clock.until(orchestrator.run(definition))).toEqual({ one: 1 })
  })
})

describe('what is refused when it is opened', () => {
  test('options that are unknown or odd are named, with the remedy', async () => {
    const odd: object[] = [
      { concurency: 3 },
      { concurrency: 0 },
      { concurrency: 1.5 },
      { sagas: {} },
      { sagas: [{}] },
      { work: 'yes' },
      { log: true },
      { grace: -1 },
      { lease: 1 },
      { onStuck: 7 },
    ]
    for (const options of odd) {
      const [name = ''] = Object.keys(options)
      const opened = Orchestrator.open('memory:', options)
      await expect(opened).rejects.toMatchObject({
        code: 'BAD_INPUT',
        hint: expect.any(String),
        message: expect.stringContaining(name),
      })
    }
    await expect(Orchestrator.open({ concurency: 3 } as never)).rejects.toThrow(/did you mean concurrency/)
    for (const address of ['redis://x', 'memory', 'sqlite:', ''])
      await expect(Orchestrator.open(address)).rejects.toMatchObject({ code: 'STORE_ADDRESS' })
  })

  test('work: false submits and looks, and runs nothing', async () => {
    const clock = new FakeClock()
    const store = memoryStore({ now: clock.now })
    let calls = 0
    const definition = saga('idle').step('one', { commit: () => void calls++, rollback: () => {} })
    const { orchestrator } = await stage({ clock, store, work: false, sagas: [definition] })
    await clock.until(orchestrator.submit(definition, undefined, { id: 'a' }))
    await clock.advance(10_000)
    expect(calls).toBe(0)
    expect(await orchestrator.get('a')).toMatchObject({ status: 'queued', blocked: true })
    expect(clock.timers).toBe(0)
  })
})
