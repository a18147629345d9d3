/** The connection to PostgreSQL breaks, at one message or another. All messages in turn: cuts.long.ts. */
import { Orchestrator } from 'backstep'
import { expect, test } from 'vitest'
import { MemoryLedger } from '../support/ledger.js'
import { describePostgres, freshSchema } from '../support/postgres.js'
import { everyNth, type Message, PostgresProxy } from '../support/postgres-proxy.js'
import { type Cut, runCuts } from './cuts.js'
import { desk, jobs, judgeJobs, repeated, runToEnd, until } from './fleet.js'
import { jobSaga } from './jobs.mjs'

describePostgres('cuts', () => {
  test('scenario 29: cut at every fourth message of a saga, before and after it is forwarded: nothing happens twice', async () => {
    const fates = ['before', 'after'] as const
    const { count, hits, wrong, twice } = await runCuts((messages, fails): Cut[] => {
      expect(messages).toBeGreaterThan(15)
      return Array.from({ length: Math.floor(messages / 2) }, (_, i) => {
        return { at: 1 + i * 2 + (fails ? 1 : 0), fate: fates[i % 2] ?? 'before', fails }
      })
    })
    expect(wrong).toEqual([])
    expect(twice).toEqual([])
    expect(hits).toBeGreaterThan(count * 0.8)
  }, 60_000)

  test('scenario 29: while 300 sagas run, the connection is cut again and again: every one ends once, no step runs twice', async () => {
    const address = await freshSchema()
    const proxy = await PostgresProxy.start(address)
    const ledger = new MemoryLedger()
    const job = jobSaga(ledger)
    const all = jobs(300, (i) => ({ keys: [`k${i % 40}`], ms: 10 + (i % 30), fails: i % 3 === 0 }))
    await using orchestrator = await Orchestrator.open(proxy.address, { sagas: [job], log: false })
    // Only messages of queries: of connections that are cut while they are made, nothing would ever come.
    const among = ({ type }: Message) => ['P', 'B', 'E', 'S', '2', 'D', 'C', 'Z'].includes(type)
    let turn = 0
    const fates = [97, 113, 131].flatMap((n) => [everyNth(n, 'before', among), everyNth(n, 'after', among)])
    proxy.fate = (message) => fates[Math.floor(turn++ / 300) % fates.length]?.(message) ?? 'pass'
    const ends = [...all].map(([id, input]) => runToEnd(orchestrator, job, id, input))
    await until(() => proxy.counts.cuts >= 6 && ledger.lines.length > 100)
    proxy.fate = () => 'pass'
    // It still had work to do when the last of these faults came.
    expect(await unended(address)).toBeGreaterThan(0)
    await Promise.all(ends)
    const reader = await desk(address)
    expect(await judgeJobs(reader.orchestrator, all, ledger.lines)).toEqual([])
    expect(repeated(ledger.lines)).toEqual([])
    await reader.orchestrator.close()
  }, 60_000)
})

async function unended(address: string): Promise<number> {
  const { orchestrator } = await desk(address)
  try {
    const { counts } = await orchestrator.health()
    return counts.queued + counts.running + counts.rolling_back
  } finally {
    await orchestrator.close()
  }
}
