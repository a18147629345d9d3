/**
 * The load: so many clients in a closed loop, each of which submits its next saga when its last has ended.
 *
 * Invariant
 * - Time, processor and latencies are counted in slices only, from the first submit to the end of the last saga.
 */
import { median, percentile, type Slice } from './slices.js'

export class ClosedLoop {
  readonly #clients: number
  readonly #once: (client: number) => Promise<unknown>
  readonly #rates: number[] = []
  #latencies: number[] = []
  #count = 0
  #cpu = 0

  /** `once` runs one saga of this client to its end. */
  constructor(clients: number, once: (client: number) => Promise<unknown>) {
    this.#clients = clients
    this.#once = once
  }

  readonly slice: Slice = async (seconds) => {
    const before = this.#count
    const cpu = process.cpuUsage()
    const begin = performance.now()
    const end = begin + seconds * 1_000
    await Promise.all(Array.from({ length: this.#clients }, (_, client) => this.#loop(client, end)))
    const took = (performance.now() - begin) / 1_000
    const { user, system } = process.cpuUsage(cpu)
    this.#cpu += (user + system) / 1e6
    const rate = (this.#count - before) / took
    this.#rates.push(rate)
    return rate
  }

  /** Runs for a while, long enough for the compiler to be done; none of it is counted. */
  async warmUp(seconds: number): Promise<void> {
    await this.slice(seconds)
    this.#latencies = []
    this.#rates.length = 0
    this.#count = 0
    this.#cpu = 0
  }

  get figures() {
    return {
      sagasPerSecond: median(this.#rates),
      p50Ms: percentile(this.#latencies, 0.5),
      p99Ms: percentile(this.#latencies, 0.99),
      cpuSecondsPer1000: (this.#cpu / this.#count) * 1_000,
    }
  }

  async #loop(client: number, end: number): Promise<void> {
    for (let begin = performance.now(); begin < end; ) {
      await this.#once(client)
      const now = performance.now()
      this.#latencies.push(now - begin)
      this.#count++
      begin = now
    }
  }
}
