/**
 * A million queued sagas, with keys and without: what they cost to the process, and to each submit and claim.
 *
 * Invariants
 * - Nobody offers their definition while they are submitted, as after a backlog has grown behind a process that was down.
 * - The empty store sees the very same calls, one for one, in turn.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Store } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { type Bench, type Case, fileIn } from '../case.js'
import { atMost, type Bar, resultOf } from '../result.js'
import { keyed, serial } from '../sagas.js'
import { median } from '../slices.js'

const backlog = 1_000_000
/** In one transaction while the backlog is built. */
const batch = 5_000
const pairs = 300
/** The process is looked at so many times; the median counts, because the heap of a process is a matter of luck. */
const looks = 3

type Write = Parameters<Store['apply']>[0][number]
type Kind = 'keyed' | 'serial'

export const sqliteBacklog: Case = async (bench) => {
  const bars: Bar[] = []
  for (const kind of ['keyed', 'serial'] as const) bars.push(...(await measure(bench, kind)))
  return resultOf(bench.name, {}, bars)
}

async function measure(bench: Bench, kind: Kind): Promise<Bar[]> {
  const full = fileIn(bench, `full-${kind}`)
  const empty = fileIn(bench, `empty-${kind}`)
  await fill(full, kind, Math.round(backlog * bench.scale))
  await fill(empty, kind, 0)
  const { submit, claim } = await timesOf(full, empty, kind, Math.max(10, Math.round(pairs * bench.scale)))
  const extra = (await rssOf(full, kind)) - (await rssOf(empty, kind))
  return [
    atMost(`RSS above that of an empty store, ${kind}`, extra, 50, ' MB'),
    atMost(`submit as a multiple of an empty store's, ${kind}`, submit, 2),
    atMost(`claim as a multiple of an empty store's, ${kind}`, claim, 2),
  ]
}

async function fill(path: string, kind: Kind, count: number): Promise<void> {
  const store = sqliteStore(path, { thread: false })
  await store.open()
  for (let done = 0; done < count; done += batch) {
    const size = Math.min(batch, count - done)
    await store.apply(Array.from({ length: size }, (_, i) => submitOf(kind, `k${done + i}`)))
  }
  await store.close()
}

function refOf(kind: Kind) {
  const { name, version, shape } = (kind === 'keyed' ? keyed() : serial()).plan
  return { name, version, shape }
}

function submitOf(kind: Kind, key: string): Write {
  const uid = randomUUID()
  const keys = kind === 'keyed' ? [key] : null
  return {
    type: 'submit',
    id: uid,
    uid,
    definition: refOf(kind),
    keys,
    deadline: null,
    at: Date.now(),
    entries: [{ type: 'submitted', uid, input: { key }, keys }],
  }
}

/** Median of full over empty, pair by pair. */
async function timesOf(full: string, empty: string, kind: Kind, count: number) {
  const one = await Probe.open(empty, kind)
  const two = await Probe.open(full, kind)
  const submits: number[] = []
  const claims: number[] = []
  for (let i = 0; i < count; i++) {
    const base = await one.submitAndClaim(`p${i}`)
    const loaded = await two.submitAndClaim(`p${i}`)
    submits.push(loaded.submit / base.submit)
    claims.push(loaded.claim / base.claim)
  }
  await one.close()
  await two.close()
  return { submit: median(submits), claim: median(claims) }
}

/** One worker on one file, driven by hand: it submits a saga, then claims the next in the queue, and ends it. */
class Probe {
  readonly #store: Store
  readonly #kind: Kind

  private constructor(store: Store, kind: Kind) {
    this.#store = store
    this.#kind = kind
  }

  static async open(path: string, kind: Kind): Promise<Probe> {
    const store = sqliteStore(path, { thread: false })
    await store.open()
    const offers = [refOf(kind)]
    await store.apply([{ type: 'join', worker: 'probe', lease: 600_000, offers }])
    return new Probe(store, kind)
  }

  /** ms that each took. */
  async submitAndClaim(key: string) {
    const write = submitOf(this.#kind, key)
    const begin = performance.now()
    await this.#store.apply([write])
    const middle = performance.now()
    const [result] = await this.#store.apply([{ type: 'claim', worker: 'probe', limit: 1 }])
    const end = performance.now()
    const claimed = result?.type === 'claimed' ? result.sagas[0] : undefined
    if (!claimed) throw new Error('there was nothing to claim')
    const { n, chunks } = claimed.saga
    const first = chunks[0]?.entries[0]
    await this.#store.apply([
      {
        type: 'append',
        n,
        token: claimed.token,
        seq: 1,
        at: Date.now(),
        entries: [{ type: 'ended', status: 'rolled_back' }],
        replace: false,
        summary: { status: 'rolled_back', stage: 'done', stuck: false, late: false, dueIn: null },
        keys: first?.type === 'submitted' ? first.keys : null,
      },
    ])
    return { submit: middle - begin, claim: end - middle }
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

/** Median RSS of processes that submit and run sagas on this file, in MB. */
async function rssOf(path: string, kind: Kind): Promise<number> {
  const script = fileURLToPath(new URL('../rss.js', import.meta.url))
  const found: number[] = []
  for (let look = 0; look < looks; look++) {
    const { stdout } = await promisify(execFile)(process.execPath, [script, path, kind])
    found.push(Number(stdout))
  }
  return median(found)
}
