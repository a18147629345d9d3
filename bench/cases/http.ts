/**
 * Over HTTP with 64 connections, against the library with 64 callers, in turn on one store.
 *
 * `http-run`: sagas of three steps, to their end (`Prefer: wait`, against `run`). `http-submit`: only the way in, where nothing runs
 * what is submitted, and the library's submit is at its fastest: it takes all 64 callers into every flush, whereas over HTTP half of
 * them are on their way while the others are flushed. `http-bare`: the same way in, against the least that Node can do: a handler on
 * `node:http` that parses, submits and answers, and checks nothing.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import type { Orchestrator } from 'backstep'
import { serve } from '#dist/http/index.js'
import { type Case, openFile } from '../case.js'
import type { LoadOrder, LoadSlice } from '../http-load.js'
import { ClosedLoop } from '../load.js'
import { atLeast, resultOf } from '../result.js'
import { keyed } from '../sagas.js'
import { inTurn, percentile, type Slice } from '../slices.js'

const connections = 64

interface Way {
  /** Sends `Prefer: wait`. */
  readonly waits: boolean
  /** What it is held against. */
  readonly limit: 'library' | 'bare node:http'
  readonly what: string
  readonly bar: number
}

const caseOf =
  ({ waits, limit, what, bar }: Way): Case =>
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
    const other = limit === 'library' ? library(orchestrator, saga, waits) : await bare(orchestrator, saga)
    await other.slice(plan.seconds * 8)
    await load.slice(plan.seconds * 8)
    load.latencies.length = 0
    const { first, second, ratio } = await inTurn(plan, other.slice, load.slice)
    await load.end()
    await other.end()
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

interface Other {
  readonly slice: Slice
  end(): Promise<void>
}

type Keyed = ReturnType<typeof keyed>

function library(orchestrator: Orchestrator, saga: Keyed, waits: boolean): Other {
  let next = 0
  const loop = new ClosedLoop(connections, () => {
    const input = { key: `l${next++}` }
    return waits ? orchestrator.run(saga, input) : orchestrator.submit(saga, input)
  })
  return { slice: loop.slice, end: async () => {} }
}

async function bare(orchestrator: Orchestrator, saga: Keyed): Promise<Other> {
  const server = createServer(async (request, response) => {
    const { input } = JSON.parse(await text(request)) as { input: { key: string } }
    const { id } = await orchestrator.submit(saga, { key: `bare-${input.key}` })
    const body = JSON.stringify({ id, name: 'keyed', status: 'queued', input })
    response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    response.end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const load = new Load({ port, connections, waits: false })
  const end = async () => {
    await load.end()
    server.close()
  }
  return { slice: load.slice, end }
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

const bar = 0.5
export const httpRun = caseOf({ waits: true, limit: 'library', what: "of the library's run", bar })
export const httpSubmit = caseOf({ waits: false, limit: 'library', what: "of the library's submit", bar })
export const httpBare = caseOf({ waits: false, limit: 'bare node:http', what: 'of bare node:http', bar: 0.6 })
