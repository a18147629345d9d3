/**
 * The world of a soak: three services with latencies, that fail in every way by a seed, and what they did.
 *
 * Invariants
 * - What a saga did is kept until the saga has ended and was judged; then it is forgotten, so that the judge stays as small as what
 *   is judged.
 * - A call takes effect at once or not at all, but for those that land late.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { InDoubt, Rejected, type RollbackContext, saga } from 'backstep'
import { FakeClock } from 'backstep/testing'

export interface Trip {
  readonly traveller: string
}

type Context = Omit<RollbackContext<Trip, unknown, unknown>, 'commitKey' | 'output'>

/** Of each call, where it happens; the rest succeed. */
const odds = { rejected: 0.02, lost: 0.01, hangs: 0.002, late: 0.003, rollbackFails: 0.1, storeFails: 0.0005 }
const timeout = 300
/** Of each call, ms. */
const latency = { least: 5, most: 25 }

export class World {
  readonly chance: () => number
  /** How often each fault happened. */
  readonly faults: Record<string, number> = {}
  readonly #standing = new Map<string, Set<string>>()

  constructor(seed: number) {
    this.chance = new FakeClock({ seed }).random
  }

  get remembered(): number {
    return this.#standing.size
  }

  /** True, and counted, with the odds of this fault. */
  strikes(fault: keyof typeof odds): boolean {
    if (this.chance() >= odds[fault]) return false
    this.faults[fault] = (this.faults[fault] ?? 0) + 1
    return true
  }

  /** How many steps of it stand; it is forgotten. */
  judge(sagaId: string): number {
    const standing = this.#standing.get(sagaId)?.size ?? 0
    this.#standing.delete(sagaId)
    return standing
  }

  get saga() {
    const step = {
      commit: (context: Context) => this.#commit(context),
      rollback: (context: Context) => this.#rollback(context),
      timeout,
      rollbackRetry: { min: 20, max: 500 },
    }
    return saga<Trip>('soak', { keys: ({ traveller }) => [traveller] })
      .step('flight', step)
      .step('hotel', step)
      .step('payment', step)
  }

  #takesEffect({ sagaId, step }: Context): void {
    const standing = this.#standing.get(sagaId)
    if (standing) standing.add(step)
    else this.#standing.set(sagaId, new Set([step]))
  }

  async #commit(context: Context): Promise<void> {
    await sleep(latency.least + this.chance() * (latency.most - latency.least))
    if (this.strikes('rejected')) throw new Rejected('no seats')
    if (this.strikes('hangs')) return new Promise(() => {})
    // Within the grace: the saga has not ended, so the judge still listens.
    if (this.strikes('late')) await sleep(timeout + 50)
    this.#takesEffect(context)
    if (this.strikes('lost')) throw new InDoubt('the answer was lost')
  }

  async #rollback({ sagaId, step }: Context): Promise<void> {
    await sleep(latency.least)
    if (this.strikes('rollbackFails')) throw new Error('503')
    this.#standing.get(sagaId)?.delete(step)
  }
}
