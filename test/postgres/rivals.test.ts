/** Somebody else in the same tables: what he makes fail is done again, a bounded number of times, and no user code runs twice for it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator } from 'backstep'
import pg from 'pg'
import { expect, test } from 'vitest'
import { MemoryLedger } from '../support/ledger.js'
import { describePostgres, freshSchema, query } from '../support/postgres.js'
import { jobs, judgeJobs, repeated, runToEnd, submitAll, until } from './fleet.js'
import { type Job, jobSaga } from './jobs.mjs'

/** A trigger that makes statements on `table` fail as a rival would, in turn with the three codes. */
async function installRival(address: string, table: string, when: string) {
  const url = new URL(address)
  const schema = url.searchParams.get('schema')
  await query(
    address,
    `CREATE SEQUENCE ${schema}.failures;
     CREATE FUNCTION ${schema}.rival() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF ${when} THEN
         RAISE EXCEPTION 'a rival' USING ERRCODE = (ARRAY['40001', '40P01', '55P03'])[nextval('${schema}.failures') % 3 + 1];
       END IF;
       RETURN NULL;
     END $$;
     CREATE TRIGGER rival AFTER INSERT OR UPDATE ON ${schema}.${table} FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.rival()`,
  )
  return {
    failures: async (): Promise<number> => {
      const rows = await query<{ n: string }>(
        address,
        `SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS n FROM ${schema}.failures`,
      )
      return Number(rows[0]?.n)
    },
    remove: () => query(address, `DROP TRIGGER rival ON ${schema}.${table}`),
  }
}

async function place() {
  const address = await freshSchema()
  const ledger = new MemoryLedger()
  const job = jobSaga(ledger)
  const orchestrator = await Orchestrator.open(address, { sagas: [job], log: false })
  return { address, ledger, job, orchestrator, schema: new URL(address).searchParams.get('schema') }
}

describePostgres('rivals', () => {
  for (const table of ['journal', 'sagas'] as const) {
    test(`scenario 35: serialization failures, deadlocks and lock timeouts on ${table}: done again; nothing runs twice`, async () => {
      const { address, ledger, job, orchestrator } = await place()
      const rival = await installRival(address, table, 'hashint8(pg_current_xact_id()::text::bigint) % 3 = 0')
      const all = new Map<string, Job>()
      // The slower the disk, the fewer and larger the transactions: as many rounds as it takes to meet the rival often.
      for (let round = 0; (await rival.failures()) <= 12; round++) {
        const some = jobs(150, (i) => ({ keys: [`k${i % 40}`], ms: i % 29, fails: i % 4 === 0 }))
        await Promise.all(
          [...some].map(([name, input]) => {
            const id = `${name}-of-${round}`
            all.set(id, input)
            return runToEnd(orchestrator, job, id, input)
          }),
        )
      }
      expect(await judgeJobs(orchestrator, all, ledger.lines)).toEqual([])
      expect(repeated(ledger.lines)).toEqual([])
      expect(new Set(ledger.lines.map(({ attempt }) => attempt))).toEqual(new Set([1]))
      await orchestrator.close()
    })
  }

  test('scenario 35: a rival without end: a bounded number of tries, a clear error; once he is gone all goes on', async () => {
    const { address, ledger, job, orchestrator } = await place()
    const all = jobs(8, (i) => ({ keys: [`k${i}`], ms: 300, fails: i % 2 === 0 }))
    await submitAll(orchestrator, job, all)
    await until(() => ledger.lines.length === 8)
    const rival = await installRival(address, 'journal', 'true')
    const error = await orchestrator
      .submit(job, { keys: [], ms: 0, fails: false }, { id: 'refused' })
      .catch((error: unknown) => error)
    expect(error).toMatchObject({ name: 'StoreError', code: 'STORE_UNAVAILABLE' })
    const before = await rival.failures()
    await sleep(2_000)
    const tries = (await rival.failures()) - before
    expect(tries).toBeGreaterThan(2)
    // Eight tries a flush, whose pauses double to two seconds: not as fast as the server can say no.
    expect(tries).toBeLessThan(70)
    expect(ledger.lines.filter(({ outcome }) => outcome === 'begun')).toHaveLength(8)
    await rival.remove()
    await until(async () => (await orchestrator.health()).counts.rolled_back === 4)
    await until(async () => (await orchestrator.health()).counts.committed >= 4)
    expect(
      await judgeJobs(
        orchestrator,
        all,
        ledger.lines.filter(({ saga }) => saga !== 'refused'),
      ),
    ).toEqual([])
    expect(repeated(ledger.lines)).toEqual([])
    await orchestrator.close()
  })

  test('scenario 35: a true deadlock with a transaction of somebody else: the server ends one of the two; the saga goes on', async () => {
    const { address, ledger, job, orchestrator, schema } = await place()
    const all = jobs(5, (i) => ({ keys: [`k${i}`], ms: 300, fails: i === 0 }))
    await submitAll(orchestrator, job, all)
    await until(() => ledger.lines.length === 5)
    const rival = new pg.Client(address)
    rival.on('error', () => {})
    await rival.connect()
    await rival.query("BEGIN; SET LOCAL deadlock_timeout = '1min'")
    await rival.query(`SELECT FROM ${schema}.sagas FOR UPDATE`)
    // The sagas cannot end: whoever ends them holds the line, and waits for the rows. Still so a moment later: it is no passing wait.
    const held = `SELECT FROM ${schema}.line FOR UPDATE SKIP LOCKED`
    const isHeld = async () => (await query(address, held)).length === 0
    await until(async () => (await isHeld()) && (await sleep(100, true)) && (await isHeld()))
    await rival.query(`SELECT FROM ${schema}.line FOR UPDATE`)
    // He has both now: the one who had the line and waited for the rows was ended, by the search for deadlocks or by its timeout.
    await rival.query('COMMIT')
    await rival.end()
    await until(async () => (await orchestrator.health()).counts.committed === 4)
    await until(async () => (await orchestrator.health()).counts.rolled_back === 1)
    expect(await judgeJobs(orchestrator, all, ledger.lines)).toEqual([])
    expect(repeated(ledger.lines)).toEqual([])
    await orchestrator.close()
  })
})
