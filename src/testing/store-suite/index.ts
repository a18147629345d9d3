/**
 * The store suite: what Backstep asks of a store, as cases for any test runner. The numbers in their names are the points of the
 * contract (see `Store`), or scenarios.
 *
 * Invariants
 * - It knows no test runner: a case is a name and a function without parameters that rejects if the store breaks the contract.
 * - Cases share nothing: each has a place of its own, so they may run in any order, also side by side.
 */
import { admission } from './admission.js'
import { type Groups, onBench, type StoreSubject } from './bench.js'
import { claims } from './claims.js'
import { type Played, playHistories } from './histories.js'
import { holds } from './judge.js'
import { reading } from './reading.js'
import { rivals } from './rivals.js'
import { noTransactions, transactions } from './transactions.js'
import { workers } from './workers.js'
import { writes } from './writes.js'

export type { StoreSubject, UserTransaction } from './bench.js'

export interface StoreSuiteOptions {
  /** How many random histories are played; those of one test. Default 60. */
  readonly histories?: number
  /** Of the first of them, a whole number. Default 1: the same histories each time. */
  readonly seed?: number
}

export interface StoreCase {
  readonly name: string
  /** ms after which it has hung. Test runners give up after five seconds, which many random histories need. */
  readonly timeout: number
  run(): Promise<void>
}

/** Cases are quick; what is slow is a machine on which other tests run. */
const timeout = 30_000
const timeoutOfHistories = 600_000
/** So many histories must hold something of interest, whatever they are. */
const manyHistories = 50

/**
 * The cases that a store must pass, in order.
 *
 * @example
 * const suite = storeSuite({
 *   create: () => mkdtemp(join(tmpdir(), 'my-store-')),
 *   store: (folder) => myStore(join(folder, 'sagas.db')),
 *   remove: (folder) => rm(folder, { recursive: true }),
 * })
 * for (const { name, run, timeout } of suite) test(name, run, timeout)          // Vitest, Jest
 * for (const { name, run, timeout } of suite) test(name, { timeout }, run)      // node:test
 */
export function storeSuite<Data>(
  subject: StoreSubject<Data>,
  { histories = 60, seed = 1 }: StoreSuiteOptions = {},
): readonly StoreCase[] {
  const optional = subject.begin ? transactions : noTransactions
  const groups: Groups = {
    ...writes,
    ...admission,
    ...claims,
    ...workers,
    ...rivals,
    ...reading,
    ...optional,
  }
  const cases = Object.entries(groups).flatMap(([group, members]) =>
    Object.entries(members).map(([name, run]) => ({
      name: `${group} > ${name}`,
      timeout,
      run: () => onBench(subject, run),
    })),
  )
  return [
    ...cases,
    {
      name: `5 and 6: who may start > ${histories} random histories start exactly what the model lets start, and wake all of it`,
      timeout: timeoutOfHistories,
      run: () => playOn(subject, histories, seed),
    },
  ]
}

async function playOn<Data>(subject: StoreSubject<Data>, histories: number, seed: number): Promise<void> {
  const { started, waited }: Played = await playHistories(
    (run) => onBench(subject, ({ store }) => run(store)),
    { histories, seed },
  )
  if (histories < manyHistories) return
  holds(started > histories, `only ${started} sagas have started in ${histories} histories`)
  holds(waited > 0, `no saga has waited in ${histories} histories`)
}
