/**
 * Scenario 25, one storey up: the Nth call of a method of the store fails, for every method and N, before it has done anything or
 * after it has done all of it; over memory and over SQLite.
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

type Place = (typeof stores)[number]

/** The `at`th call of `method` fails. */
interface Fault {
  readonly method: Method
  readonly at: number
  readonly when: When
}

interface Verdict {
  readonly calls: ReadonlyMap<Method, number>
  readonly failed: boolean
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
type Method = (typeof methods)[number]

/** Counts the calls of a store, and lets one of them fail. */
class Faulty {
  readonly calls = new Map<Method, number>()
  failed = false
  readonly store: Store
  readonly #fault: Fault | undefined

  constructor(store: Store, fault: Fault | undefined) {
    this.#fault = fault
    const call = (name: Method) => [name, (...given: unknown[]) => this.#call(store, name, given)]
    this.store = wrapStore(store, Object.fromEntries(methods.map(call)))
  }

  async #call(store: Store, name: Method, given: unknown[]): Promise<unknown> {
    const turn = (this.calls.get(name) ?? 0) + 1
    this.calls.set(name, turn)
    const fails = this.#fault?.method === name && this.#fault.at === turn
    if (fails) this.failed = true
    if (fails && this.#fault?.when === 'before') throw broken()
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
  good: { ...input, ms: 20 },
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
  const three = [one('good', orchestrator), one('bad', other), one('unwanted', orchestrator)]
  // It waits for the first: whoever looks at it is told so.
  const waiting = one('next', orchestrator)
  while (!(await insist(() => orchestrator.get('next')))) await sleep(1)
  await Promise.all(three)
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

async function runStoreCase({ make }: Place, fault?: Fault): Promise<Verdict> {
  const { store, again } = make()
  const faulty = new Faulty(store, fault)
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
  /** Of each method, in a run without a fault. */
  readonly calls: string
  readonly cases: number
  readonly hits: number
  /** The methods of which a call failed. */
  readonly methods: ReadonlySet<string>
  readonly wrong: readonly string[]
}

/** One case in `every`, side by side: each spends its time waiting for the next try. */
export async function runStoreCases(place: Place, when: When, every = 1, atOnce = 12): Promise<StoreReport> {
  const clean = await runStoreCase(place)
  const all = [...clean.calls].flatMap(([method, count]) =>
    Array.from({ length: count }, (_, i): Fault => ({ method, at: i + 1, when })),
  )
  const left = all.filter((_, i) => i % every === 0)
  const cases = left.length
  const wrong = [...clean.wrong]
  const hit: string[] = []
  const take = async (): Promise<void> => {
    for (let fault = left.shift(); fault; fault = left.shift()) {
      const { method, at } = fault
      const verdict = await runStoreCase(place, fault)
      if (verdict.failed) hit.push(method)
      wrong.push(...verdict.wrong.map((what) => `${place.name}, ${when} ${method} #${at}: ${what}`))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, take))
  const calls = [...clean.calls].map(([method, count]) => `${count} ${method}`).join(', ')
  return { calls, cases, hits: hit.length, methods: new Set(hit), wrong }
}

export const describeStoreReport = (
  name: string,
  when: When,
  { calls, cases, hits, wrong }: StoreReport,
): string => `${name}, ${when}: ${cases} cases, ${hits} hit, of ${calls}; ${wrong.length} wrong`
