/**
 * Order and keys, seen from outside: which sagas overlap, in which order they begin, and who waits for whom.
 */
import { memoryStore, Orchestrator, saga } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { describe, expect, test } from 'vitest'
import { type Stage, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { judgeSaga, MemoryLedger, overlaps, startedOrder } from '../support/ledger.js'
import { temporaryFile } from '../support/stores.js'

type Context = Parameters<MemoryLedger['write']>[0]

interface Job {
  readonly keys: readonly string[]
  readonly fails: boolean
}

/** Two steps that take some time; the second may fail, and the rollback of the first then fails once. */
function job(ledger: MemoryLedger, sleep: (ms: number) => Promise<void>, random: () => number) {
  return saga<Job>('job', { keys: ({ keys }) => keys })
    .step('one', {
      commit: async (context) => {
        ledger.write(context, 'begun')
        await sleep(random() * 5)
        ledger.write(context, 'committed')
      },
      rollback: async (context) => {
        ledger.write(context, 'begun')
        await sleep(random() * 5)
        if (context.attempt === 1) {
          ledger.write(context, 'failed')
          throw new Error('not yet')
        }
        ledger.write(context, 'rolled_back')
      },
      rollbackRetry: { min: 1, max: 3 },
    })
    .step('two', {
      commit: async (context) => {
        ledger.write(context, 'begun')
        await sleep(random() * 5)
        ledger.write(context, context.input.fails ? 'rejected' : 'committed')
        if (context.input.fails) throw new Error('no')
      },
      rollback: () => {},
    })
}

function jobs(count: number, random: () => number): Map<string, Job> {
  return new Map(
    Array.from({ length: count }, (_, i) => {
      const keys = Array.from({ length: Math.floor(random() * 4) }, () => `k${Math.floor(random() * 50)}`)
      return [`job-${i}`, { keys, fails: random() < 0.3 }]
    }),
  )
}

async function judgeAll(
  orchestrator: Orchestrator,
  all: Map<string, Job>,
  ledger: MemoryLedger,
): Promise<void> {
  const wrong: string[] = []
  for (const [id, { fails }] of all) {
    wrong.push(
      ...(await judgeSaga(orchestrator, id, ledger.lines, {
        answers: [fails ? 'rolled_back' : 'committed'],
      })),
    )
  }
  expect(wrong).toEqual([])
  const { wrong: together, most } = overlaps(ledger.lines, (id) => all.get(id)?.keys ?? null)
  expect(together).toEqual([])
  expect(most).toBeGreaterThan(8)
}

describe('scenario 39: random sagas over 50 keys, 16 at a time', () => {
  for (const processes of [1, 3]) {
    test(`scenario 39: in memory, ${processes} orchestrators: sharers never overlap, others do, every one ends`, async () => {
      for (let seed = 1; seed <= 3; seed++) {
        const clock = new FakeClock({ seed })
        const store = memoryStore({ now: clock.now })
        const ledger = new MemoryLedger()
        const definition = job(ledger, (ms) => clock.sleep(ms), clock.random)
        const all = jobs(400, clock.random)
        const stages: Stage[] = []
        for (let i = 0; i < processes; i++)
          stages.push(await stage({ clock, store, sagas: [definition], concurrency: 16 }))
        const ends = [...all].map(([id, input], i) => {
          const { orchestrator } = stages[i % processes] as Stage
          return orchestrator.run(definition, input, { id }).catch(() => {})
        })
        await clock.until(Promise.all(ends), 1_000_000)
        const [first] = stages
        if (first) await judgeAll(first.orchestrator, all, ledger)
        for (const { orchestrator } of stages) await clock.until(orchestrator.close())
        expect(clock.timers).toBe(0)
      }
    })
  }

  test('scenario 39: in SQLite', async () => {
    const { random } = new FakeClock({ seed: 39 })
    const ledger = new MemoryLedger()
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
    const definition = job(ledger, sleep, random)
    const all = jobs(300, random)
    await using orchestrator = await Orchestrator.open(sqliteStore(temporaryFile()), {
      log: false,
      concurrency: 16,
    })
    await Promise.all(
      [...all].map(([id, input]) => orchestrator.run(definition, input, { id }).catch(() => {})),
    )
    await judgeAll(orchestrator, all, ledger)
  })

  test('scenario 39: one that wants many keys is not starved by those that want one', async () => {
    const clock = new FakeClock({ seed: 4 })
    const ledger = new MemoryLedger()
    const definition = job(ledger, (ms) => clock.sleep(ms), clock.random)
    const { orchestrator } = await stage({ clock, sagas: [definition], concurrency: 16 })
    const few = (i: number) =>
      orchestrator.run(definition, { keys: [`k${i % 10}`], fails: false }, { id: `few-${i}` })
    const ends: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) ends.push(few(i))
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`)
    ends.push(orchestrator.run(definition, { keys, fails: false }, { id: 'many' }))
    for (let i = 100; i < 300; i++) ends.push(few(i))
    await clock.until(Promise.all(ends), 1_000_000)
    const order = startedOrder(ledger.lines)
    expect(order.slice(100, 101)).toEqual(['many'])
    expect(
      overlaps(ledger.lines, (id) => (id === 'many' ? keys : [`k${Number(id.slice(4)) % 10}`])).wrong,
    ).toEqual([])
  })
})

describe('scenario 38: serial sagas', () => {
  const serial = (
    ledger: MemoryLedger,
    sleep: (ms: number) => Promise<void>,
    random: () => number,
    keyed = false,
  ) =>
    saga<number>(keyed ? 'keyed' : 'serial', keyed ? { keys: (n) => [`k${n % 3}`] } : {}).step('one', {
      commit: async (context: Context) => {
        ledger.write(context, 'begun')
        await sleep(random() * 3)
        ledger.write(context, 'committed')
      },
      rollback: () => {},
    })

  test('scenario 38: submits that are awaited, and calls in one process, keep their order', async () => {
    const clock = new FakeClock({ seed: 38 })
    const store = memoryStore({ now: clock.now })
    const ledger = new MemoryLedger()
    const definition = serial(ledger, (ms) => clock.sleep(ms), clock.random)
    const stages: Stage[] = []
    for (let i = 0; i < 3; i++) stages.push(await stage({ clock, store, sagas: [definition] }))
    const wanted: string[] = []
    for (let i = 0; i < 200; i++) {
      const { orchestrator } = stages[Math.floor(clock.random() * 3)] as Stage
      wanted.push(`s${i}`)
      const submitted = orchestrator.submit(definition, i, { id: `s${i}` })
      // Awaited whenever the next call comes from another process.
      await clock.until(submitted)
      if (i % 10 === 0) await clock.advance(clock.random() * 20)
    }
    for (let i = 200; i < 230; i++) {
      wanted.push(`s${i}`)
      void stages[0]?.orchestrator.submit(definition, i, { id: `s${i}` })
    }
    await clock.when(async () => (await stages[1]?.orchestrator.get('s229'))?.status === 'committed', 100_000)
    expect(startedOrder(ledger.lines)).toEqual(wanted)
    expect(overlaps(ledger.lines, () => null).wrong).toEqual([])
  })

  test('scenario 38: a serial saga overlaps with no keyed one either', async () => {
    const clock = new FakeClock({ seed: 7 })
    const ledger = new MemoryLedger()
    const one = serial(ledger, (ms) => clock.sleep(ms), clock.random)
    const many = serial(ledger, (ms) => clock.sleep(ms), clock.random, true)
    const { orchestrator } = await stage({ clock, sagas: [one, many] })
    const ends = Array.from({ length: 300 }, (_, i) =>
      clock.random() < 0.3
        ? orchestrator.run(one, i, { id: `serial-${i}` })
        : orchestrator.run(many, i, { id: `keyed-${i}` }),
    )
    await clock.until(Promise.all(ends), 1_000_000)
    const keysOf = (id: string) => (id.startsWith('serial') ? null : [`k${Number(id.split('-')[1]) % 3}`])
    const { wrong, most } = overlaps(ledger.lines, keysOf)
    expect(wrong).toEqual([])
    expect(most).toBe(3)
  })
})

describe('scenario 40: a saga is stuck in its rollback, and others are queued', () => {
  interface Input {
    readonly keys: readonly string[] | null
  }

  function world(clock: FakeClock) {
    const ran: string[] = []
    let isFixed = false
    const stuck = saga<Input>('stuck', { keys: ({ keys }) => keys ?? [], stuck: { attempts: 3 } })
      .step('one', {
        commit: () => 1,
        rollback: () => {
          if (!isFixed) throw new Error('cannot be undone')
        },
        rollbackRetry: { min: 100, max: 100 },
      })
      .step('two', { commit: () => Promise.reject(new Error('no')), rollback: () => {} })
    const fine = saga<Input>('fine', { keys: ({ keys }) => keys ?? [] }).step('one', {
      commit: async ({ sagaId }) => {
        ran.push(sagaId)
        await clock.sleep(5)
      },
      rollback: () => {},
    })
    return { ran, stuck, fine, fix: () => (isFixed = true) }
  }

  test('scenario 40: sharers of its key wait visibly; who shares nothing with it goes on, past those that wait', async () => {
    const clock = new FakeClock()
    const { ran, stuck, fine, fix } = world(clock)
    const alarms: string[] = []
    const onStuck = ({ saga: { id } }: { saga: { id: string } }): void => void alarms.push(id)
    const { orchestrator } = await stage({ clock, sagas: [stuck, fine], onStuck })
    const last = orchestrator.run(stuck, { keys: ['red'] }, { id: 'X' }).catch((error: unknown) => error)
    await clock.when(() => alarms.length > 0)
    const submit = (id: string, ...keys: string[]) => clock.until(orchestrator.submit(fine, { keys }, { id }))
    await submit('behind', 'red')
    await submit('both', 'red', 'blue')
    await submit('after-both', 'blue', 'green')
    await submit('blue', 'blue')
    await submit('none')
    await clock.advance(5_000)
    expect(ran).toEqual(['after-both', 'none', 'blue'])
    for (const id of ['behind', 'both']) {
      const view = await orchestrator.get(id)
      expect(view).toMatchObject({ status: 'queued' })
      expect(view?.waitsFor[0]).toMatchObject({ id: 'X', key: 'red', stuck: true, stage: 'holding' })
    }
    expect((await orchestrator.health()).counts).toMatchObject({ stuck: 1, queued: 2 })
    fix()
    expect(await clock.until(last)).toMatchObject({ code: 'ROLLED_BACK' })
    await clock.advance(1_000)
    expect(ran.slice(3)).toEqual(['behind', 'both'])
    expect(alarms).toEqual(['X'])
  })

  test('scenario 40: resolved by hand, those behind it go on', async () => {
    const clock = new FakeClock()
    const { ran, stuck, fine } = world(clock)
    const { orchestrator } = await stage({ clock, sagas: [stuck, fine] })
    const last = orchestrator.run(stuck, { keys: ['red'] }, { id: 'X' }).catch((error: unknown) => error)
    const behind = orchestrator.run(fine, { keys: ['red'] }, { id: 'behind' })
    await clock.when(async () => (await orchestrator.get('X'))?.stuck === true)
    const by = { reason: 'cancelled at the desk', actor: 'ann' }
    await clock.until(orchestrator.resolve('X', 'one', { as: 'rolled_back', ...by }))
    expect(await clock.until(last)).toMatchObject({ code: 'ROLLED_BACK' })
    await clock.until(behind)
    expect(ran).toEqual(['behind'])
    const journal = (await orchestrator.journal('X')) ?? []
    expect(journal.find(({ type }) => type === 'resolved')).toMatchObject({ step: 'one', ...by })
  })

  test('scenario 40: in serial mode all wait, and that is visible', async () => {
    const clock = new FakeClock()
    const calls: string[] = []
    let isFixed = false
    const serial = saga<{ fails: boolean }>('serial', { stuck: { attempts: 2 } })
      .step('one', {
        commit: ({ sagaId }) => void calls.push(sagaId),
        rollback: () => {
          if (!isFixed) throw new Error('cannot be undone')
        },
        rollbackRetry: { min: 50, max: 50 },
      })
      .step('two', {
        commit: ({ input }) => (input.fails ? Promise.reject(new Error('no')) : 1),
        rollback: () => {},
      })
    const { orchestrator } = await stage({ clock, sagas: [serial] })
    const ends = ['X', 'a', 'b'].map((id) =>
      orchestrator.run(serial, { fails: id === 'X' }, { id }).catch(() => {}),
    )
    await clock.when(async () => (await orchestrator.get('X'))?.stuck === true)
    await clock.advance(10_000)
    expect(calls).toEqual(['X'])
    expect((await orchestrator.get('a'))?.waitsFor[0]).toMatchObject({ id: 'X', key: null, stuck: true })
    isFixed = true
    await clock.until(Promise.all(ends))
    expect(calls).toEqual(['X', 'a', 'b'])
  })
})
