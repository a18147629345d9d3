/**
 * Scenario 29: a saga during whose life the connection breaks at one chosen message; all messages in turn.
 *
 * Invariant
 * - A case counts only if its connection broke before its saga had ended.
 */
import { Orchestrator } from 'backstep'
import { MemoryLedger } from '../support/ledger.js'
import { freshSchema } from '../support/postgres.js'
import { type Fate, PostgresProxy } from '../support/postgres-proxy.js'
import { bySaga, desk, judgeJobs, repeated, runToEnd } from './fleet.js'
import { type Job, jobSaga } from './jobs.mjs'

export interface Cut {
  /** The message that is broken, counted from the submit. */
  readonly at: number
  readonly fate: Exclude<Fate, 'pass'>
  readonly fails: boolean
}

export interface CutReport {
  /** Cases whose fault came in time. */
  readonly hits: number
  readonly wrong: readonly string[]
  /** The steps that were called more than once. */
  readonly twice: readonly string[]
}

/** An orchestrator behind a proxy, which takes one case after the other. */
class Slot {
  readonly ledger = new MemoryLedger()
  readonly jobs = new Map<string, Job>()
  readonly address: string
  readonly #proxy: PostgresProxy
  readonly #job = jobSaga(this.ledger)
  readonly #orchestrator: Orchestrator

  private constructor(address: string, proxy: PostgresProxy, orchestrator: Orchestrator) {
    this.address = address
    this.#proxy = proxy
    this.#orchestrator = orchestrator
  }

  static async open(): Promise<Slot> {
    const address = await freshSchema()
    const proxy = await PostgresProxy.start(address)
    const slot = new Slot(address, proxy, await Orchestrator.open(proxy.address, { log: false }))
    // The definition is offered, and everything that is asked once has been asked.
    for (const fails of [false, true]) await slot.run({ at: Number.POSITIVE_INFINITY, fate: 'before', fails })
    return slot
  }

  /** The messages of a saga's life, while nothing breaks. */
  async measure(fails: boolean): Promise<number> {
    const { counts } = this.#proxy
    const before = counts.messages
    await this.run({ at: Number.POSITIVE_INFINITY, fate: 'before', fails })
    return counts.messages - before
  }

  /** True if the fault happened. */
  async run({ at, fate, fails }: Cut): Promise<boolean> {
    const id = `saga-${this.jobs.size}`
    const input: Job = { keys: [id], ms: 0, fails }
    this.jobs.set(id, input)
    let left = at
    this.#proxy.fate = () => (--left === 0 ? fate : 'pass')
    await runToEnd(this.#orchestrator, this.#job, id, input)
    this.#proxy.fate = () => 'pass'
    return left <= 0
  }

  async report(): Promise<Omit<CutReport, 'hits'>> {
    await this.#orchestrator.close()
    const reader = await desk(this.address)
    const { lines } = this.ledger
    const wrong = await judgeJobs(reader.orchestrator, this.jobs, lines)
    for (const [id, group] of bySaga(lines)) {
      const journal = (await reader.orchestrator.journal(id)) ?? []
      const ends = journal.filter(({ type }) => type === 'ended')
      if (ends.length !== 1) wrong.push(`${id}: it ended ${ends.length} times`)
      const tokens = new Set(group.map(({ token }) => token))
      if (tokens.size !== 1)
        wrong.push(`${id}: it was taken from its owner: tokens ${[...tokens].join(', ')}`)
    }
    const health = await reader.orchestrator.health()
    if (health.counts.committed + health.counts.rolled_back !== this.jobs.size)
      wrong.push('the counts are off')
    await reader.orchestrator.close()
    return { wrong, twice: repeated(lines) }
  }
}

/** Runs the cases over several orchestrators side by side: each spends its time waiting for a new connection. */
export async function runCuts(casesFor: (messages: number, fails: boolean) => readonly Cut[], slots = 6) {
  const open = await Promise.all(Array.from({ length: slots }, () => Slot.open()))
  const cases: Cut[] = []
  for (const fails of [false, true]) {
    const messages = await open[0]?.measure(fails)
    cases.push(...casesFor(messages ?? 0, fails))
  }
  const count = cases.length
  let hits = 0
  await Promise.all(
    open.map(async (slot) => {
      for (let next = cases.shift(); next; next = cases.shift()) if (await slot.run(next)) hits++
    }),
  )
  const reports = await Promise.all(open.map((slot) => slot.report()))
  const report: CutReport = {
    hits,
    wrong: reports.flatMap(({ wrong }) => wrong),
    twice: reports.flatMap(({ twice }) => twice),
  }
  return { count, ...report }
}
