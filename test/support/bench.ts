/**
 * An orchestrator over a memory store under a fake clock, and the small things that nearly every test of the runtime wants.
 */
import { type Json, memoryStore, Orchestrator, type OrchestratorOptions, type Store } from 'backstep'
import type { Claimed, Write } from '#dist/store/store.js'
import { FakeClock } from './fake-clock.js'
import { wrapStore } from './wrapped-store.mjs'

export interface Stage {
  readonly clock: FakeClock
  readonly store: Store
  readonly orchestrator: Orchestrator
}

/** Opens one; `store` wraps the memory store that it would use. */
export async function stage(
  options: Omit<OrchestratorOptions, 'clock'> & {
    readonly clock?: FakeClock
    readonly store?: Store
    readonly wrap?: (store: Store) => Store
  } = {},
): Promise<Stage> {
  const { clock = new FakeClock(), store = memoryStore({ now: clock.now }), wrap, ...rest } = options
  const orchestrator = await clock.until(
    Orchestrator.open(wrap ? wrap(store) : store, { log: false, ...rest, clock }),
  )
  return { clock, store, orchestrator }
}

/** A logger, and the records of its errors. */
export function errorLog() {
  const errors: object[] = []
  const nothing = (): void => {}
  const log = {
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: (record: object) => void errors.push(record),
  }
  return { errors, log }
}

/** A promise, and the functions that settle it. */
export function deferred<T = void>(): {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(reason: unknown): void
} {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** Lets the flush be applied, and then loses its answer, as long as `loses` says so of its writes. */
export function losingAnswers(store: Store, loses: (writes: readonly Write[]) => boolean): Store {
  return wrapStore(store, {
    apply: async (writes) => {
      const results = await store.apply(writes)
      if (loses(writes)) throw new Error('the answer was lost')
      return results
    },
  })
}

/** What happened, in order. */
export class Diary {
  readonly lines: string[] = []
  write(line: string): void {
    this.lines.push(line)
  }
}

/** The journal of a saga as words: `flight:started flight:committed ended`. */
export async function journalWords(orchestrator: Orchestrator, id: string): Promise<string> {
  const entries = (await orchestrator.journal(id)) ?? []
  return entries
    .map((entry) => {
      const step = 'step' in entry && entry.step !== undefined ? `${entry.step}:` : ''
      const back = 'direction' in entry && entry.direction === 'rollback' ? 'undo-' : ''
      return `${step}${back}${entry.type}`
    })
    .join(' ')
}

export type { Claimed, Json }
