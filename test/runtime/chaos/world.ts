/**
 * The world of a seeded history: one memory store behind faults, a ledger, and steps that go wrong in every way.
 *
 * Invariants
 * - The same seed is the same history: there is no time but the fake clock's, and no chance but its seed.
 * - A call that does not answer with success has taken effect at once or not at all: what lands later without a word, only a
 *   participant could prevent. Nor does anything land once its process has ended, or so shortly before that nobody can be told.
 */
import {
  type CommitContext,
  type Definition,
  InDoubt,
  memoryStore,
  Rejected,
  type RollbackContext,
  type Store,
  saga,
  step,
} from 'backstep'
import type { Result, Write } from '#dist/store/store.js'
import { FakeClock } from '../../support/fake-clock.js'
import { MemoryLedger } from '../../support/ledger.js'
import { wrapStore } from '../../support/wrapped-store.mjs'

export interface Input {
  readonly keys: readonly string[]
}

type Context = CommitContext<Input, unknown> | RollbackContext<Input, unknown, unknown>

export const lease = 900

export class World {
  readonly clock: FakeClock
  readonly memory: Store
  readonly ledger = new MemoryLedger()
  /** How often each thing happened. */
  readonly counts: Record<string, number> = {}
  /** No more faults: whatever is left must end. */
  calm = false
  /** Those that died: nothing is heard of them any more. Those that closed: their calls have no effect any more. */
  readonly #dead = new Map<number, 'died' | 'closed'>()
  readonly #workers = new Map<number, string>()
  readonly #landed = new Map<number, number>()
  readonly #graves: (() => void)[] = []
  #buried = false

  constructor(seed: number) {
    this.clock = new FakeClock({ seed })
    this.memory = memoryStore({ now: this.clock.now })
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  chance(probability: number): boolean {
    return this.clock.random() < probability
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.clock.random() * items.length)]
  }

  // Processes

  /** As the operating system does at SIGKILL: it falls silent, and its lock is free. */
  async kill(pid: number): Promise<void> {
    this.count('kills')
    this.#dead.set(pid, 'died')
    const worker = this.#workers.get(pid)
    if (worker !== undefined) await this.memory.apply([{ type: 'leave', worker }])
  }

  /** It closes down and is about to end: what it still calls has no effect from now on. */
  end(pid: number): void {
    this.#dead.set(pid, 'closed')
  }

  /** Those that died may be closed now: their store answers that it does not answer. */
  bury(): void {
    this.#buried = true
    for (const silence of this.#graves.splice(0)) silence()
  }

  async #unlessDead(pid: number): Promise<void> {
    if (this.#dead.get(pid) !== 'died') return
    if (!this.#buried) await new Promise<void>((resolve) => this.#graves.push(resolve))
    throw new Error('it is dead')
  }

  /** A process that dies before it could tell of what landed late leaves an effect that nobody knows of. */
  mayDie(pid: number): boolean {
    return this.clock.now() - (this.#landed.get(pid) ?? 0) > 3_000
  }

  // The store

  /** The store as one process sees it. */
  storeFor(pid: number): Store {
    const { memory } = this
    return wrapStore(memory, {
      apply: (writes) => this.#apply(writes, pid),
      find: async (ref) => {
        await this.#read(pid)
        return memory.find(ref)
      },
      rows: async (numbers) => {
        await this.#read(pid)
        return memory.rows(numbers)
      },
      owned: async (worker) => {
        await this.#read(pid)
        return memory.owned(worker)
      },
    })
  }

  async #delay(most: number, pid: number): Promise<void> {
    if (this.chance(0.5)) await this.clock.sleep(this.clock.random() * most)
    await this.#unlessDead(pid)
  }

  async #read(pid: number): Promise<void> {
    await this.#unlessDead(pid)
    if (this.calm) return
    await this.#delay(10, pid)
    if (!this.chance(0.02)) return
    this.count('reads failed')
    throw new Error('the read failed')
  }

  async #apply(writes: readonly Write[], pid: number): Promise<readonly Result[]> {
    for (const write of writes) if (write.type === 'join') this.#workers.set(pid, write.worker)
    await this.#unlessDead(pid)
    if (this.calm) return this.memory.apply(writes)
    // Now and then long enough for the lease to run out.
    const freezes = this.chance(0.004)
    if (freezes) this.count('freezes')
    await this.#delay(freezes ? 2 * lease : 5, pid)
    if (this.chance(0.02)) {
      this.count('writes not made')
      throw new Error('not written')
    }
    const results = await this.memory.apply(writes)
    await this.#delay(5, pid)
    if (this.chance(0.02)) {
      this.count('answers lost')
      throw new Error('the answer was lost')
    }
    return results
  }

  // Steps

  async #commit(context: Context, pid: number): Promise<number> {
    const { ledger, clock } = this
    ledger.write(context, 'begun', pid)
    const kind = this.calm ? 1 : clock.random()
    if (kind < 0.08) return this.#fail(context, pid, 'rejected', new Error('no'))
    if (kind < 0.1) return this.#fail(context, pid, 'rejected', new Rejected('never'))
    if (kind < 0.15) return this.#fail(context, pid, 'committed', new InDoubt('lost'))
    if (kind < 0.17) return this.#hang(context, pid)
    await clock.sleep(clock.random() * (kind < 0.2 ? 500 : kind < 0.22 ? 5_000 : 30))
    if (this.#dead.has(pid)) return new Promise(() => {})
    // What was given up by now can only be told as a late success: until that has had the time to be stored, nobody is killed.
    if (clock.now() > context.deadline || context.signal.aborted) this.#landed.set(pid, clock.now())
    ledger.write(context, 'committed', pid)
    return context.attempt
  }

  #fail(context: Context, pid: number, outcome: 'rejected' | 'committed', error: Error): never {
    this.ledger.write(context, outcome, pid)
    throw error
  }

  #hang(context: Context, pid: number): Promise<never> {
    this.ledger.write(context, this.chance(0.5) ? 'committed' : 'rejected', pid)
    return new Promise(() => {})
  }

  async #rollback(context: Context, pid: number): Promise<void> {
    this.ledger.write(context, 'begun', pid)
    if (!this.calm && this.chance(0.3)) {
      this.ledger.write(context, this.chance(0.5) ? 'rolled_back' : 'failed', pid)
      throw new Error('not yet')
    }
    this.ledger.write(context, 'rolled_back', pid)
    await this.clock.sleep(this.clock.random() * 10)
  }

  /** What a process offers. */
  definitions(pid: number): {
    readonly keyed: Definition<Input, unknown>
    readonly serial: Definition<Input, unknown>
  } {
    const policy = {
      commit: (context: CommitContext<Input, unknown>) => this.#commit(context, pid),
      rollback: (context: RollbackContext<Input, unknown, unknown>) => this.#rollback(context, pid),
      timeout: 80,
      retry: { attempts: 2, min: 5, max: 20 },
      rollbackRetry: { min: 5, max: 50 },
    }
    const keyed = saga<Input>('keyed', { keys: ({ keys }) => keys })
      .step('one', policy)
      .parallel({ left: step(policy), right: step(policy) })
      .step('last', policy)
    return { keyed, serial: saga<Input>('serial').step('one', policy).step('two', policy) }
  }
}
