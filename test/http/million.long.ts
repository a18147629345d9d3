/**
 * The list of a million sagas, over HTTP: the pages and filters of the page within 100 ms; half of the sagas queued, half ended.
 */
import { Orchestrator } from 'backstep'
import { postgresStore } from 'backstep/postgres'
import { expect, it } from 'vitest'
import { serve } from '#dist/http/index.js'
import { Desk, order, submission, trip } from '#dist/testing/store-suite/desk.js'
import { newPath, openStore } from '../store/sqlite-place.js'
import { describePostgres, freshSchema, query } from '../support/postgres.js'

const million = 1_000_000
const group = 5_000

async function fill(path: string): Promise<void> {
  const store = await openStore(path)
  const desk = new Desk(store)
  await desk.join('w', [trip])
  let key = 0
  await desk.submit({ definition: order })
  for (let i = 0; i < million / 2; i += group) {
    await desk.applyAll(Array.from({ length: group }, () => submission({ keys: [`k${++key}`] })))
    await desk.claimAndEnd('w', group)
  }
  for (let i = 0; i < million / 2; i += group) {
    await desk.applyAll(Array.from({ length: group }, () => submission({ keys: ['hot'] })))
  }
  await store.close()
}

/** ms. Those that pass half a million to find few or none may take longer, beside other tests up to a second. */
const bar = 100
const scanBar = 1_000
const scans = ['?name=order', '?status=rolled_back', '?status=committed', '?status=committed,rolled_back']

const paths = [
  '',
  '?limit=500',
  '?counts=true',
  '?status=queued',
  '?status=running',
  '?status=rolling_back',
  '?status=committed',
  '?status=committed,rolled_back',
  '?stuck=true',
  '?blocked=true',
  '?late=true',
  '?order=oldest',
  `?after=${million / 2}`,
  '?name=trip',
  '?name=nothing',
  '?name=order',
  '?name=order&status=queued',
  '?blocked=true&status=queued&order=oldest',
  '?blocked=true&name=order',
  '?status=rolled_back',
  '?stuck=true&order=oldest',
]

async function measure(address: string): Promise<Record<string, number>> {
  const orchestrator = await Orchestrator.open(address, { work: false, log: false })
  const server = await serve(orchestrator, { port: 0, page: false })
  const took: Record<string, number> = {}
  for (const query of paths) {
    const times: number[] = []
    for (let round = 0; round < 7; round++) {
      const begin = performance.now()
      const response = await fetch(`${server.url}v1/sagas${query}`)
      await response.text()
      expect(response.status).toBe(200)
      times.push(performance.now() - begin)
    }
    // The quickest of seven: other tests run beside, and what they take is not the list's.
    took[query] = Math.round(Math.min(...times))
  }
  await server.close()
  await orchestrator.close()
  console.log(`ms of a page of ${address.split(':')[0]}, the quickest of seven:`, took)
  return took
}

function judge(took: Record<string, number>): void {
  for (const [query, ms] of Object.entries(took))
    expect(ms, query).toBeLessThan(scans.includes(query) ? scanBar : bar)
}

it('the list of a million sagas answers within 100 ms', async () => {
  const path = await newPath()
  await fill(path)
  judge(await measure(`sqlite:${path}`))
}, 600_000)

describePostgres('on PostgreSQL', () => {
  it('the list of a million sagas answers within 100 ms', async () => {
    const address = await freshSchema()
    const schema = new URL(address).searchParams.get('schema')
    const store = postgresStore(address)
    await store.open()
    const desk = new Desk(store)
    await desk.join('w', [trip])
    await desk.submit({ definition: order })
    await desk.end(await desk.submit({ start: 'w' }))
    await desk.submit()
    // The rows of a list alone, copied by the server: a million submits would take minutes.
    const columns =
      'token, submitted_at, ended_at, place, owner, due, deadline, d, status, stage, stuck, late, awake, keys'
    const copy = (first: number, last: number, of: string) =>
      query(
        address,
        `INSERT INTO ${schema}.sagas (n, id, ${columns})
         SELECT g, 'copy-' || g, ${columns} FROM generate_series(${first}, ${last}) g, ${schema}.sagas s
         JOIN ${schema}.definitions f USING (d) WHERE s.n < 1000 AND f.name = 'trip' AND ${of}`,
      )
    await copy(1_000, million / 2, 's.stage = 2')
    await copy(million / 2 + 1, million, 's.stage = 0')
    await query(address, `VACUUM ANALYZE ${schema}.sagas`)
    await store.close()
    judge(await measure(address))
  }, 600_000)
})
