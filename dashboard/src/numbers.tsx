/**
 * Throughput, failures and latency over time, of the process that serves the page.
 */

import { useEffect } from 'preact/hooks'
import { api, type Bucket, type Stats } from './api.js'
import { Chart } from './chart.js'
import { useLoaded, useNow } from './hooks.js'
import { Trouble } from './trouble.js'
import { brief, lasting } from './words.js'

const perSecond = (number: number): string => (number < 10 ? number.toFixed(1) : brief(Math.round(number)))

/** The last buckets, without holes: a time of which nothing is known counts as one in which nothing happened. */
export function filled({ bucketMs: bucket, buckets }: Stats, now: number, length: number): Bucket[] {
  const known = new Map(buckets.map((one) => [Math.floor(one.at / bucket), one]))
  const last = Math.floor(now / bucket)
  return Array.from({ length }, (_, index) => {
    const number = last - length + 1 + index
    const nothing = { committed: 0, rolledBack: 0, attempts: 0, failures: 0, p50: null, p99: null }
    return known.get(number) ?? { at: number * bucket, ...nothing }
  })
}

/** Ten minutes at least, and as far back as there is something to show. */
function lengthOf({ bucketMs, buckets }: Stats, now: number): number {
  const oldest = buckets[0]?.at ?? now
  return Math.min(360, Math.max(60, Math.ceil((now - oldest) / bucketMs)))
}

export function Numbers({ large = false }: { readonly large?: boolean }) {
  const now = useNow(5_000)
  const { value, problem, load } = useLoaded('stats', api.stats)
  useEffect(load, [now])
  if (!value)
    return problem && large ? <Trouble problem={problem} again={load} /> : <div class="charts empty" />
  // The last bucket is not full yet: it would always look like a fall.
  const buckets = filled(value, now - value.bucketMs, large ? lengthOf(value, now) : 60)
  const rate = (number: number): number => (number * 1_000) / value.bucketMs
  const of = (pick: (bucket: Bucket) => number | null): (number | null)[] => buckets.map(pick)
  const shared = { times: buckets.map(({ at }) => at), step: value.bucketMs, now, height: large ? 180 : 64 }
  const span = lasting(value.bucketMs * buckets.length)
  return (
    <section class={large ? 'charts large' : 'charts'} aria-label={`The last ${span}, of this process`}>
      {large && <h1 class="hidden">Numbers</h1>}
      <Chart
        {...shared}
        title="Ended per second"
        kind="bars"
        text={perSecond}
        series={[
          { label: 'committed', look: 'green', values: of(({ committed }) => rate(committed)) },
          { label: 'rolled back', look: 'violet', values: of(({ rolledBack }) => rate(rolledBack)) },
        ]}
      />
      <Chart
        {...shared}
        title="Calls per second"
        kind="bars"
        text={perSecond}
        series={[
          { label: 'failed', look: 'red', values: of(({ failures }) => rate(failures)) },
          {
            label: 'passed',
            look: 'blue',
            values: of(({ attempts, failures }) => rate(Math.max(0, attempts - failures))),
          },
        ]}
      />
      <Chart
        {...shared}
        title="Submit to end"
        kind="lines"
        text={lasting}
        series={[
          { label: 'p50', look: 'blue', values: of(({ p50 }) => p50) },
          { label: 'p99', look: 'amber', values: of(({ p99 }) => p99) },
        ]}
      />
      <p class="note">
        The last {span}, of the process that serves this page only.{' '}
        {large && 'Each process has its own /metrics.'}
      </p>
    </section>
  )
}
