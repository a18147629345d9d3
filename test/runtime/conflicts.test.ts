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
