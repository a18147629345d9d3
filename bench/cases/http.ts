/**
 * Over HTTP with 64 connections, against the library with 64 callers, in turn on one store.
 *
 * `http-run`: sagas of three steps, to their end (`Prefer: wait`, against `run`). `http-submit`: only the way in, where nothing runs
 * what is submitted, and the library's submit is at its fastest: it takes all 64 callers into every flush, whereas over HTTP half of
 * them are on their way while the others are flushed.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { serve } from '#dist/http/index.js'
import { type Case, openFile } from '../case.js'
import type { LoadOrder, LoadSlice } from '../http-load.js'
import { ClosedLoop } from '../load.js'
import { atLeast, resultOf } from '../result.js'
import { keyed } from '../sagas.js'
import { inTurn, percentile, type Slice } from '../slices.js'

const connections = 64
const bar = 0.5

interface Way {
  /** Sends `Prefer: wait`. */
  readonly waits: boolean
  readonly what: string
}

const caseOf =
  ({ waits, what }: Way): Case =>
  async (bench) => {
    const { plan } = bench
    const saga = keyed()
    await using orchestrator = await openFile(bench, 'store', {
      work: waits,
      sagas: [saga],
      concurrency: connections,
    })
    // Registers it: what does not work offers nothing.
    await orchestrator.submit(saga, { key: 'first' })
    const server = await serve(orchestrator, { port: 0, page: false })
    const load = new Load({ port: Number(new URL(server.url).port), connections, waits })
    let next = 0
    const library = new ClosedLoop(connections, () => {
      const input = { key: `l${next++}` }
      return waits ? orchestrator.run(saga, input) : orchestrator.submit(saga, input)
    })
    await library.warmUp(plan.seconds * 4)
    await load.slice(plan.seconds * 8)
    load.latencies.length = 0
    const { first, second, ratio } = await inTurn(plan, library.slice, load.slice)
    await load.end()
    await server.close({ drain: 0 })
    const figures = {
      sagasPerSecond: second,
      limitPerSecond: first,
      ofLimit: ratio,
      p50Ms: percentile(load.latencies, 0.5),
      p99Ms: percentile(load.latencies, 0.99),
    }
    return resultOf(bench.name, figures, [atLeast(what, ratio, bar)])
  }

/** The clients, in their thread. */
class Load {
  readonly latencies: number[] = []
  readonly #worker: Worker

  constructor(order: LoadOrder) {
    this.#worker = new Worker(new URL('../http-load.js', import.meta.url), { workerData: order })
  }

  readonly slice: Slice = async (seconds) => {
    this.#worker.postMessage(seconds)
    const [slice] = (await once(this.#worker, 'message')) as [LoadSlice]
    for (const latency of slice.latencies) this.latencies.push(latency)
    return slice.count / slice.seconds
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}

export const httpRun = caseOf({ waits: true, what: "of the library's run" })
export const httpSubmit = caseOf({ waits: false, what: "of the library's submit" })
