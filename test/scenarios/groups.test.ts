/**
 * Parallel groups and the pivot: every way in which two members can end, in every order; and a pivot in doubt, before and after.
 */
import {
  type CommitContext,
  InDoubt,
  memoryStore,
  Rejected,
  type RollbackContext,
  saga,
  step,
} from 'backstep'
import { describe, expect, test } from 'vitest'
import { deferred, journalWords, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { judgeSaga, MemoryLedger } from '../support/ledger.js'

type Context = CommitContext<unknown, unknown> | RollbackContext<unknown, unknown, unknown>

/** How a member of a group ends. `lost` and `silent` have taken effect; `hangs` has not. */
const endings = ['commits', 'rejected', 'lost', 'silent', 'hangs', 'unstorable', 'dies'] as const
type Ending = (typeof endings)[number]

/** A member that takes so long and then ends so, at its first attempt; at a later one (after a crash) it commits. */
function member(clock: FakeClock, ledger: MemoryLedger, ending: Ending, delay: number, pid: number) {
  const never = (): Promise<never> => new Promise(() => {})
  return step({
    commit: async (context) => {
      ledger.write(context, 'begun', pid)
      await clock.sleep(delay)
      const how = ending === 'dies' && pid > 1 ? 'commits' : ending
      const hasEffect = how !== 'rejected' && how !== 'hangs'
      ledger.write(context, hasEffect ? 'committed' : 'rejected', pid)
      if (how === 'rejected') throw new Rejected('no')
      if (how === 'lost') throw new InDoubt('the answer was cut off')
      if (how === 'silent' || how === 'hangs' || how === 'dies') return never()
      return how === 'unstorable' ? (1n as never) : { ok: true }
    },
    rollback: async (context) => {
      ledger.write(context as Context, 'begun', pid)
      await clock.sleep(5)
      ledger.write(context as Context, 'rolled_back', pid)
    },
    timeout: 100,
  })
}

const delays = [
  [10, 20],
  [20, 10],
  [10, 10],
] as const

/** A step before the group, and the group: `pid` stands for the process that runs it. */
function groupOf(
  clock: FakeClock,
  ledger: MemoryLedger,
  ends: readonly Ending[],
  delay: readonly number[],
  pid: number,
) {
  const [a = 'commits', b = 'commits'] = ends
  const [first = 0, second = 0] = delay
  const write = (outcome: 'committed' | 'rolled_back') => (context: Context) => {
    ledger.write(context, 'begun', pid)
    ledger.write(context, outcome, pid)
  }
  return saga('group')
    .step('before', { commit: write('committed'), rollback: write('rolled_back') })
    .parallel({ a: member(clock, ledger, a, first, pid), b: member(clock, ledger, b, second, pid) })
}

/** Runs it to its end; where a member dies, its process is gone then, and another one takes over. */
async function endedGroup(ends: readonly Ending[], delay: readonly number[]) {
  const clock = new FakeClock()
  const ledger = new MemoryLedger()
  const memory = memoryStore({ now: clock.now })
  const define = (pid: number) => groupOf(clock, ledger, ends, delay, pid)
  const definition = define(1)
  let { orchestrator } = await stage({ clock, store: memory, sagas: [definition], grace: 50 })
  await clock.until(orchestrator.submit(definition, undefined, { id: 'a' }))
  if (ends.includes('dies')) {
    await clock.advance(Math.max(...delay) + 5)
    // As if it had died: it has left, and whatever it still writes changes nothing.
    const [worker] = (await orchestrator.health()).workers
    await memory.apply([{ type: 'leave', worker: worker?.worker ?? '' }])
    ;({ orchestrator } = await stage({ clock, store: memory, sagas: [define(2)], grace: 50 }))
  }
  await clock.when(async () => (await orchestrator.get('a'))?.endedAt !== null)
  return { orchestrator, lines: ledger.lines }
}

describe('scenario 10b: two members of a parallel group', () => {
  const pairs = endings.flatMap((a) => endings.map((b) => [a, b] as const))
  test.each(pairs)('scenario 10b: one %s, the other %s, in every order', async (a, b) => {
    const stands = [a, b].every((how) => how === 'commits' || how === 'dies')
    for (const delay of delays) {
      const { orchestrator, lines } = await endedGroup([a, b], delay)
      expect((await orchestrator.get('a'))?.status).toBe(stands ? 'committed' : 'rolled_back')
      expect(await judgeSaga(orchestrator, 'a', lines)).toEqual([])
      expect(settledFirst(await journalWords(orchestrator, 'a'))).toBe(true)
    }
  })
})

test('scenario 10b: a member that fails does not abort its sibling: that would put it in doubt', async () => {
  const clock = new FakeClock()
  let signal: AbortSignal | undefined
  let undone: unknown
  const definition = saga('group').parallel({
    quick: step({
      commit: () => {
        throw new Rejected('no')
      },
      rollback: () => {},
    }),
    slow: step({
      commit: async (context) => {
        signal = context.signal
        await clock.sleep(50)
        return { ok: true }
      },
      rollback: ({ output }) => {
        undone = output
      },
    }),
  })
  const { orchestrator } = await stage({ clock, sagas: [definition] })
  const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
  await clock.advance(20)
  expect(await orchestrator.get('a')).toMatchObject({ status: 'rolling_back' })
  expect(signal?.aborted).toBe(false)
  expect(await clock.until(run)).toMatchObject({ reason: 'rejected', rolledBack: ['slow'] })
  expect(signal?.aborted).toBe(false)
  expect(undone).toEqual({ ok: true })
})

/** No rollback begins while a member's commit is open. */
function settledFirst(journal: string): boolean {
  const open = new Set<string>()
  for (const word of journal.split(' ')) {
    const [name = '', what] = word.split(':')
    if (what === 'started') open.add(name)
    if (what === 'committed' || what === 'failed') open.delete(name)
    if (what === 'undo-started' && open.size > 0) return false
  }
  return true
}

describe('scenario 10c: the pivot', () => {
  const quick = { min: 10, max: 10, factor: 1 }

  function booking(
    charge: (attempt: number, signal: AbortSignal) => unknown,
    ship: (attempt: number) => unknown = () => 1,
  ) {
    const calls: string[] = []
    const definition = saga('booking')
      .step('reserve', {
        commit: () => void calls.push('reserve'),
        rollback: () => void calls.push('undo reserve'),
      })
      .step('charge', {
        commit: ({ attempt, signal, idempotencyKey }) => {
          calls.push(`charge ${attempt} ${idempotencyKey.split(':').slice(1).join(':')}`)
          return charge(attempt, signal) as number
        },
        rollback: () => void calls.push('undo charge'),
        pivot: true,
        retry: { attempts: 1, ...quick },
        timeout: 100,
      })
      .step('ship', {
        commit: ({ attempt }) => {
          calls.push(`ship ${attempt}`)
          return ship(attempt) as number
        },
        retry: quick,
      })
    return { calls, definition }
  }

  test('scenario 10c: in doubt it is tried again with the same key until it commits', async () => {
    const { calls, definition } = booking((attempt) => {
      if (attempt < 4) throw new InDoubt('who knows')
      return 7
    })
    const { clock, orchestrator } = await stage({ sagas: [definition] })
    expect(await clock.until(orchestrator.run(definition))).toMatchObject({ charge: 7, ship: 1 })
    expect(calls).toEqual(['reserve', ...[1, 2, 3, 4].map((n) => `charge ${n} charge:commit`), 'ship 1'])
  })

  test('scenario 10c: in doubt, then rejected: the way back, its own rollback included', async () => {
    const { calls, definition } = booking((attempt) => {
      if (attempt < 3) throw new InDoubt('who knows')
      throw new Rejected('declined')
    })
    const { clock, orchestrator } = await stage({ sagas: [definition] })
    const run = clock.until(orchestrator.run(definition))
    await expect(run).rejects.toMatchObject({ reason: 'rejected', rolledBack: ['charge', 'reserve'] })
    expect(calls.slice(-2)).toEqual(['undo charge', 'undo reserve'])
  })

  test('scenario 10c: rejected at once: its own rollback is not called', async () => {
    const { calls, definition } = booking(() => {
      throw new Rejected('declined')
    })
    const { clock, orchestrator } = await stage({ sagas: [definition] })
    await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({ rolledBack: ['reserve'] })
    expect(calls).toEqual(['reserve', 'charge 1 charge:commit', 'undo reserve'])
  })

  test('scenario 10c: a timeout of the pivot is a doubt, and it is tried again', async () => {
    const { calls, definition } = booking((attempt) => (attempt === 1 ? new Promise(() => {}) : 7))
    const { clock, orchestrator } = await stage({ sagas: [definition], grace: 20 })
    expect(await clock.until(orchestrator.run(definition))).toMatchObject({ charge: 7 })
    expect(calls.filter((call) => call.startsWith('charge'))).toHaveLength(2)
  })

  for (const how of ['cancel', 'deadline'] as const) {
    /** Brings the saga to a point, and cancels it there or lets its deadline pass. */
    async function turnedAt(reached: (calls: string[]) => boolean, given: ReturnType<typeof booking>) {
      const { clock, orchestrator } = await stage({ sagas: [given.definition], grace: 20 })
      const deadline = how === 'deadline' ? { deadline: 50 } : {}
      const run = orchestrator
        .run(given.definition, undefined, { id: 'a', ...deadline })
        .catch((error: unknown) => error)
      await clock.when(() => reached(given.calls))
      let refused: unknown
      const cancelled = (): Promise<unknown> =>
        orchestrator.cancel('a', 'stop').catch((error: unknown) => error)
      if (how === 'cancel') refused = await clock.until(cancelled())
      else await clock.advance(60)
      return { clock, orchestrator, run, refused }
    }

    test(`scenario 10c: ${how} before the pivot: the way back`, async () => {
      const gate = deferred()
      const given = booking(() => 7)
      const slow = saga('booking')
        .step('reserve', {
          commit: async () => {
            given.calls.push('reserve')
            await gate.promise
          },
          rollback: () => void given.calls.push('undo reserve'),
          timeout: '1h',
        })
        .step('charge', { commit: () => void given.calls.push('charge'), rollback: () => {}, pivot: true })
      const { clock, run } = await turnedAt((calls) => calls.includes('reserve'), {
        ...given,
        definition: slow as never,
      })
      gate.resolve()
      const reason = how === 'cancel' ? 'cancelled' : 'deadline'
      expect(await clock.until(run)).toMatchObject({ code: 'ROLLED_BACK', reason, rolledBack: ['reserve'] })
      expect(given.calls).toEqual(['reserve', 'undo reserve'])
    })

    test(`scenario 10c: ${how} during the pivot: in doubt by the abort, and so rolled back`, async () => {
      const given = booking(
        (_, signal) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      )
      const { clock, run } = await turnedAt((calls) => calls.length === 2, given)
      expect(await clock.until(run)).toMatchObject({ code: 'ROLLED_BACK', rolledBack: ['charge', 'reserve'] })
    })

    test(`scenario 10c: ${how} while the pivot is in doubt: the way back`, async () => {
      const given = booking(() => {
        throw new InDoubt('who knows')
      })
      const { clock, run } = await turnedAt((calls) => calls.length === 4, given)
      expect(await clock.until(run)).toMatchObject({ code: 'ROLLED_BACK', rolledBack: ['charge', 'reserve'] })
    })

    test(`scenario 10c: ${how} after the pivot: ${how === 'cancel' ? 'refused' : 'only an alarm'}, and on it goes for ever`, async () => {
      const given = booking(
        () => 7,
        (attempt) => {
          if (attempt < 40) throw new Error('the warehouse is closed')
          return 'shipped'
        },
      )
      const { clock, orchestrator, run, refused } = await turnedAt((calls) => calls.includes('ship 2'), given)
      if (how === 'cancel') expect(refused).toMatchObject({ code: 'PAST_PIVOT', sagaId: 'a' })
      await clock.when(() => given.calls.includes('ship 20'))
      expect(await orchestrator.get('a')).toMatchObject({ status: 'running', stuck: true })
      expect(await clock.until(run)).toMatchObject({ ship: 'shipped' })
      expect(await orchestrator.get('a')).toMatchObject({ status: 'committed', stuck: false })
      expect(given.calls).not.toContain('undo reserve')
      const words = await journalWords(orchestrator, 'a')
      expect(words.includes('deadline_passed')).toBe(how === 'deadline')
    })
  }
})
