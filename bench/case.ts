/**
 * What a case gets, and the loops that several of them share.
 */
import { join } from 'node:path'
import { Orchestrator, type OrchestratorOptions, SagaRolledBackError, type Store } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { ClosedLoop } from './load.js'
import type { Result } from './result.js'
import { keyed, refused, serial } from './sagas.js'
import type { Plan } from './slices.js'

export interface Bench {
  readonly name: string
  /** Empty, on the disk that is measured; removed afterwards. */
  readonly folder: string
  readonly plan: Plan
  /** A part of the usual backlogs: 1, or less for a look whether everything runs. */
  readonly scale: number
}

export type Case = (bench: Bench) => Promise<Result>

export const atOnce = 256

export const fileIn = ({ folder }: Bench, name: string): string => join(folder, `${name}.sqlite`)

export const openOn = (store: string | Store, options: OrchestratorOptions = {}): Promise<Orchestrator> =>
  Orchestrator.open(store, { log: false, concurrency: atOnce, ...options })

export const openFile = (bench: Bench, name: string, options?: OrchestratorOptions): Promise<Orchestrator> =>
  openOn(sqliteStore(fileIn(bench, name)), options)

/** One client, no keys. */
export function oneAtATime(orchestrator: Orchestrator): ClosedLoop {
  const saga = serial()
  const input = { key: 'k' }
  return new ClosedLoop(1, () => orchestrator.run(saga, input))
}

/** 256 clients with a key each. */
export function manyAtATime(orchestrator: Orchestrator, saga = keyed()): ClosedLoop {
  const inputs = Array.from({ length: atOnce }, (_, i) => ({ key: `k${i}` }))
  return new ClosedLoop(atOnce, (client) => orchestrator.run(saga, inputs[client] ?? { key: '' }))
}

/** The same, and every one of them must be rolled back. */
export function manyRolledBack(orchestrator: Orchestrator): ClosedLoop {
  const saga = refused()
  const inputs = Array.from({ length: atOnce }, (_, i) => ({ key: `r${i}` }))
  return new ClosedLoop(atOnce, async (client) => {
    try {
      await orchestrator.run(saga, inputs[client] ?? { key: '' })
    } catch (error) {
      if (error instanceof SagaRolledBackError) return
      throw error
    }
    throw new Error('a saga was committed though its third step was rejected')
  })
}
