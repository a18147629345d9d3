/**
 * The list of a million sagas, over HTTP: the pages and filters of the page within 100 ms; half of the sagas queued, half ended.
 */
import { Orchestrator } from 'backstep'
import { expect, it } from 'vitest'
import { serve } from '#dist/http/index.js'
import { Desk, order, submission, trip } from '#dist/testing/store-suite/desk.js'
import { newPath, openStore } from '../store/sqlite-place.js'

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

/** ms. What reads all of the table to find few or none may take longer, and still less than a person notices. */
const bar = 100
const scanBar = 400
const scans = ['?name=order', '?status=rolled_back']

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

it('the list of a million sagas answers within 100 ms', async () => {
  const path = await newPath()
  await fill(path)
  const orchestrator = await Orchestrator.open(`sqlite:${path}`, { work: false, log: false })
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
  console.log('ms of a page, the quickest of seven:', took)
  await server.close()
  await orchestrator.close()
  for (const [query, ms] of Object.entries(took))
    expect(ms, query).toBeLessThan(scans.includes(query) ? scanBar : bar)
}, 600_000)
