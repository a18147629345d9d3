/**
 * The store as one process sees it: slow, lossy, and sometimes not there.
 *
 * Invariants
 * - What the contract of store.ts promises holds all the same: writes are applied in the order of the calls (14), an error leaves
 *   the outcome unknown and nothing else does (2), nobody is promised one transaction, and the kinds may be sorted (1).
 * - A dead process is never answered.
 */
import type { ListFilter, OpenOptions, Result, Store, Write } from '#dist/store/store.js'
import type { Dice } from './dice.js'
import type { Fault, Faults, Kind } from './faults.js'
import type { Machine } from './machine.js'
import type { Timeline } from './timeline.js'
import type { Trace } from './trace.js'

export interface StoreScene {
  readonly timeline: Timeline
  readonly faults: Faults
  readonly trace: Trace
  /** ms that a call takes at most, there and back; 0: it is answered at once, as in this process. */
  readonly latency: number
  readonly poll: number
  /** Its clock is another machine's: those of the processes are wrong. */
  readonly hasSkew: boolean
  /** What a process has sent is applied even if it dies meanwhile. */
  readonly outlives: boolean
  /** Calls that take long, and are still under way. */
  readonly slow: { count: number }
  /** The store does not answer before then. */
  readonly outage: { until: number }
  saw(pid: number, writes: readonly Write[], results: readonly Result[]): void
  kill(machine: Machine, why: string): void
  /** `stood`: its monotonic clock does, too. */
  freeze(machine: Machine, dice: Dice, stood: boolean): void
  hint(machine: Machine): void
}

const order: Readonly<Record<Write['type'], number>> = {
  join: 0,
  renew: 0,
  leave: 0,
  append: 1,
  prune: 1,
  submit: 2,
  claim: 3,
}

export class ProcessStore implements Store {
  readonly address: string
  readonly durable: boolean
  readonly lease: number
  readonly poll: number
  declare readonly skew?: () => number
  listener: (() => void) | undefined
  isClosed = false
  readonly #inner: Store
  readonly #machine: Machine
  readonly #scene: StoreScene
  readonly #place: number
  #lastArrival = 0

  constructor(inner: Store, machine: Machine, place: number, scene: StoreScene) {
    this.#inner = inner
    this.#machine = machine
    this.#scene = scene
    this.#place = place
    this.address = inner.address
    this.durable = inner.durable
    this.lease = inner.lease
    this.poll = scene.poll
    if (scene.hasSkew) this.skew = () => -machine.skew + (machine.pid % 3) * 7
  }

  async open(_options?: OpenOptions): Promise<void> {}

  onHint(listener: () => void): void {
    this.listener = listener
  }

  find = (ref: { readonly n: number } | { readonly id: string }) => this.#read(() => this.#inner.find(ref))
  rows = (numbers: readonly number[]) => this.#read(() => this.#inner.rows(numbers))
  list = (filter: ListFilter) => this.#read(() => this.#inner.list(filter))
  owned = (worker: string) => this.#read(() => this.#inner.owned(worker))
  obstacles = (n: number, limit: number) => this.#read(() => this.#inner.obstacles(n, limit))
  definitions = (name: string) => this.#read(() => this.#inner.definitions(name))
  health = (thorough?: boolean) => this.#read(() => this.#inner.health(thorough))

  async close(): Promise<void> {
    this.isClosed = true
  }

  apply(writes: readonly Write[]): Promise<readonly Result[]> {
    const machine = this.#machine
    if (machine.isDead) return new Promise(() => {})
    if (this.isClosed) return Promise.reject(new Error('the store is closed'))
    if (this.#at('crash-before-write')) {
      this.#scene.kill(machine, 'before a write')
      return new Promise(() => {})
    }
    const slow = this.#at('slow-write')
    const isRenewal = writes.length === 1 && writes[0]?.type === 'renew'
    return this.#travel(slow, () => this.#arrived(writes), this.#at('slow-answer'), !isRenewal)
  }

  /** It has reached the store. */
  async #arrived(writes: readonly Write[]): Promise<readonly Result[]> {
    const { trace, timeline, outage } = this.#scene
    const { pid } = this.#machine
    if (outage.until > timeline.now || this.#at('write-not-made')) {
      trace.add(pid, () => `not written: ${writes.map(written).join(', ')}`)
      throw new Error('the store does not answer')
    }
    const partly = writes.length > 1 ? this.#at('partly-written') : undefined
    const made = partly ? writes.slice(0, partly.dice.whole(1, writes.length - 1)) : writes
    const results = await this.#make(made)
    trace.add(pid, () => made.map((write, i) => `${written(write)} → ${answered(results[i])}`).join('; '))
    if (this.#at('crash-after-write')) this.#scene.kill(this.#machine, 'after a write')
    this.#mayFreeze()
    if (partly || this.#at('answer-lost')) {
      trace.add(pid, () => 'its answer is lost')
      throw new Error('the answer was lost')
    }
    this.#scene.hint(this.#machine)
    return results
  }

  /** What it has written is in the store, and it hears of that when somebody else has taken over: a zombie. */
  #mayFreeze(): void {
    const stop = this.#at('stop-after-write')
    const freeze = stop ?? this.#at('suspend-after-write')
    if (freeze) this.#scene.freeze(this.#machine, freeze.dice, !stop)
  }

  async #make(writes: readonly Write[]): Promise<readonly Result[]> {
    const { pid } = this.#machine
    const sorts = writes.length > 1 && this.#at('sorted-by-kind')
    const sent = sorts ? writes.toSorted((a, b) => order[a.type] - order[b.type]) : writes
    const results = await this.#inner.apply(sent)
    this.#scene.saw(pid, sent, results)
    if (!sent.some(({ type }) => type === 'claim' || type === 'renew') && this.#at('sent-twice')) {
      const again = await this.#inner.apply(sent)
      this.#scene.saw(pid, sent, again)
      return sorts ? writes.map((write) => again[sent.indexOf(write)] as Result) : again
    }
    return sorts ? writes.map((write) => results[sent.indexOf(write)] as Result) : results
  }

  #read<T>(ask: () => Promise<T>): Promise<T> {
    const machine = this.#machine
    if (machine.isDead) return new Promise(() => {})
    if (this.isClosed) return Promise.reject(new Error('the store is closed'))
    const fails = this.#at('read-failed')
    const slow = this.#at('slow-read')
    const { outage, timeline } = this.#scene
    return this.#travel(
      undefined,
      () => (fails || outage.until > timeline.now ? Promise.reject(new Error('the read failed')) : ask()),
      slow,
      false,
    )
  }

  /** There, and back. */
  #travel<T>(
    there: Fault | undefined,
    act: () => Promise<T>,
    back: Fault | undefined,
    inOrder: boolean,
  ): Promise<T> {
    const { timeline, outlives, slow } = this.#scene
    const machine = this.#machine
    const [out, home] = [this.#delay(there), this.#delay(back)]
    const isSlow = there !== undefined || back !== undefined
    if (isSlow) slow.count++
    return new Promise((resolve, reject) => {
      const end = (): void => {
        if (isSlow) slow.count--
      }
      const answer = (give: () => void): void => {
        const arrive = (): void => {
          end()
          machine.deliver(give)
        }
        if (home === 0) arrive()
        else timeline.in(home, arrive)
      }
      const arrive = (): void => {
        if (machine.isDead && !outlives) return end()
        act().then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error as Error)),
        )
      }
      const at = inOrder ? Math.max(timeline.now + out, this.#lastArrival) : timeline.now + out
      if (inOrder) this.#lastArrival = at
      if (at <= timeline.now) arrive()
      else timeline.in(at - timeline.now, arrive)
    })
  }

  #delay(slow: Fault | undefined): number {
    if (slow) return this.#long(slow)
    return this.#scene.latency > 0 ? this.#machine.random() * this.#scene.latency : 0
  }

  /** Mostly some ms, sometimes longer than a lease. */
  #long({ dice }: Fault): number {
    return dice.next() * dice.pick([20, 20, 200, 2_500])
  }

  #at(kind: Kind): Fault | undefined {
    return this.#scene.faults.at(kind, this.#place)
  }
}

function written(write: Write): string {
  switch (write.type) {
    case 'submit':
      return `submit ${write.id}${write.start ? ' and start' : ''}`
    case 'append': {
      const entries = write.entries.map(({ type, ...about }) => `${type}${aboutText(about)}`).join(' + ')
      return `${write.replace ? 'overwrite' : 'append'} ${write.n}.${write.seq} (token ${write.token}) ${entries}`
    }
    case 'claim':
      return `claim ${write.limit}`
    case 'join':
      return `join, offering ${write.offers.map(({ name, version, shape }) => `${name}@${version} ${shape}`).join(', ')}`
    case 'prune':
      return `prune ${write.n}`
    default:
      return write.type
  }
}

function aboutText(about: Readonly<Record<string, unknown>>): string {
  const { step, direction, attempt, round, outcome, cause, nextAt, reason, status, answer } = about
  const parts = [
    step,
    direction,
    attempt && `#${String(attempt)}`,
    round && `round ${String(round)}`,
    outcome,
    cause,
    reason,
    status,
    answer,
  ]
  const said = parts.filter((part) => part !== undefined).map(String)
  if (typeof nextAt === 'number') said.push(`next at ${nextAt - Date.UTC(2026, 0, 1)}`)
  return said.length > 0 ? `(${said.join(' ')})` : ''
}

function answered(result: Result | undefined): string {
  if (!result) return 'no answer'
  if (result.type === 'claimed') {
    const sagas = result.sagas.map(({ saga, token }) => `${saga.id} (token ${token})`)
    return sagas.length > 0 ? sagas.join(', ') : 'nothing'
  }
  if (result.type !== 'applied' || result.n === undefined) return result.type
  return `number ${result.n}${result.token === undefined ? '' : `, token ${result.token}`}`
}
