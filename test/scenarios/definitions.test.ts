/**
 * Definitions that are gone, changed, or known to one process and not to another: sagas wait with a reason, and lose nothing.
 */
import { memoryStore, saga } from 'backstep'
import { describe, expect, test } from 'vitest'
import { deferred, journalWords, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { judgeSaga, MemoryLedger } from '../support/ledger.js'

type Context = Parameters<MemoryLedger['write']>[0]

/** A trip of these steps, in which the one named `stops` waits until it may go on. */
function trip(
  ledger: MemoryLedger,
  names: readonly string[],
  options: { stops?: string; gate?: Promise<void> } = {},
) {
  const { stops, gate } = options
  const steps = names.map((name) => ({
    name,
    commit: async (context: Context) => {
      ledger.write(context, 'begun')
      if (name === stops) await gate
      ledger.write(context, 'committed')
      return name
    },
    rollback: (context: Context) => {
      ledger.write(context, 'begun')
      ledger.write(context, 'rolled_back')
    },
    timeout: '1h',
  }))
  return saga('trip', steps)
}

const abc = ['a', 'b', 'c']
/** What somebody might make of it without another version, in the middle of a saga that stands at `b`. */
const shapes: Record<string, readonly string[]> = {
  renamed: ['a', 'bee', 'c'],
  removed: ['a', 'c'],
  reordered: ['b', 'a', 'c'],
  inserted: ['a', 'new', 'b', 'c'],
  'inserted at the end': ['a', 'b', 'c', 'd'],
  'gone altogether': [],
}

describe('scenario 21: the definition is removed, or its steps change under the same version', () => {
  for (const [how, names] of Object.entries(shapes)) {
    test(`scenario 21: ${how}: blocked with a reason, nothing lost, and it goes on when the old one is back`, async () => {
      const clock = new FakeClock()
      const ledger = new MemoryLedger()
      const memory = memoryStore({ now: clock.now })
      const stopping = trip(ledger, abc, { stops: 'b', gate: new Promise(() => {}) })
      const first = await stage({ clock, store: memory, sagas: [stopping] })
      const queue = ['x', 'y'].map((id) => first.orchestrator.submit(stopping, undefined, { id }))
      await clock.until(Promise.all(queue))
      await clock.advance(100)
      await clock.until(first.orchestrator.close({ drain: 0 }))
      const before = ledger.lines.length

      const changed = names.length > 0 ? [trip(ledger, names)] : []
      const seen: string[] = []
      const second = await stage({ clock, store: memory, sagas: changed })
      second.orchestrator.on('blocked', ({ saga: { id } }) => seen.push(id))
      await clock.advance(60_000)
      expect(ledger.lines).toHaveLength(before)
      const view = await second.orchestrator.get('x')
      expect(view).toMatchObject({
        status: 'running',
        blocked: true,
        steps: [{ commit: 'committed' }, { commit: 'waiting' }, {}],
      })
      expect((await second.orchestrator.get('y'))?.blocked).toBe(true)
      expect((await second.orchestrator.list({ blocked: true })).sagas.map(({ id }) => id)).toEqual([
        'y',
        'x',
      ])
      expect((await second.orchestrator.health()).counts.blocked).toBe(2)
      await clock.until(second.orchestrator.close())

      const third = await stage({ clock, store: memory, sagas: [trip(ledger, abc)] })
      await clock.when(async () => (await third.orchestrator.get('y'))?.status === 'committed')
      for (const id of ['x', 'y']) expect(await judgeSaga(third.orchestrator, id, ledger.lines)).toEqual([])
      expect((await third.orchestrator.list({ blocked: true })).sagas).toEqual([])
    })
  }

  test('scenario 21: in a rollback it is the same: never step i of one shape by the functions of another', async () => {
    const clock = new FakeClock()
    const ledger = new MemoryLedger()
    const memory = memoryStore({ now: clock.now })
    const stuck = saga('trip', [
      {
        name: 'a',
        commit: (c: Context) => ledger.write(c, 'committed'),
        rollback: () => new Promise(() => {}),
        timeout: '1h',
      },
      { name: 'b', commit: () => Promise.reject(new Error('no')), rollback: () => {} },
    ])
    const first = await stage({ clock, store: memory, sagas: [stuck] })
    await clock.until(first.orchestrator.submit(stuck, undefined, { id: 'x' }))
    await clock.when(async () => (await journalWords(first.orchestrator, 'x')).includes('a:undo-started'))
    await clock.until(first.orchestrator.close({ drain: 0 }))
    const undone: string[] = []
    const swapped = saga(
      'trip',
      ['b', 'a'].map((name) => ({ name, commit: () => 1, rollback: () => void undone.push(name) })),
    )
    const second = await stage({ clock, store: memory, sagas: [swapped] })
    await clock.advance(10_000)
    expect(undone).toEqual([])
    expect(await second.orchestrator.get('x')).toMatchObject({ status: 'rolling_back', blocked: true })
    await clock.until(second.orchestrator.close())
    const fixed = saga(
      'trip',
      ['a', 'b'].map((name) => ({ name, commit: () => 1, rollback: () => void undone.push(name) })),
    )
    const third = await stage({ clock, store: memory, sagas: [fixed] })
    await clock.when(async () => (await third.orchestrator.get('x'))?.status === 'rolled_back')
    expect(undone).toEqual(['a'])
  })

  test('scenario 21: one process cannot bring two shapes under one version', async () => {
    const { clock, orchestrator } = await stage({ sagas: [trip(new MemoryLedger(), abc)] })
    await expect(orchestrator.submit(trip(new MemoryLedger(), ['a', 'c']))).rejects.toMatchObject({
      code: 'BAD_DEFINITION',
    })
    await clock.until(orchestrator.close())
  })

  test('scenario 21: rebound to a version whose steps begin alike, it goes on there', async () => {
    const clock = new FakeClock()
    const calls: string[] = []
    const memory = memoryStore({ now: clock.now })
    const version = (version: string, names: readonly string[], gate?: Promise<void>) => {
      const options = { version }
      const steps = names.map((name) => ({
        name,
        commit: async () => {
          calls.push(`${name}@${version}`)
          if (name === 'b') await gate
        },
        rollback: () => {},
        timeout: '1h',
      }))
      return saga('trip', steps, options)
    }
    const gate = deferred()
    const one = version('1', ['a', 'b', 'c'], gate.promise)
    const first = await stage({ clock, store: memory, sagas: [one] })
    await clock.until(first.orchestrator.submit(one, undefined, { id: 'x' }))
    await clock.advance(100)
    await clock.until(first.orchestrator.close({ drain: 0 }))
    const second = await stage({
      clock,
      store: memory,
      sagas: [version('2', ['a', 'b', 'z']), version('3', ['q', 'b'])],
    })
    await clock.advance(1_000)
    await expect(clock.until(second.orchestrator.rebind('x', '3'))).rejects.toMatchObject({
      code: 'NOT_REBINDABLE',
    })
    await clock.until(second.orchestrator.rebind('x', '2'))
    await clock.when(async () => (await second.orchestrator.get('x'))?.status === 'committed')
    expect(calls).toEqual(['a@1', 'b@1', 'b@2', 'z@2'])
  })

  test('scenario 21: rebound while its process runs it: the process gives it up, and the one that knows the version goes on', async () => {
    const clock = new FakeClock()
    const memory = memoryStore({ now: clock.now })
    const calls: string[] = []
    const gate = deferred<string>()
    const make = (version: string, commit: () => unknown) =>
      saga('trip', { version }).step('a', {
        commit: () => {
          calls.push(version)
          return commit() as string
        },
        rollback: () => {},
        timeout: '1h',
      })
    const first = await stage({ clock, store: memory, sagas: [make('1', () => gate.promise)] })
    const second = await stage({ clock, store: memory, sagas: [make('2', () => 'by two')] })
    await clock.until(
      first.orchestrator.submit(
        make('1', () => gate.promise),
        undefined,
        { id: 'x' },
      ),
    )
    await clock.advance(100)
    await clock.until(second.orchestrator.rebind('x', '2'))
    await clock.when(async () => (await second.orchestrator.get('x'))?.status === 'committed')
    expect(calls).toEqual(['1', '2'])
    gate.resolve('too late')
    await clock.advance(1_000)
    expect((await second.orchestrator.get('x'))?.outputs).toEqual({ a: 'by two' })
  })
})

describe('scenario 22: one process knows definition A, another knows B', () => {
  for (const keyed of [true, false]) {
    test(`scenario 22: each runs its own, neither discards (${keyed ? 'with keys' : 'serial'})`, async () => {
      const clock = new FakeClock()
      const memory = memoryStore({ now: clock.now })
      const ran: string[] = []
      const define = (name: string, where: string) =>
        saga(name, keyed ? { keys: () => [] } : {}).step('one', {
          commit: ({ sagaId }) => void ran.push(`${sagaId} in ${where}`),
          rollback: () => {},
        })
      const a = await stage({ clock, store: memory, sagas: [define('a', 'A')] })
      const b = await stage({ clock, store: memory, sagas: [define('b', 'B')] })
      const submitter = await stage({ clock, store: memory, work: false })
      const wanted: string[] = []
      const runs: Promise<unknown>[] = []
      for (let i = 0; i < 20; i++) {
        const name = i % 3 === 0 ? 'a' : 'b'
        wanted.push(`${name}${i} in ${name.toUpperCase()}`)
        runs.push(submitter.orchestrator.run(define(name, 'nobody'), undefined, { id: `${name}${i}` }))
      }
      await clock.until(Promise.all(runs))
      expect(ran.toSorted()).toEqual(wanted.toSorted())
      if (!keyed) expect(ran).toEqual(wanted)
      for (const { orchestrator } of [a, b, submitter]) await clock.until(orchestrator.close())
    })
  }
})
