/**
 * One process of many: runs the seeds that it is handed, and says what they came to.
 */
import { simulate } from './history.js'
import { storeOf } from './options.js'
import type { StoreKind } from './stores.js'
import { addReport, emptyTally } from './tally.js'

export interface Task {
  readonly from: number
  readonly count: number
  readonly store: StoreKind | 'both'
}

process.on('message', (task: Task) => {
  void runTask(task).then(
    (tally) => process.send?.(tally),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      process.exit(1)
    },
  )
})

async function runTask({ from, count, store }: Task) {
  const tally = emptyTally()
  for (let seed = from; seed < from + count; seed++)
    addReport(tally, await simulate(seed, { store: storeOf(seed, store) }))
  return tally
}
