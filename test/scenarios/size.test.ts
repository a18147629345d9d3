/**
 * Sagas of every size, and many of them: no write grows with what went before it, and memory stays flat.
 */
import { memoryStore, Orchestrator, saga, step } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { describe, expect, test } from 'vitest'
import type { Write } from '#dist/store/store.js'
import { temporaryFile } from '../support/stores.js'
import { wrapStore } from '../support/wrapped-store.mjs'

describe('scenario 11: sagas of every size', () => {
  test('scenario 11: an empty saga is refused by name', async () => {
    await using orchestrator = await Orchestrator.open({ log: false })
    expect(() => saga('nothing', [])).toThrow(/nothing.*no steps/s)
    const empty = saga('nothing') as unknown as ReturnType<ReturnType<typeof saga>['step']>
    await expect(orchestrator.run(empty as never)).rejects.toMatchObject({ code: 'BAD_DEFINITION' })
    await expect(orchestrator.run([])).rejects.toMatchObject({ code: 'BAD_DEFINITION' })
    expect((await orchestrator.list()).sagas).toEqual([])
  })

  test('scenario 11: one step', async () => {
    await using orchestrator = await Orchestrator.open({ log: false })
    const one = saga('one').step('only', { commit: () => 1, rollback: () => {} })
    expect(await orchestrator.run(one)).toEqual({ only: 1 })
  })

  test('scenario 11: 10,000 steps forward, and 10,000 back: each write is as small as the first', async () => {
    const count = 10_000
    const last = `step-${count}`
    const undone: number[] = []
    const steps = Array.from({ length: count }, (_, index) => ({
      commit: () => {
        if (index === count - 1) throw new Error('the very last')
        return index
      },
      rollback: () => void undone.push(index),
    }))
    const definition = saga('long', steps)
    let largest = 0
    let writes = 0
    const memory = memoryStore()
    const store = wrapStore(memory, {
      apply: (given: readonly Write[]) => {
        for (const write of given) {
          if (write.type !== 'append') continue
          writes++
          largest = Math.max(largest, JSON.stringify(write).length)
        }
        return memory.apply(given)
      },
    })
    await using orchestrator = await Orchestrator.open(store, { log: false })
    const before = performance.now()
    const error = await orchestrator.run(definition, undefined, { id: 'a' }).catch((error: unknown) => error)
    expect(error).toMatchObject({ step: last, rolledBack: { length: count - 1 } })
    expect(undone).toEqual(Array.from({ length: count - 1 }, (_, i) => count - 2 - i))
    expect(writes).toBeLessThan(2 * count + 10)
    expect(largest).toBeLessThan(5_000)
    // It took 320 s when each call put together the outputs of all steps before it.
    expect(performance.now() - before).toBeLessThan(15_000)
    expect((await orchestrator.get('a'))?.steps).toHaveLength(count)
  })

  test('scenario 11: a parallel group of 1,000 in SQLite', async () => {
    const members: Record<string, unknown> = {}
    for (let i = 0; i < 1_000; i++) members[`m${i}`] = step({ commit: () => i, rollback: () => {} })
    const definition = saga('wide').parallel(members as never)
    await using orchestrator = await Orchestrator.open(sqliteStore(temporaryFile()), { log: false })
    const outputs = await orchestrator.run(definition as never)
    expect(Object.keys(outputs)).toHaveLength(1_000)
  })
})
