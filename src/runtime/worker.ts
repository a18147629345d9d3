/**
 * The worker: claims sagas and runs at most `concurrency` of them at once.
 *
 * Invariants
 * - Memory is bounded by what runs here; the queue and all that waits lives in the store.
 * - Nothing waits for a poll that this process could know of: a place that is given back asks for the next saga in the same flush.
 * - A saga whose step has twice been open when a process died runs with nothing beside it, so that no innocent one is blamed
 *   for the third time (P8).
 * - When the lease is lost everything stops, nothing more is written, and the worker begins anew under another name.
 */
import { type Call, isStuck, planOfShape, release, replay, suspected } from '../core/index.js'
import type { Logger } from '../definition/context.js'
import type { Definition } from '../definition/definition.js'
import type { Claimed, Result, Store, StoredSaga } from '../store/store.js'
import type { Clock, Timer } from './clock.js'
import { type Begun, type Departure, Execution, type Host } from './execution.js'
import type { GroupCommit } from './group-commit.js'
import { takenForDead } from './lease.js'
import { Membership } from './membership.js'
import type { Registry } from './registry.js'

/** How often an idle worker looks for what others submitted, in ms; half of it is jitter. */
const usualPoll = 200
/** A hint wakes the whole fleet: who asks first takes what there is, and the others find the queue empty without a crowd. */
const hintJitter = 10

/** What the store may take to hear what is given up, in ms. */
const longestGoodbye = 2_000

/** What a worker needs of the orchestrator around it, and tells it. */
export type Surroundings = Omit<
  Host,
  'mayCall' | 'around' | 'leaving' | 'staying' | 'left' | 'giveBack' | 'definitionOf'
> & {
  readonly store: Store
  readonly registry: Registry
  readonly log: Logger
  /** An execution left; `lost` ones go on elsewhere. */
  departed(execution: Execution, how: Departure): void
  /** The functions of a bare list are no longer needed. */
  forgetList(uid: string): void
  leaseLost(worker: string, running: number, why: string): void
  readonly calls: Pick<Host, 'around'>
}

export interface WorkerOptions {
  readonly concurrency: number
  /** ms. */
  readonly lease: number
}

export class Worker implements Host {
  readonly clock: Clock
  readonly commits: GroupCommit
  readonly grace: number
  readonly find: Host['find']
  readonly recorded: Host['recorded']
  readonly stuck: Host['stuck']
  readonly landedLate: Host['landedLate']
  readonly logFor: Host['logFor']
  readonly refused: Host['refused']
  readonly #around: Surroundings
  readonly #concurrency: number
  readonly #membership: Membership
  readonly #running = new Map<number, Execution>()
  /** Places promised to submits that start at once, and to sagas that the claim under way may bring. */
  #reserved = 0
  /** Executions whose last write is under way: their places are free as soon as it lands. */
  readonly #leaving = new Set<Execution>()
  #suspects: Execution[] = []
  #alone: Execution | undefined
  #claiming = false
  #claimAgain = false
  #backlog = true
  #adopt = false
  #adopting = false
  #unoffered = false
  #wake: Timer | undefined
  #stopped = false
  #releasing = false
  #idle: (() => void) | undefined

  constructor(around: Surroundings, { concurrency, lease }: WorkerOptions) {
    this.#around = around
    this.#concurrency = concurrency
    this.#membership = new Membership(around, lease, {
      joined: () => this.claim(),
      lost: (why) => this.#lost(why),
    })
    this.clock = around.clock
    this.commits = around.commits
    this.grace = around.grace
    this.find = around.find
    this.recorded = around.recorded
    this.stuck = around.stuck
    this.landedLate = around.landedLate
    this.logFor = around.logFor
    this.refused = around.refused
  }

  /** Its name in the store. */
  get id(): string {
    return this.#membership.name
  }

  /** Joins the store and begins to claim. Throws StoreError if the store does not answer. */
  start(): Promise<void> {
    return this.#membership.begin()
  }

  /** There may be something to claim: not later than a moment from now, instead of at the next poll. */
  hinted(): void {
    if (this.#stopped || this.#free() <= 0) return
    // What the claim under way has looked at may be older than the hint.
    if (this.#claiming) this.#claimAgain = true
    else this.#sleep(this.clock.random() * hintJitter)
  }

  /** What this process runs has grown. The order of writes makes it known before whatever is submitted next. */
  offer(): void {
    // Before the start there is nothing to add to: the first join offers everything.
    if (this.#stopped || !this.#membership.hasBegun) return
    this.#unoffered = false
    this.#membership.offer().then(
      () => this.claim(),
      (error: unknown) => {
        // Nobody else would ever offer it: the next claim does.
        this.#unoffered = true
        this.#around.log.warn({ event: 'join_failed', err: error }, 'offers not stored yet')
      },
    )
  }

  get runningCount(): number {
    return this.#running.size
  }

  runs(n: number): Execution | undefined {
    return this.#running.get(n)
  }

  // Places

  /** Takes a place for a saga that is about to be submitted; false if it has to queue. */
  reserve(): boolean {
    if (this.#stopped || this.#backlog || this.#free() <= 0 || !this.#membership.holds) return false
    this.#reserved++
    return true
  }

  /** It has to queue after all. `uncertain`: the answer was lost, so it may be ours and have nobody here. */
  unreserve(uncertain: boolean): void {
    this.#reserved--
    if (uncertain) this.#adopt = true
    if (this.#free() === 1) this.claim()
    this.#runSuspect()
    this.#checkIdle()
  }

  /** A submit that had reserved a place started at once; its calls, whose intents it holds, are made. */
  begin(definition: Definition, begun: Begun, calls: readonly Call[]): void {
    this.#reserved--
    if (this.#running.has(begun.n)) return
    const execution = new Execution(this, definition, begun)
    this.#running.set(begun.n, execution)
    if (this.#releasing) execution.release()
    else if (calls.length > 0) execution.begin(calls)
    else execution.resume()
  }

  #free(): number {
    if (this.#alone || this.#suspects.length > 0) return 0
    return this.#concurrency - this.#running.size - this.#reserved + this.#leaving.size
  }

  // Host

  get around(): Host['around'] {
    return this.#around.calls.around
  }

  mayCall(): boolean {
    return this.#membership.holds
  }

  definitionOf(saga: StoredSaga): Definition | undefined {
    const first = saga.chunks[0]?.entries[0]
    return this.#around.registry.find(saga.definition, first?.type === 'submitted' ? first.uid : '')
  }

  leaving(execution: Execution): void {
    this.#leaving.add(execution)
    this.claim()
  }

  staying(execution: Execution): void {
    this.#leaving.delete(execution)
  }

  left(execution: Execution, how: Departure): void {
    this.#leaving.delete(execution)
    this.#running.delete(execution.n)
    const wasAlone = this.#alone === execution
    if (wasAlone) this.#alone = undefined
    if (how === 'ended' && execution.definition.anonymous) this.#around.forgetList(execution.state.uid)
    this.#around.departed(execution, how)
    this.#runSuspect()
    if (how === 'lost' || wasAlone) this.claim()
    this.#checkIdle()
  }

  // Claims

  /** Asks for as many sagas as there are places, unless it is asking already. */
  claim(): void {
    if (this.#stopped || !this.#membership.holds) return
    if (this.#unoffered) this.offer()
    if (this.#claiming) {
      this.#claimAgain = true
      return
    }
    this.#claiming = true
    this.#claimAgain = false
    const free = Math.max(0, this.#free())
    // None where an answer was lost: first find what it gave. One where nothing was left: a claim keeps its places from submits.
    const limit = this.#adopt || this.#adopting ? 0 : this.#backlog ? free : Math.min(1, free)
    this.#reserved += limit
    const worker = this.id
    this.commits.add({ type: 'claim', worker, limit }, (result, error) => {
      this.#reserved -= limit
      this.#claiming = false
      // What a worker was given that has stopped meanwhile is free again as soon as it has left.
      if (this.#stopped) this.#checkIdle()
      else if (worker !== this.id) this.claim()
      else if (result?.type === 'claimed') this.#claimed(result, limit)
      else this.#unclaimed(result, error)
    })
  }

  #claimed(result: Result & { type: 'claimed' }, limit: number): void {
    for (const claimed of result.sagas) this.#runSafely(claimed)
    for (const n of result.noticed) this.#running.get(n)?.notice()
    this.#backlog = limit > 0 ? result.sagas.length === limit : this.#backlog
    this.#runSuspect()
    if (this.#adopt) void this.#adoptOwn()
    if (this.#claimAgain || (limit > 0 && result.sagas.length === limit)) {
      if (this.#free() > 0) return this.claim()
    }
    // Without a place there is no use in what is due: a place that is given back asks by itself. So does what looks for its own.
    this.#sleep(limit > 0 && this.#free() > 0 ? result.dueIn : null)
  }

  #unclaimed(result: Result | undefined, error: Error | undefined): void {
    if (result?.type === 'superseded') return this.#membership.lose(takenForDead)
    // Nobody knows whether the claim gave sagas: look for what is ours and does not run.
    if (error) this.#adopt = true
    this.#sleep(null)
  }

  #sleep(dueIn: number | null): void {
    if (this.#stopped) return
    this.#wake?.cancel()
    const half = (this.#around.store.poll ?? usualPoll) / 2
    const poll = half + this.clock.random() * half
    this.#wake = this.clock.timer(dueIn === null ? poll : Math.min(poll, dueIn), () => this.claim())
  }

  /** A journal that makes no sense (a newer version's, a damaged one) harms its own saga only: that one stays as it is. */
  #runSafely(claimed: Claimed): void {
    try {
      this.#run(claimed)
    } catch (err) {
      const { id, n } = claimed.saga
      this.#running.delete(n)
      this.#around.log.error({ event: 'unreadable', saga: id, err }, 'its journal cannot be understood')
    }
  }

  #run({ saga, token }: Claimed): void {
    const tail = saga.chunks.at(-1)
    if (!tail || this.#running.has(saga.n)) return
    const definition = this.definitionOf(saga)
    if (!definition) return this.giveBack(saga, token)
    const { status, stage, stuck, late } = saga
    const summary = { status, stage, stuck, late, dueIn: null }
    const state = replay(definition.plan, saga.chunks)
    const execution = new Execution(this, definition, { n: saga.n, id: saga.id, token, state, tail, summary })
    this.#running.set(saga.n, execution)
    if (suspected(state)) this.#suspects.push(execution)
    else execution.resume()
  }

  /** Owned, but with a definition that is not here (any more): somebody else may run it. */
  giveBack(saga: StoredSaga, token: number): void {
    const tail = saga.chunks.at(-1)
    if (!tail) return
    const { name, version, shape } = saga.definition
    const state = replay(planOfShape(name, version, shape), saga.chunks)
    const at = this.clock.now()
    const entries = release(state, at)
    const { status, stage, late } = saga
    const summary = { status, stage, stuck: isStuck(state), late, dueIn: 0 }
    const { keys } = state
    // With nothing to say it writes again what stands: a row changes only together with its journal.
    const chunk =
      entries.length > 0 ? { seq: tail.seq + 1, at, entries, replace: false } : { ...tail, replace: true }
    this.commits.add({ type: 'append', n: saga.n, token, ...chunk, summary, keys }, (result) => {
      // The journal has grown, or nobody knows: it is still ours, and nobody else would ever run it.
      if (result?.type !== 'applied' && result?.type !== 'superseded') this.#adopt = true
    })
  }

  #runSuspect(): void {
    const next = this.#suspects[0]
    if (!next || this.#alone || this.#stopped) return
    if (this.#running.size + this.#reserved > this.#suspects.length) return
    this.#suspects.shift()
    this.#alone = next
    next.resume()
  }

  /** Runs what is ours in the store and not here: what a claim or a submit gave whose answer was lost. Its notices were lost, too. */
  async #adoptOwn(): Promise<void> {
    if (this.#adopting) return
    this.#adopt = false
    this.#adopting = true
    for (const execution of this.#running.values()) execution.notice()
    await this.#ownUnrun().catch(() => {
      this.#adopt = true
    })
    this.#adopting = false
    // What was not found is looked for at the next poll.
    if (!this.#adopt) this.claim()
  }

  async #ownUnrun(): Promise<void> {
    const worker = this.id
    for (const { n, token } of await this.#around.store.owned(worker)) {
      // One that cannot be read does not stand before the others.
      const unread = (): undefined => {
        this.#adopt = true
      }
      const saga = this.#running.has(n) ? undefined : await this.find(n).catch(unread)
      if (this.#stopped || worker !== this.id) return
      if (saga && 'chunks' in saga && saga.token === token && saga.owner === worker)
        this.#runSafely({ saga, token })
    }
  }

  /** What runs here goes on elsewhere, or here under another name. */
  #lost(why: string): void {
    this.#around.leaseLost(this.id, this.#running.size, why)
    this.#suspects = []
    for (const execution of [...this.#running.values()]) execution.lose(why)
  }

  // The end

  /** Stops claiming; resolves once nothing runs any more, or after `drain` ms. Then what is left is given up. */
  async stop(drain: number): Promise<void> {
    this.#stopped = true
    this.#wake?.cancel()
    this.#membership.stop()
    for (const suspect of this.#suspects) suspect.lose('the process closes down')
    this.#suspects = []
    await this.#drained(drain)
    this.#releasing = true
    for (const execution of [...this.#running.values()]) execution.release()
    await this.#drained(longestGoodbye)
    for (const execution of [...this.#running.values()]) execution.lose('the process closes down')
    await this.#membership.leave()
  }

  /** Nothing runs here, and nothing under way can bring anything. */
  get #isIdle(): boolean {
    return this.#running.size === 0 && this.#reserved === 0
  }

  #checkIdle(): void {
    if (this.#isIdle) this.#idle?.()
  }

  #drained(within: number): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.clock.timer(within, resolve)
      this.#idle = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}
