/**
 * Metrics for Prometheus, with or without HTTP.
 *
 * Invariants
 * - Labels take a few known values each: never an id, a key, or a name that a user chooses at run time.
 * - Gauges are read from the store when they are scraped, and a store that does not answer fails no scrape: its gauges are absent.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Orchestrator } from '../index.js'
import { meter } from './meter.js'
import { Pulse } from './pulse.js'

export interface Metrics {
  readonly registry: Registry
  /** One request was answered. */
  request(method: string, route: string, status: number, ms: number): void
}

const seconds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000]

/**
 * Counts what this process does from now on.
 *
 * @param registry where your other metrics are; default: one of its own
 * @example const { registry } = sagaMetrics(orchestrator); await registry.metrics()
 */
export function sagaMetrics(orchestrator: Orchestrator, registry = new Registry()): Metrics {
  const registers = [registry]
  countSagas(orchestrator, registers)
  countTrouble(orchestrator, registers)
  addGauges(orchestrator, registers)
  const requests = new Counter({
    name: 'backstep_http_requests_total',
    help: 'Requests answered, by route',
    labelNames: ['method', 'route', 'status'],
    registers,
  })
  const took = new Histogram({
    name: 'backstep_http_request_seconds',
    help: 'From the head of a request to the head of its answer',
    labelNames: ['route'],
    buckets: seconds.slice(0, 10),
    registers,
  })
  // Labels are looked up once: that costs more than counting.
  const counted = new Map<string, Counter.Internal>()
  const timed = new Map<string, Histogram.Internal<string>>()
  return {
    registry,
    request: (method, route, status, ms) => {
      const key = `${status} ${method} ${route}`
      const counter = counted.get(key) ?? requests.labels(method, route, String(status))
      const timer = timed.get(route) ?? took.labels(route)
      counted.set(key, counter)
      timed.set(route, timer)
      counter.inc()
      timer.observe(ms / 1_000)
    },
  }
}

function countSagas(orchestrator: Orchestrator, registers: Registry[]): void {
  const ended = new Counter({
    name: 'backstep_sagas_ended_total',
    help: 'Sagas that ended, by end',
    labelNames: ['status'],
    registers,
  })
  const lasted = new Histogram({
    name: 'backstep_saga_seconds',
    help: 'From submit to end, of sagas submitted to this process',
    labelNames: ['status'],
    buckets: seconds,
    registers,
  })
  const attempts = new Counter({
    name: 'backstep_attempts_total',
    help: 'Attempts that ended, by direction and outcome',
    labelNames: ['direction', 'outcome'],
    registers,
  })
  const took = new Histogram({
    name: 'backstep_attempt_seconds',
    help: 'How long attempts took',
    labelNames: ['direction'],
    buckets: seconds.slice(0, 11),
    registers,
  })
  const retries = new Counter({
    name: 'backstep_rollback_retries_total',
    help: 'Rollbacks that failed, and are tried again',
    registers,
  })
  const timers = { commit: took.labels('commit'), rollback: took.labels('rollback') }
  const counters = new Map<string, Counter.Internal>()
  meter(orchestrator, {
    attempt: ({ direction, outcome, ms }) => {
      // Labels are looked up once: that costs more than counting, and this is done for every attempt.
      const counter = counters.get(direction + outcome) ?? attempts.labels(direction, outcome)
      counters.set(direction + outcome, counter)
      counter.inc()
      if (ms !== undefined) timers[direction].observe(ms / 1_000)
      if (direction === 'rollback' && outcome === 'failed') retries.inc()
    },
    ended: ({ status, ms }) => {
      ended.inc({ status })
      if (ms !== undefined) lasted.observe({ status }, ms / 1_000)
    },
  })
}

function countTrouble(orchestrator: Orchestrator, registers: Registry[]): void {
  const count = (name: string, help: string): Counter => new Counter({ name, help, registers })
  const stuck = count('backstep_stuck_total', 'Steps that became stuck')
  const late = count('backstep_late_total', 'Commits that took effect after they had been given up')
  const flushes = count('backstep_flush_failures_total', 'Writes that the store did not answer')
  const leases = count('backstep_leases_lost_total', 'Leases of this process that ran out or were taken')
  orchestrator.on('stuck', () => stuck.inc())
  orchestrator.on('late', () => late.inc())
  orchestrator.on('unavailable', () => flushes.inc())
  orchestrator.on('leaseLost', () => leases.inc())
}

function addGauges(orchestrator: Orchestrator, registers: Registry[]): void {
  const pulse = new Pulse(orchestrator)
  const healthNow = () => pulse.health().catch(() => undefined)
  const sagas: Gauge = new Gauge({
    name: 'backstep_sagas',
    help: 'Sagas in the store now, by status; stuck and blocked ones again under these names',
    labelNames: ['status'],
    registers,
    collect: async () => {
      sagas.reset()
      const health = await healthNow()
      for (const [status, value] of Object.entries(health?.counts ?? {})) sagas.set({ status }, value)
    },
  })
  // Each asks for itself: what one sets in another may be read before it is set.
  const up: Gauge = new Gauge({
    name: 'backstep_store_up',
    help: '1 where the store answers',
    registers,
    collect: async () => up.set((await healthNow()) ? 1 : 0),
  })
  const workers: Gauge = new Gauge({
    name: 'backstep_workers',
    help: 'Live workers on the store',
    registers,
    collect: async () => {
      const health = await healthNow()
      if (health) workers.set(health.workers.filter(({ alive }) => alive).length)
      else workers.remove()
    },
  })
}
