/**
 * Metrics and figures: what is counted is what happened; a store that does not answer fails no scrape.
 */
import { memoryStore, Orchestrator, StoreError } from 'backstep'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { sagaMetrics } from '#dist/http/index.js'
import { Stats } from '#dist/http/stats.js'
import { wrapStore } from '../support/wrapped-store.mjs'
import { trip } from './fixture.js'

async function metricOf(
  registry: Registry,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> {
  const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] }
  const found = values.find((value) =>
    Object.entries(labels).every(([key, label]) => value.labels[key] === label),
  )
  return found?.value ?? 0
}

test('without HTTP: sagas by end, attempts by direction and outcome, retries, stuck, gauges, times', async () => {
  await using orchestrator = await Orchestrator.open('memory:', { sagas: [trip()], log: false })
  const own = new Registry()
  const { registry } = sagaMetrics(orchestrator, own)
  expect(registry).toBe(own)
  const run = async (id: string, input: object) =>
    (await orchestrator.submit(trip(), { keys: [id], ...input }, { id })).outcome()
  await run('a', {})
  await run('b', { commit: { payment: 'refuse' } })
  await run('c', { commit: { hotel: 'doubt' } })
  await orchestrator.submit(
    trip(),
    { commit: { payment: 'refuse' }, rollback: { flight: 'fail' }, keys: ['d'] },
    { id: 'd' },
  )
  await orchestrator.submit(trip(), { keys: ['d'] }, { id: 'e' })
  await expect.poll(async () => (await orchestrator.get('d'))?.stuck).toBe(true)

  const value = (name: string, labels = {}) => metricOf(registry, `backstep_${name}`, labels)
  expect(await value('sagas_ended_total', { status: 'committed' })).toBe(1)
  expect(await value('sagas_ended_total', { status: 'rolled_back' })).toBe(2)
  // a: 3, b: 2, c: 1, d: 2.
  expect(await value('attempts_total', { direction: 'commit', outcome: 'committed' })).toBe(8)
  expect(await value('attempts_total', { direction: 'commit', outcome: 'rejected' })).toBe(2)
  expect(await value('attempts_total', { direction: 'commit', outcome: 'in_doubt' })).toBe(1)
  expect(await value('attempts_total', { direction: 'rollback', outcome: 'rolled_back' })).toBe(5)
  expect(await value('attempts_total', { direction: 'rollback', outcome: 'failed' })).toBe(1)
  expect(await value('rollback_retries_total')).toBe(1)
  expect(await value('stuck_total')).toBe(1)
  const gauges = ['queued', 'rolling_back', 'stuck', 'blocked', 'committed', 'rolled_back', 'running']
  const counts = await Promise.all(gauges.map((status) => value('sagas', { status })))
  expect(counts).toEqual([1, 1, 1, 0, 1, 2, 0])
  expect([await value('store_up'), await value('workers')]).toEqual([1, 1])
  const text = await registry.metrics()
  expect(text).toContain('backstep_saga_seconds_count{status="rolled_back"} 2')
  expect(text).toContain('backstep_attempt_seconds_count{direction="commit"} 11')
  // Labels are few and known: no id, key or name of a user is among them.
  expect(text).not.toMatch(/"(a|b|c|d|e|trip|flight)"/)
})

test('a store that does not answer: the scrape says so, and failed flushes are counted', async () => {
  const store = memoryStore()
  let answers = true
  const gone = new StoreError('gone', { code: 'STORE_UNAVAILABLE', hint: 'wait' })
  const methods = {
    health: () => (answers ? store.health() : Promise.reject(gone)),
    apply: (writes: Parameters<typeof store.apply>[0]) =>
      answers ? store.apply(writes) : Promise.reject(gone),
  }
  await using orchestrator = await Orchestrator.open(wrapStore(store, methods), { work: false, log: false })
  const { registry } = sagaMetrics(orchestrator)
  expect(await registry.metrics()).toMatch(/^backstep_store_up 1$/m)
  answers = false
  await expect(orchestrator.submit(trip(), {})).rejects.toThrow('gone')
  await expect.poll(() => registry.metrics()).toMatch(/^backstep_store_up 0$/m)
  expect(await registry.metrics()).toContain('backstep_flush_failures_total 1')
  answers = true
})

test('a lost lease is counted', async () => {
  const store = memoryStore()
  let answers = true
  const methods = {
    apply: (writes: Parameters<typeof store.apply>[0]) =>
      answers || writes.every(({ type }) => type !== 'renew')
        ? store.apply(writes)
        : Promise.reject(new Error('the renewal is lost')),
  }
  const orchestrator = await Orchestrator.open(wrapStore(store, methods), { lease: 150, log: false })
  const { registry } = sagaMetrics(orchestrator)
  answers = false
  await expect.poll(() => metricOf(registry, 'backstep_leases_lost_total')).toBeGreaterThan(0)
  answers = true
  await orchestrator.close({ drain: 0 })
})

test('figures of the last hour: bounded, the oldest first, latencies of all ends', async () => {
  await using orchestrator = await Orchestrator.open('memory:', { sagas: [trip()], log: false })
  const stats = new Stats(orchestrator)
  expect(stats.shown.buckets).toEqual([])
  await Promise.all(Array.from({ length: 700 }, (_, i) => orchestrator.run(trip(), { keys: [`${i}`] })))
  const { buckets, bucketMs } = stats.shown
  expect(bucketMs).toBe(10_000)
  const sum = (pick: (bucket: (typeof buckets)[number]) => number) =>
    buckets.map(pick).reduce((a, b) => a + b, 0)
  expect([
    sum(({ committed }) => committed),
    sum(({ attempts }) => attempts),
    sum(({ failures }) => failures),
  ]).toEqual([700, 2_100, 0])
  for (const { p50, p99, at } of buckets) {
    expect(at % bucketMs).toBe(0)
    expect(p99 ?? 0).toBeGreaterThanOrEqual(p50 ?? 0)
  }
})
