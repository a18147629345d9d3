/**
 * Somebody adds a fact while the owner writes: the journal is read again, and what the calls did is judged against it, not forgotten.
 */
import { memoryStore, type Orchestrator, Rejected, type Store, saga } from 'backstep'
import { describe, expect, test } from 'vitest'
import type { Result, Write } from '#dist/store/store.js'
import { journalWords, stage } from '../support/bench.js'
import { FakeClock } from '../support/fake-clock.js'
import { wrapStore } from '../support/wrapped-store.mjs'

/** An owner, before whose nth append somebody beside it does something. */
async function crossed(nth: number, act: (beside: Orchestrator) => Promise<unknown>, commit: () => unknown) {
  const clock = new FakeClock()
  const memory: Store = memoryStore({ now: clock.now })
  const beside = await stage({ clock, store: memory, work: false })
  let appends = 0
  const store = wrapStore(memory, {
    apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
      if (writes.some(({ type }) => type === 'append') && ++appends === nth) await act(beside.orchestrator)
      return memory.apply(writes)
    },
  })
  const rollbacks: unknown[] = []
  let calls = 0
  const definition = saga('crossed').step('one', {
    commit: () => {
      calls++
      return commit() as string
    },
    rollback: ({ output }) => void rollbacks.push(output ?? 'in doubt'),
  })
  const { orchestrator } = await stage({ clock, store, sagas: [definition] })
  const run = orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
  const end = await clock.until(run)
  return { end, rollbacks, calls, words: await journalWords(orchestrator, 'a') }
}

describe('a fact that lands before the answer of a call is written', () => {
  const cancel = (beside: Orchestrator) => beside.cancel('a', 'stop')

  test('a success: it is not forgotten, and the rollback gets its output', async () => {
    const { end, rollbacks, calls, words } = await crossed(1, cancel, () => 'booked')
    expect(end).toMatchObject({ reason: 'cancelled' })
    expect(rollbacks).toEqual(['booked'])
    expect(calls).toBe(1)
    expect(words).toBe(
      'submitted one:started rolling_back one:committed one:undo-started one:rolled_back ended',
    )
  })

  test('a rejection: it stays one, and nothing is rolled back', async () => {
    const { end, rollbacks, words } = await crossed(1, cancel, () => {
      throw new Rejected('no')
    })
    expect(end).toMatchObject({ reason: 'cancelled', rolledBack: [] })
    expect(rollbacks).toEqual([])
    expect(words).toBe('submitted one:started rolling_back one:failed ended')
  })

  test('a retry that is asked for: it changes nothing of what was done', async () => {
    const { end, calls } = await crossed(
      1,
      (beside) => beside.retryNow('a'),
      () => 'booked',
    )
    expect(end).toEqual({ one: 'booked' })
    expect(calls).toBe(1)
  })
})

describe('many operators decide on what they all saw, in the same millisecond', () => {
  const crowd = async (ifSeq: number | undefined) => {
    const clock = new FakeClock()
    const { orchestrator } = await stage({ clock, work: false })
    const definition = saga('waited-for').step('one', { commit: () => 1, rollback: () => {} })
    const { id } = await orchestrator.submit(definition, undefined, { id: 'a' })
    const by = { actor: 'ada', ...(ifSeq === undefined ? {} : { ifSeq }) }
    const asked = Array.from({ length: 10 }, () => orchestrator.retryNow(id, by))
    const outcomes = await clock.until(Promise.allSettled(asked))
    const codes = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'done' : outcome.reason.code))
    const entries = (await orchestrator.journal(id)) ?? []
    return { codes, entries: entries.filter(({ type }) => type === 'retry_requested').length }
  }

  test('with ifSeq one wins, and the others are told that the saga has changed', async () => {
    expect(await crowd(0)).toEqual({ codes: ['done', ...Array(9).fill('CHANGED')], entries: 1 })
  })

  test('without, each is in the journal', async () => {
    expect(await crowd(undefined)).toEqual({ codes: Array(10).fill('done'), entries: 10 })
  })
})
