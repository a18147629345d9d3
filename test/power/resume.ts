/**
 * What an image is for: the sagas in it go on, and each ends whole or undone, whatever its steps had done when the power went.
 *
 * Invariant
 * - The ledger is that of before the cut, gone on with: effects are elsewhere, and do not go with the power.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { judgeSaga, MemoryLedger } from '../support/ledger.js'
import type { Promises } from './promises.js'
import { powerSaga } from './saga.mjs'

/** The longest honest one: all sagas of a run, one after the other. */
const patience = 20_000

export interface Resumed {
  /** Sagas that had not ended. */
  readonly unfinished: number
  readonly wrong: readonly string[]
}

export async function resume(file: string, promises: Promises): Promise<Resumed> {
  const ledger = new MemoryLedger()
  ledger.lines.push(...promises.lines)
  const store = sqliteStore(file, { thread: false })
  const options = { sagas: [powerSaga(ledger)], log: false as const }
  await using orchestrator = await Orchestrator.open(store, options)
  const open = async (): Promise<number> => {
    const { counts } = await orchestrator.health()
    return counts.queued + counts.running + counts.rolling_back
  }
  const unfinished = await open()
  const began = performance.now()
  while ((await open()) > 0) {
    if (performance.now() - began > patience) return { unfinished, wrong: ['some sagas do not end'] }
    await sleep(10)
  }
  const wrong: string[] = []
  const { sagas } = await orchestrator.list({ limit: 1_000 })
  for (const { id } of sagas) {
    const answered = promises.answered.get(id)
    const answers = answered === undefined ? [] : [answered]
    wrong.push(...(await judgeSaga(orchestrator, id, ledger.lines, { answers })))
  }
  return { unfinished, wrong }
}
