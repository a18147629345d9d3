/**
 * Memory is bounded by what is in flight: what has ended leaves nothing behind in the process.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memoryStore, Orchestrator, saga } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { expect, test } from 'vitest'
import { temporaryFile } from '../support/stores.js'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

test.each(['sqlite', 'memory'])(
  '10,000 sagas through one orchestrator leave the heap flat: %s',
  async (which) => {
    const definition = saga<number>('many', { keys: (n) => [`k${n % 200}`] })
      .step('one', { commit: ({ input }) => ({ input }), rollback: () => {} })
      .step('two', {
        commit: ({ input }) => {
          if (input % 3 === 0) throw new Error(`no ${'x'.repeat(200)}`)
          return input
        },
        rollback: () => {},
      })
    const store = which === 'sqlite' ? sqliteStore(temporaryFile()) : memoryStore({ keep: 500 })
    await using orchestrator = await Orchestrator.open(store, { sagas: [definition], log: false })
    const round = async (from: number, count: number): Promise<void> => {
      for (let at = from; at < from + count; at += 250) {
        const batch = Array.from({ length: 250 }, (_, i) =>
          orchestrator.run(definition, at + i).catch(() => {}),
        )
        await Promise.all(batch)
      }
    }
    const heap = async (): Promise<number> => {
      for (let i = 0; i < 4; i++) {
        gc()
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return process.memoryUsage().heapUsed
    }
    await round(0, 2_000)
    const before = await heap()
    await round(2_000, 8_000)
    const grown = (await heap()) - before
    // Half of what 8,000 sagas would take if each left 1 kB behind.
    expect(grown).toBeLessThan(4_000_000)
  },
  60_000,
)
