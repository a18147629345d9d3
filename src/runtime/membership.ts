/**
 * A worker's membership of those who share the store: its name, what it offers, and the lease on what it owns.
 *
 * Invariants
 * - A name is never used again once its lease is lost: what was written under it may still be under way.
 * - It joins again for as long as nobody stops it, and each time after telling the worker to drop what it ran.
 */
import { hostname } from 'node:os'
import type { Store } from '../store/store.js'
import type { Clock, Timer } from './clock.js'
import type { GroupCommit } from './group-commit.js'
import { Lease } from './lease.js'
import type { Registry } from './registry.js'

/** The worker, as it hears of its membership. */
export interface Member {
  /** It may claim. */
  joined(): void
  /** What it runs may be somebody else's by now. */
  lost(why: string): void
}

export interface MembershipParts {
  readonly store: Store
  readonly commits: GroupCommit
  readonly clock: Clock
  readonly registry: Registry
}

/** Before it joins a store again that did not answer, in ms. */
const pauseBeforeJoin = 1_000

/** What the store may take to hear that the worker leaves, in ms. */
const longestLeave = 2_000

/** Never given twice, and an operator sees from it which process to look at. */
const newName = (clock: Clock): string => `${process.pid}@${hostname()}/${clock.id()}`

export class Membership {
  readonly #parts: MembershipParts
  readonly #length: number
  readonly #member: Member
  #name: string
  #lease: Lease | undefined
  #again: Timer | undefined
  #stopped = false

  /** `length` of the lease, in ms. */
  constructor(parts: MembershipParts, length: number, member: Member) {
    this.#parts = parts
    this.#length = length
    this.#member = member
    this.#name = newName(parts.clock)
  }

  get name(): string {
    return this.#name
  }

  get hasBegun(): boolean {
    return this.#lease !== undefined
  }

  /** True while a new attempt may be made. */
  get holds(): boolean {
    return this.#lease?.holds === true
  }

  /** Throws StoreError if the store does not answer. */
  async begin(): Promise<void> {
    // Whoever begins last is the one: the lease of one that is still waiting for its answer would be renewed for ever.
    this.#lease?.stop()
    this.#lease = new Lease(
      this.#parts.clock,
      this.#length,
      () => this.#renew(),
      (why) => this.#lost(why),
    )
    await this.offer()
    this.#member.joined()
  }

  /** Says what the process can run now. Throws StoreError. */
  async offer(): Promise<void> {
    const { commits, registry } = this.#parts
    const offers = registry.refs
    const result = await commits.write({ type: 'join', worker: this.#name, lease: this.#length, offers })
    if (result.type === 'refused') throw result.error
  }

  /** Somebody else has learned that it is over. */
  lose(why: string): void {
    this.#lease?.lose(why)
  }

  /** It is not to join again. */
  stop(): void {
    this.#stopped = true
    this.#again?.cancel()
  }

  /** A store that does not answer is not waited for long: the lease runs out by itself. */
  leave(): Promise<void> {
    this.#lease?.stop()
    return new Promise((resolve) => {
      const timer = this.#parts.clock.timer(longestLeave, resolve)
      this.#sayGoodbye(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  #sayGoodbye(heard: () => void): void {
    this.#parts.commits.add({ type: 'leave', worker: this.#name }, heard)
  }

  async #renew(): Promise<boolean> {
    const renewal = { type: 'renew', worker: this.#name, lease: this.#length } as const
    // Not through group commit: a lease must not wait for what the store takes long to write, nor for what cannot be written.
    const [result] = await this.#parts.store.apply([renewal])
    return result?.type === 'applied'
  }

  #lost(why: string): void {
    this.#giveUp(why)
    this.#beginAgain()
  }

  #giveUp(why: string): void {
    this.#member.lost(why)
    if (this.#stopped) return
    this.#sayGoodbye(() => {})
    this.#name = newName(this.#parts.clock)
  }

  #beginAgain(): void {
    if (this.#stopped) return
    this.#again?.cancel()
    const begun = this.begin()
    const lease = this.#lease
    begun.catch(() => {
      // Lost while the store did not answer: another beginning is under way.
      if (this.#stopped || lease !== this.#lease) return
      lease?.stop()
      // It may have joined all the same, and been given sagas whose steps it could not call.
      this.#giveUp('the store did not say that it has joined')
      this.#again = this.#parts.clock.timer(pauseBeforeJoin, () => this.#beginAgain())
    })
  }
}
