/**
 * Scenario 25, one storey up: the Nth call of a store's methods fails, for every N, before it has done anything or after it has done all
 * of it; over memory and over SQLite.
 *
 * Invariants
 * - A case counts only if its fault came.
 * - Whoever is refused does what the error says. Who waits for an end is never refused: the wait goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, SagaStateError, type Store, StoreError } from 'backstep'
import type { PowerInput } from '../power/saga.mjs'
import { powerSaga } from '../power/saga.mjs'
import { judgeSaga, MemoryLedger } from '../support/ledger.js'
import type { stores } from '../support/stores.js'
import { wrapStore } from '../support/wrapped-store.mjs'

export type When = 'before' | 'after'

export interface StoreCase {
  readonly store: (typeof stores)[number]
  /** 0: none fails. */
  readonly at: number
  readonly when: When
}

interface Verdict {
  readonly calls: number
  /** The method whose call failed. */
  readonly failed: string | undefined
  readonly wrong: readonly string[]
}

const patience = 10_000
const methods = [
  'open',
  'apply',
  'find',
  'rows',
  'list',
  'owned',
  'obstacles',
  'definitions',
  'health',
] as const

/** Counts the calls of a store, and lets one of them fail. */
class Faulty {
  readonly #at: number
  readonly #when: When
  calls = 0
  failed: string | undefined
  readonly store: Store

  constructor(store: Store, at: number, when: When) {
    this.#at = at
    this.#when = when
    this.store = wrapStore(
      store,
      Object.fromEntries(
        methods.map((name) => [name, (...given: unknown[]) => this.#call(store, name, given)]),
      ),
    )
  }

  async #call(store: Store, name: (typeof methods)[number], given: unknown[]): Promise<unknown> {
    const fails = ++this.calls === this.#at
    if (fails) this.failed = name
    if (fails && this.#when === 'before') throw broken()
    const answer: unknown = await Reflect.apply(store[name], store, given)
    if (fails) throw broken()
    return answer
  }
}

const broken = (): StoreError =>
  new StoreError('the line is cut', { code: 'STORE_UNAVAILABLE', hint: 'nobody knows whether it was done' })

async function insist<T>(action: () => Promise<T>): Promise<T> {
  const began = performance.now()
  for (;;) {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof StoreError) || performance.now() - began > patience) throw error
      await sleep(5)
    }
  }
}

const input: PowerInput = { keys: ['k'], fails: false, clumsy: 0, ms: 0, bulk: '' }
const inputs: Readonly<Record<string, PowerInput>> = {
  good: input,
  bad: { ...input, keys: ['l'], fails: true, clumsy: 1 },
  next: input,
  unwanted: { ...input, keys: ['m'], ms: 20 },
}

/** All of the work, which asks each of the methods. Gives what callers were told. */
async function work(store: Store, ledger: MemoryLedger): Promise<Map<string, string>> {
  const definition = powerSaga(ledger)
  const orchestrator = await insist(() =>
    Orchestrator.open(store, { sagas: [definition], log: false, concurrency: 2 }),
  )
  // It runs nothing: so it has to look for the ends of what it submits.
  const other = await insist(() => Orchestrator.open(store, { work: false, log: false }))
  const answers = new Map<string, string>()
  const one = async (id: string, here: Orchestrator): Promise<void> => {
    const handle = await insist(() => here.submit(definition, inputs[id] ?? input, { id }))
    if (id === 'unwanted') await insist(() => here.cancel(id, 'not any more')).catch(endedAlready)
    answers.set(id, (await handle.outcome()).status)
  }
  await Promise.all([one('good', orchestrator), one('bad', other), one('unwanted', orchestrator)])
  const waiting = one('next', orchestrator)
  await insist(() => orchestrator.get('next'))
  await insist(() => orchestrator.health())
  await insist(() => orchestrator.list({ limit: 2 }))
  await waiting
  await Promise.all([other.close(), orchestrator.close()])
  return answers
}

/** Of a cancel that was heard though its answer was lost. */
function endedAlready(error: unknown): void {
  if (!(error instanceof SagaStateError) || error.code !== 'ENDED') throw error
}

export async function runStoreCase({ store: { make }, at, when }: StoreCase): Promise<Verdict> {
  const { store, again } = make()
  const faulty = new Faulty(store, at, when)
  const ledger = new MemoryLedger()
  const timeout = AbortSignal.timeout(2 * patience)
  const hangs = new Promise<never>((_, reject) => {
    timeout.addEventListener('abort', () => reject(new Error('it hangs')))
  })
  const wrong: string[] = []
  let answers = new Map<string, string>()
  try {
    answers = await Promise.race([work(faulty.store, ledger), hangs])
  } catch (error) {
    wrong.push(String(error instanceof Error ? error.stack : error))
  }
  await using reader = await Orchestrator.open(again(), { work: false, log: false })
  for (const id of Object.keys(inputs)) {
    const answer = answers.get(id)
    wrong.push(
      ...(await judgeSaga(reader, id, ledger.lines, { answers: answer === undefined ? [] : [answer] })),
    )
  }
  return { calls: faulty.calls, failed: faulty.failed, wrong }
}

export interface StoreReport {
  readonly calls: number
  readonly cases: number
  readonly hits: number
  /** The methods of which a call failed. */
  readonly methods: readonly string[]
  readonly wrong: readonly string[]
}

/** Side by side: each spends its time waiting for the next try. */
export async function runStoreCases(
  store: StoreCase['store'],
  when: When,
  choose: (calls: number) => readonly number[],
  atOnce = 12,
): Promise<StoreReport> {
  const clean = await runStoreCase({ store, at: 0, when })
  const left = [...choose(clean.calls)]
  const cases = left.length
  const wrong = [...clean.wrong]
  const failed: string[] = []
  const take = async (): Promise<void> => {
    for (let at = left.shift(); at !== undefined; at = left.shift()) {
      const verdict = await runStoreCase({ store, at, when })
      if (verdict.failed !== undefined) failed.push(verdict.failed)
      wrong.push(
        ...verdict.wrong.map((what) => `${store.name}, ${when} call ${at} (${verdict.failed}): ${what}`),
      )
    }
  }
  await Promise.all(Array.from({ length: atOnce }, take))
  return { calls: clean.calls, cases, hits: failed.length, methods: [...new Set(failed)].sort(), wrong }
}
