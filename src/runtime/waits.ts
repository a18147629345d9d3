/**
 * Those who wait for the end of sagas: told at once by what runs here, by looking for what others run.
 *
 * Invariants
 * - Each waits for an answer exactly once; closing answers all that are left with `CLOSED`.
 * - Looking costs little however many wait: so many rows at a time, in turn.
 */
import { ClosedError } from '../core/errors.js'
import { isEnded } from '../core/index.js'
import type { Store } from '../store/store.js'
import type { Clock, Timer } from './clock.js'
import { type Ended, type OnEnd, type Outcome, outcomeOf, outcomeOfPruned } from './ending.js'
import { notFound } from './facts.js'
import type { SagaName } from './submitter.js'
import { stateOf } from './view.js'

interface Waiter {
  readonly resolve: (outcome: Outcome, ended?: Ended) => void
  readonly reject: (error: Error) => void
}

/** ms between two looks, and the rows of one. */
const lookInterval = 100
const rowsAtOnce = 250

export class Waits {
  readonly #store: Store
  readonly #clock: Clock
  readonly #runsHere: (n: number) => boolean
  readonly #waiting = new Map<number, { readonly id: string; readonly waiters: Waiter[] }>()
  #turn: number[] = []
  #timer: Timer | undefined
  #closed = false

  constructor(store: Store, clock: Clock, runsHere: (n: number) => boolean) {
    this.#store = store
    this.#clock = clock
    this.#runsHere = runsHere
  }

  /** `here`: it runs in this process, so its end need not be looked for. `onEnd` is called first, if it ends here. */
  wait(saga: SagaName, here: boolean, onEnd?: OnEnd): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const told = (outcome: Outcome, ended?: Ended): void => {
        if (ended) onEnd?.(ended)
        resolve(outcome)
      }
      this.add(saga, { resolve: told, reject }, here)
    })
  }

  add({ n, id }: SagaName, waiter: Waiter, here: boolean): void {
    if (this.#closed) return waiter.reject(closed())
    const known = this.#waiting.get(n)
    if (known) known.waiters.push(waiter)
    else this.#waiting.set(n, { id, waiters: [waiter] })
    if (!here) this.#lookSoon()
  }

  get waiting(): boolean {
    return this.#waiting.size > 0
  }

  isAwaited(n: number): boolean {
    return this.#waiting.has(n)
  }

  ended(n: number, outcome: Outcome, ended?: Ended): void {
    for (const { resolve } of this.#take(n)) resolve(outcome, ended)
  }

  /** Somebody else has it now: its end must be looked for. */
  gone(): void {
    if (this.#waiting.size > 0) this.#lookSoon()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const { waiters } of this.#waiting.values()) for (const { reject } of waiters) reject(closed())
    this.#waiting.clear()
  }

  #take(n: number): readonly Waiter[] {
    const waiters = this.#waiting.get(n)?.waiters ?? []
    this.#waiting.delete(n)
    return waiters
  }

  #lookSoon(): void {
    if (this.#timer || this.#closed) return
    this.#timer = this.#clock.timer(lookInterval, () => {
      this.#timer = undefined
      this.#look().catch(() => this.#lookSoon())
    })
  }

  async #look(): Promise<void> {
    if (this.#turn.length === 0) this.#turn = [...this.#waiting.keys()]
    const numbers = this.#turn.splice(0, rowsAtOnce).filter((n) => this.#waiting.has(n) && !this.#runsHere(n))
    const rows = numbers.length > 0 ? await this.#store.rows(numbers) : []
    const stages = new Map(rows.map(({ n, stage }) => [n, stage]))
    for (const n of numbers) {
      const stage = stages.get(n)
      if (stage === undefined || stage === 'done') await this.#readEnd(n, stage !== undefined)
    }
    for (const n of this.#waiting.keys()) {
      if (this.#runsHere(n)) continue
      this.#lookSoon()
      return
    }
  }

  /** What has no row has ended too, and was pruned: its tombstone is found by its id. */
  async #readEnd(n: number, hasRow: boolean): Promise<void> {
    const id = this.#waiting.get(n)?.id
    if (id === undefined) return
    const outcome = await readOutcome(this.#store, { n, id })
    if (outcome) return this.ended(n, outcome)
    if (!hasRow) for (const { reject } of this.#take(n)) reject(notFound(id))
  }
}

const closed = (): ClosedError => new ClosedError('the wait for the end of the saga is over')

/** As its journal, or its tombstone, says; undefined while it has not ended. */
export async function readOutcome(store: Store, { n, id }: SagaName): Promise<Outcome | undefined> {
  const saga = (await store.find({ n })) ?? (await store.find({ id }))
  if (!saga || !('chunks' in saga)) return saga && outcomeOfPruned(saga)
  const state = stateOf(saga)
  return isEnded(state) ? outcomeOf(saga.id, state) : undefined
}
