/**
 * What thousands of definitions cost that nobody offers any more: versions of years, or of sagas that brought their steps along.
 * By the clock, and far from the line: what is quadratic took ten seconds where a few milliseconds are enough.
 */
import { expect, it } from 'vitest'
import type { ListFilter } from '#dist/store/store.js'
import { Desk, trip } from '#dist/testing/store-suite/desk.js'
import { newPath, openStore } from './sqlite-place.js'

const many = 2_000
const filters: Partial<ListFilter>[] = [
  { blocked: true },
  { blocked: false, status: ['running'] },
  { status: ['queued', 'running', 'rolling_back'] },
  { name: trip.name, blocked: true },
]

it('SQLite: a list of what has not ended is read as fast', async () => {
  const store = await openStore(await newPath())
  const desk = new Desk(store)
  const offers = Array.from({ length: many }, (_, index) => ({ ...trip, version: `v${index}` }))
  await desk.join('w', offers)
  const [old, newest] = [offers[7] ?? trip, offers.at(-1) ?? trip]
  const sagas = [
    await desk.submit({ definition: old }),
    await desk.submit({ definition: newest, keys: null }),
  ]
  await desk.leave('w')
  await desk.join('v')
  const running = await desk.submit({ start: 'v' })
  const expected = [sagas, [running], [...sagas, running], sagas]
  for (const [index, filter] of filters.entries()) {
    const begin = performance.now()
    const found = await store.list({ order: 'oldest', limit: 50, ...filter })
    const took = performance.now() - begin
    expect(found.map(({ n }) => n)).toEqual(expected[index]?.map(({ n }) => n))
    expect({ filter, took }).toMatchObject({ took: expect.toSatisfy((ms: number) => ms < 500) })
  }
})
