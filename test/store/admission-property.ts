/**
 * Random histories, judged by the model: nothing starts that may not, and once the workers have claimed all they can,
 * nothing is left that may (no lost wake-up).
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { DefinitionRef, Store } from '#dist/store/store.js'
import { committedEntry, Desk, endedEntry, type Known, order, refund, summaryOf, trip } from './desk.js'
import { Model, type ModelSaga } from './model.js'

const definitions = [trip, order, refund]
const workers = ['a', 'b']

type Move =
  | {
      readonly do: 'submit'
      readonly definition: number
      readonly keys: readonly string[] | null
      readonly start: boolean
    }
  | { readonly do: 'end' | 'cancel' | 'stick' | 'park' | 'late' | 'rebind'; readonly pick: number }
  | { readonly do: 'join'; readonly worker: number; readonly offers: readonly number[] }
  | { readonly do: 'leave'; readonly worker: number }
  | { readonly do: 'settle' }
  | { readonly do: 'claim'; readonly worker: number; readonly limit: number }

const keys = fc.oneof(
  { weight: 6, arbitrary: fc.uniqueArray(fc.constantFrom('p', 'q', 'r', 's'), { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constant(null) },
)
const pick = fc.nat({ max: 1_000 })
const worker = fc.nat({ max: workers.length - 1 })

const anyMove: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      definition: fc.nat({ max: 2 }),
      keys,
      start: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('end' as const), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('cancel' as const, 'park' as const, 'late' as const, 'rebind' as const),
      pick,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('stick' as const), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('join' as const),
      worker,
      offers: fc.uniqueArray(fc.nat({ max: 2 }), { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), worker }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      worker,
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
)

export const anyHistory = fc.array(anyMove, { minLength: 5, maxLength: 80 })

interface Both {
  readonly known: Known
  readonly model: ModelSaga
}

export class History {
  readonly #desk: Desk
  readonly #model = new Model()
  readonly #sagas = new Map<number, Both>()
  readonly #names: readonly string[]
  readonly #generations = workers.map(() => 0)
  started = 0
  waited = 0

  constructor(store: Store, run: string) {
    this.#desk = new Desk(store)
    this.#names = workers.map((name) => `${run}-${name}`)
  }

  async play(moves: readonly Move[]): Promise<void> {
    await this.#join(0, [0, 1])
    for (const move of moves) {
      await this.#make(move)
      expect(this.#model.overlaps()).toEqual([])
    }
    await this.#settle()
    expect((await this.#desk.store.health(true)).problems).toEqual([])
  }

  #name(i: number): string {
    return `${this.#names[i]}-${this.#generations[i]}`
  }

  async #make(move: Move): Promise<void> {
    switch (move.do) {
      case 'submit':
        return this.#submit(move.definition, move.keys, move.start)
      case 'join':
        return this.#join(move.worker, move.offers)
      case 'leave':
        return this.#leave(move.worker)
      case 'settle':
        return this.#settle()
      case 'claim':
        await this.#claim(move.worker, move.limit)
        return
      default:
        return this.#change(move.do, move.pick)
    }
  }

  async #submit(index: number, wanted: readonly string[] | null, start: boolean): Promise<void> {
    const definition = definitions[index] as DefinitionRef
    const starter = start
      ? [...this.#model.workers].find(([, offers]) => offers.includes(definition))?.[0]
      : undefined
    const known = await this.#desk.submit({
      definition,
      keys: wanted,
      ...(starter === undefined ? {} : { start: starter }),
    })
    const model: ModelSaga = { n: known.n, definition, keys: wanted, stage: 'waiting', stuck: false }
    this.#model.sagas.push(model)
    this.#sagas.set(known.n, { known, model })
    if (known.token !== null) this.#start(model)
    else if (starter !== undefined) this.waited++
  }

  #start(model: ModelSaga): void {
    expect(this.#model.mayStart(model), `saga ${model.n} may not start`).toBe(true)
    model.stage = 'holding'
    this.started++
  }

  async #join(i: number, offers: readonly number[]): Promise<void> {
    const refs = offers.map((index) => definitions[index] as DefinitionRef)
    await this.#desk.join(this.#name(i), refs)
    this.#model.workers.set(this.#name(i), refs)
  }

  async #leave(i: number): Promise<void> {
    await this.#desk.leave(this.#name(i))
    this.#model.workers.delete(this.#name(i))
    const generation = this.#generations[i] ?? 0
    this.#generations[i] = generation + 1
  }

  async #claim(i: number, limit: number): Promise<number> {
    const name = this.#name(i)
    const offers = this.#model.workers.get(name)
    if (!offers) return 0
    const { sagas, dueIn } = await this.#desk.claimed(name, limit)
    expect(sagas.length).toBeLessThanOrEqual(limit)
    for (const { saga, token } of sagas) {
      const both = this.#sagas.get(saga.n)
      if (!both) continue
      expect(offers).toContainEqual(saga.definition)
      if (both.model.stage === 'waiting') this.#start(both.model)
      expect(saga.stage).toBe('holding')
      both.known.token = token
      both.known.seq = saga.chunks.length - 1
    }
    return sagas.length > 0 || dueIn === 0 ? 1 : 0
  }

  async #change(what: 'end' | 'cancel' | 'stick' | 'park' | 'late' | 'rebind', pick: number): Promise<void> {
    const from = what === 'cancel' ? 'waiting' : what === 'late' ? 'done' : 'holding'
    const all =
      what === 'rebind' ? this.#model.sagas.filter(({ stage }) => stage !== 'done') : this.#model.in(from)
    const model = all[pick % Math.max(1, all.length)]
    const known = model && this.#sagas.get(model.n)?.known
    if (!model || !known) return
    if (what === 'end') {
      await this.#desk.end(known)
      model.stage = 'done'
      model.stuck = false
    } else if (what === 'cancel') {
      await this.#desk.add(known, [endedEntry], summaryOf({ status: 'rolled_back', stage: 'done' }), null)
      model.stage = 'done'
      model.stuck = false
    } else if (what === 'stick') {
      model.stuck = !model.stuck
      await this.#desk.setStuck(known, model.stuck)
    } else if (what === 'park') {
      await this.#desk.add(known, [committedEntry()], summaryOf({ dueIn: 0, stuck: model.stuck }))
    } else if (what === 'late') {
      await this.#desk.add(
        known,
        [committedEntry()],
        summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 }),
        null,
      )
      model.stage = 'waiting'
    } else {
      const definition = definitions[pick % definitions.length] as DefinitionRef
      const summary = summaryOf({ stage: model.stage, status: 'running', stuck: model.stuck, definition })
      await this.#desk.add(known, [committedEntry()], summary, null)
      ;(model as { definition: DefinitionRef }).definition = definition
    }
  }

  /** The workers claim all that they can; then nothing may be left that may start. */
  async #settle(): Promise<void> {
    for (let going = 1; going > 0; ) {
      going = 0
      for (const i of workers.keys()) going += await this.#claim(i, 10)
    }
    for (const model of this.#model.in('waiting')) {
      if (this.#model.isBlocked(model)) continue
      expect(this.#model.mayStart(model), `saga ${model.n} may start, and nobody is told`).toBe(false)
      await this.#checkObstacles(model)
    }
    for (const { known, model } of this.#sagas.values()) {
      const { stage, stuck, blocked } = await this.#desk.find(known)
      expect({ stage, stuck, blocked }).toEqual({
        stage: model.stage,
        stuck: model.stuck,
        blocked: this.#blocked(model),
      })
    }
  }

  #blocked(model: ModelSaga): boolean {
    return model.stage !== 'done' && this.#model.isBlocked(model)
  }

  /** What a waiting saga is said to wait for is there, in its way, and reserves or holds. */
  async #checkObstacles(model: ModelSaga): Promise<void> {
    const obstacles = await this.#desk.store.obstacles(model.n, 10)
    expect(obstacles.length).toBeGreaterThan(0)
    for (const { n, stage } of obstacles) {
      const other = this.#sagas.get(n)?.model
      expect(other && this.#model.conflict(model, other)).toBe(true)
      expect(other?.stage).toBe(stage)
      if (other?.stage === 'waiting') expect(other.n < model.n && this.#model.reserves(other)).toBe(true)
    }
  }
}
