/**
 * Cancels and deadlines, at every moment: one outcome, and the answer says which.
 */
import { memoryStore, Orchestrator, type SagaStateError, saga, step } from 'backstep'
import { describe, expect, test } from 'vitest'
import type { Result, Write } from '#dist/store/store.js'
import { deferred, journalWords, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { judgeSaga, MemoryLedger } from '../support/ledger.js'
import { stores } from '../support/stores.js'
import { wrapStore } from '../support/wrapped-store.mjs'

/** Two steps and a group, each of which takes 10 ms; `fails` makes the last one reject, so that there is a way back to cancel in. */
function trip(clock: FakeClock, ledger: MemoryLedger, fails: boolean) {
  const commit = (rejects: boolean) => async (context: Parameters<MemoryLedger['write']>[0]) => {
    ledger.write(context, 'begun')
    await clock.sleep(10)
    ledger.write(context, rejects ? 'rejected' : 'committed')
    if (rejects) throw new Error('no')
  }
  const rollback = async (context: Parameters<MemoryLedger['write']>[0]) => {
    ledger.write(context, 'begun')
    await clock.sleep(10)
    if (context.attempt === 1) {
      ledger.write(context, 'failed')
      throw new Error('not yet')
    }
    ledger.write(context, 'rolled_back')
  }
  const policy = { rollbackRetry: { min: 5, max: 5 } }
  return saga('trip')
    .step('flight', { commit: commit(false), rollback, ...policy })
    .parallel({
      hotel: step({ commit: commit(false), rollback, ...policy }),
      car: step({ commit: commit(false), rollback, ...policy }),
    })
    .step('payment', { commit: commit(fails), rollback, ...policy })
}

/** Cancels from outside while the owner's nth write that says something is held back, or its answer is. Undefined: there was none. */
async function cancelledAtWrite(fails: boolean, target: number, side: 'before' | 'after') {
  const clock = new FakeClock()
  const ledger = new MemoryLedger()
  const memory = memoryStore({ now: clock.now })
  const definition = trip(clock, ledger, fails)
  const beside = await stage({ clock, store: memory, work: false })
  let answer: Cancelled | undefined
  let count = 0
  const cancel = async (): Promise<void> => {
    answer = await beside.orchestrator.cancel('a', 'stop').catch(answerOf)
  }
  const store = wrapStore(memory, {
    apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
      const isIt = writes.some(({ type }) => type === 'append') && ++count === target
      if (isIt && side === 'before') await cancel()
      const results = await memory.apply(writes)
      if (isIt && side === 'after') await cancel()
      return results
    },
  })
  const { orchestrator } = await stage({ clock, store, sagas: [definition], grace: 30 })
  const run = endOf(orchestrator.run(definition, undefined, { id: 'a' }))
  const end = await clock.until(run)
  await clock.advance(1_000)
  return { answer, end, wrong: await judgeSaga(orchestrator, 'a', ledger.lines, { answers: [end] }) }
}

const endOf = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'committed',
    () => 'rolled_back',
  )

type Cancelled = 'cancelled' | 'already_rolling_back' | 'ENDED'

const answerOf = (error: unknown): Cancelled => (error as SagaStateError).code as Cancelled

/** Cancels twice at this ms, from where the saga runs or from beside. */
async function cancelledAtMoment(fails: boolean, moment: number, from: 'here' | 'another process') {
  const clock = new FakeClock()
  const ledger = new MemoryLedger()
  const memory = memoryStore({ now: clock.now })
  const definition = trip(clock, ledger, fails)
  const { orchestrator } = await stage({ clock, store: memory, sagas: [definition], grace: 30 })
  const beside = await stage({ clock, store: memory, work: false })
  const by = from === 'here' ? orchestrator : beside.orchestrator
  const run = endOf(orchestrator.run(definition, undefined, { id: 'a' }))
  await clock.when(async () => (await orchestrator.get('a')) !== undefined)
  await clock.advance(moment)
  const both = ['first', 'second'].map((who) => by.cancel('a', who).catch(answerOf))
  const answers = await clock.until(Promise.all(both))
  const end = await clock.until(run)
  // The rest is what was under way when the rollbacks had been done: it changes nothing.
  await clock.advance(1_000)
  const wrong = await judgeSaga(orchestrator, 'a', ledger.lines, { answers: [end] })
  return { answers, end, wrong, wayBack: (await orchestrator.get('a'))?.wayBack }
}

describe('scenario 13: cancel at every possible moment', () => {
  const cases = [false, true].flatMap((fails) =>
    (['here', 'another process'] as const).map((from) => ({ fails, from })),
  )
  test.each(cases)(
    'scenario 13: at every ms, twice ($from, fails: $fails): one outcome, and the answer says which',
    async (given) => {
      const seen = new Set<string>()
      for (let moment = 0; moment <= 160; moment++) {
        const { answers, end, wrong, wayBack } = await cancelledAtMoment(given.fails, moment, given.from)
        expect(wrong).toEqual([])
        const isCancelled = answers.includes('cancelled')
        if (isCancelled) expect(end).toBe('rolled_back')
        if (answers.includes('ENDED')) expect(answers).toEqual(['ENDED', 'ENDED'])
        expect(wayBack?.reason === 'cancelled').toBe(isCancelled)
        for (const answer of answers) seen.add(answer)
      }
      expect([...seen].sort()).toEqual(['ENDED', 'already_rolling_back', 'cancelled'])
    },
  )

  const sides = [false, true].flatMap((fails) =>
    (['before', 'after'] as const).map((side) => ({ fails, side })),
  )
  test.each(sides)('scenario 13: right $side every write (fails: $fails)', async ({ fails, side }) => {
    const answers: string[] = []
    for (let target = 1; ; target++) {
      const { answer, wrong, end } = await cancelledAtWrite(fails, target, side)
      if (answer === undefined) break
      expect(wrong).toEqual([])
      answers.push(`${answer} ${end}`)
    }
    expect(answers.length).toBeGreaterThan(fails ? 8 : 3)
    const back = ['cancelled rolled_back', 'already_rolling_back rolled_back']
    expect(answers.slice(0, -1).filter((answer) => !back.includes(answer))).toEqual([])
    const ended = fails ? 'ENDED rolled_back' : 'ENDED committed'
    expect(answers.at(-1)).toBe(side === 'after' ? ended : back[fails ? 1 : 0])
  })

  test('scenario 13: together with the last commit, in the same flush, in either order', async () => {
    const ends = new Set<string>()
    for (const first of ['cancel', 'commit'] as const) {
      const clock = new FakeClock()
      const memory = memoryStore({ now: clock.now })
      const gate = deferred()
      const held: { release: () => void } = { release: () => {} }
      // The owner's last write is held back until the cancel is there too; then one of them goes down before the other.
      let armed = false
      const store = wrapStore(memory, {
        apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
          if (armed && writes.some(({ type }) => type === 'append')) {
            armed = false
            await new Promise<void>((resolve) => (held.release = resolve))
          }
          return memory.apply(writes)
        },
      })
      const definition = saga('one-step').step('last', { commit: () => gate.promise, rollback: () => {} })
      const owner = await stage({ clock, store, sagas: [definition] })
      const beside = await stage({ clock, store: memory, work: false })
      const run = endOf(owner.orchestrator.run(definition, undefined, { id: 'a' }))
      await clock.advance(50)
      armed = true
      gate.resolve()
      await clock.settle()
      if (first === 'commit') held.release()
      const cancelling = beside.orchestrator.cancel('a', 'stop').catch(answerOf)
      await clock.settle()
      held.release()
      const answer = await clock.until(cancelling)
      const end = await clock.until(run)
      ends.add(`${answer} ${end}`)
      expect(end).toBe((await beside.orchestrator.get('a'))?.status)
    }
    expect([...ends].sort()).toEqual(['ENDED committed', 'cancelled rolled_back'])
  })

  test('scenario 13: while queued it ends at once, and no step is called', async () => {
    const clock = new FakeClock()
    const calls: string[] = []
    const gate = deferred()
    const definition = saga('serial').step('one', {
      commit: ({ sagaId }) => {
        calls.push(sagaId)
        return gate.promise
      },
      rollback: () => {},
      timeout: '1h',
    })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    await clock.until(orchestrator.submit(definition, undefined, { id: 'a' }))
    const queued = orchestrator.run(definition, undefined, { id: 'b' }).catch((error: unknown) => error)
    await clock.settle()
    expect(await clock.until(orchestrator.cancel('b', 'not needed', { actor: 'ann' }))).toBe('cancelled')
    expect(await clock.until(queued)).toMatchObject({
      code: 'ROLLED_BACK',
      reason: 'cancelled',
      rolledBack: [],
    })
    expect(await journalWords(orchestrator, 'b')).toBe('submitted rolling_back ended')
    gate.resolve()
    await clock.advance(1_000)
    expect(calls).toEqual(['a'])
    await expect(orchestrator.cancel('a', 'too late')).rejects.toMatchObject({ code: 'ENDED' })
    await expect(orchestrator.cancel('nobody', 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  for (const { name, make } of stores) {
    test(`scenario 13: by a hundred at once over ${name}: one of them cancels`, async () => {
      const { store } = make()
      await using orchestrator = await Orchestrator.open(store, { log: false })
      const definition = saga('cancelled').step('one', {
        commit: ({ signal }) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
        rollback: () => {},
      })
      const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
      while (!(await orchestrator.get('a'))) await new Promise((resolve) => setTimeout(resolve, 5))
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) => orchestrator.cancel('a', `reason ${i}`).catch(answerOf)),
      )
      expect(await run).toMatchObject({ reason: 'cancelled' })
      expect(answers.filter((answer) => answer === 'cancelled')).toHaveLength(1)
      const journal = (await orchestrator.journal('a')) ?? []
      expect(journal.filter(({ type }) => type === 'rolling_back')).toHaveLength(1)
    })
  }
})

describe('scenario 14: the deadline of a saga passes', () => {
  test('scenario 14: while it is queued: it ends, and none of its steps is called', async () => {
    const clock = new FakeClock()
    const calls: string[] = []
    const gate = deferred()
    const definition = saga('serial').step('one', {
      commit: ({ sagaId }) => {
        calls.push(sagaId)
        return gate.promise
      },
      rollback: () => {},
      timeout: '1h',
    })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    await clock.until(orchestrator.submit(definition, undefined, { id: 'a' }))
    const before = clock.now()
    const queued = orchestrator
      .run(definition, undefined, { id: 'b', deadline: '2s' })
      .catch((error: unknown) => error)
    expect(await clock.until(queued)).toMatchObject({ reason: 'deadline', rolledBack: [] })
    expect(clock.now() - before).toBeGreaterThanOrEqual(2_000)
    expect(clock.now() - before).toBeLessThan(2_400)
    gate.resolve()
    await clock.advance(1_000)
    expect(calls).toEqual(['a'])
  })

  test('scenario 14: in a commit: its signal aborts, and the way back', async () => {
    const clock = new FakeClock()
    const rollbacks: string[] = []
    let abortedAt = 0
    const definition = saga('slow', { deadline: 500 })
      .step('first', { commit: () => 1, rollback: () => void rollbacks.push('first') })
      .step('second', {
        commit: ({ signal }) =>
          new Promise((_, reject) =>
            signal.addEventListener('abort', () => {
              abortedAt = clock.monotonic()
              reject(signal.reason)
            }),
          ),
        rollback: () => void rollbacks.push('second'),
      })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({
      reason: 'deadline',
      rolledBack: ['second', 'first'],
    })
    expect(abortedAt).toBeGreaterThanOrEqual(500)
    expect(abortedAt).toBeLessThan(510)
  })

  test('scenario 14: in a commit that ignores its signal and succeeds within the grace: it is rolled back with its output', async () => {
    const clock = new FakeClock()
    const outputs: unknown[] = []
    const definition = saga('slow', { deadline: 500 }).step('one', {
      commit: async () => {
        await clock.sleep(700)
        return 'done'
      },
      rollback: ({ output }) => void outputs.push(output),
    })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({ reason: 'deadline' })
    expect(outputs).toEqual(['done'])
  })

  test('scenario 14: between two attempts: the next one is not made', async () => {
    const clock = new FakeClock()
    let calls = 0
    const definition = saga('retried', { deadline: 500 }).step('one', {
      commit: () => {
        calls++
        throw new Error('no')
      },
      rollback: () => {},
      retry: { attempts: 5, min: '1h' },
    })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    const before = clock.monotonic()
    await expect(clock.until(orchestrator.run(definition))).rejects.toMatchObject({ reason: 'deadline' })
    expect(calls).toBe(1)
    expect(clock.monotonic() - before).toBeLessThan(1_000)
  })

  test('scenario 14: in a rollback: it sees nothing of it', async () => {
    const clock = new FakeClock()
    const signals: AbortSignal[] = []
    const definition = saga('back', { deadline: 500 })
      .step('one', {
        commit: () => 1,
        rollback: async ({ signal, attempt }) => {
          signals.push(signal)
          await clock.sleep(400)
          if (attempt < 3) throw new Error('not yet')
        },
        rollbackRetry: { min: 10, max: 10 },
      })
      .step('two', {
        commit: () => {
          throw new Error('no')
        },
        rollback: () => {},
      })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    await expect(clock.until(orchestrator.run(definition, undefined, { id: 'a' }))).rejects.toMatchObject({
      reason: 'rejected',
      rolledBack: ['one'],
    })
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false])
    const journal = (await orchestrator.journal('a')) ?? []
    expect(journal.filter(({ type }) => type === 'rolling_back')).toHaveLength(1)
  })

  test('scenario 14: a cancel in a rollback has no effect on it either', async () => {
    const clock = new FakeClock()
    const gate = deferred()
    let aborted = false
    const definition = saga('back')
      .step('one', {
        commit: () => 1,
        rollback: ({ signal }) => {
          signal.addEventListener('abort', () => (aborted = true))
          return gate.promise
        },
      })
      .step('two', {
        commit: () => {
          throw new Error('no')
        },
        rollback: () => {},
      })
    const { orchestrator } = await stage({ clock, sagas: [definition] })
    const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
    await clock.advance(100)
    expect(await clock.until(orchestrator.cancel('a', 'stop'))).toBe('already_rolling_back')
    await clock.advance(100)
    gate.resolve()
    expect(await clock.until(run)).toMatchObject({ reason: 'rejected' })
    expect(aborted).toBe(false)
  })

  test.each(['cancelled', 'deadline'])(
    'scenario 14: %s in a commit: the rollbacks that follow are not aborted, though their saga goes on beside them',
    async (reason) => {
      const clock = new FakeClock()
      const gate = deferred()
      const signals: AbortSignal[] = []
      const definition = saga('back', reason === 'deadline' ? { deadline: 50 } : {})
        .parallel({
          quick: step({ commit: () => 1, rollback: () => {} }),
          slow: step({
            commit: () => 2,
            rollback: ({ signal }) => {
              signals.push(signal)
              return gate.promise
            },
          }),
        })
        .step('last', {
          commit: ({ signal }) =>
            new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
          rollback: () => {},
        })
      const { orchestrator } = await stage({ clock, sagas: [definition] })
      const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
      await clock.advance(40)
      if (reason === 'cancelled') await clock.until(orchestrator.cancel('a', 'stop'))
      await clock.advance(100)
      // The journal grows while the slow one is being rolled back: by its sibling, and by somebody else.
      await clock.until(orchestrator.retryNow('a'))
      await clock.advance(100)
      expect(signals.map(({ aborted }) => aborted)).toEqual([false])
      gate.resolve()
      expect(await clock.until(run)).toMatchObject({ reason, rolledBack: ['last', 'quick', 'slow'] })
    },
  )
})
