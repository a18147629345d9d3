/**
 * One random history, judged by the model: nothing starts that may not, and once the workers have claimed all they can,
 * nothing is left that may (no lost wake-up).
 *
 * Invariant: the same moves on the same contract make the same history, also when some of them are left out: a move picks
 * among what is there, and does nothing where there is nothing.
 */
import type { DefinitionRef, Stage, Store } from '../../store/store.js'
import {
  committedEntry,
  Desk,
  endedEntry,
  type Known,
  mostEmptyClaims,
  order,
  refund,
  summaryOf,
  trip,
} from './desk.js'
import { atMost, contains, differs, holds, same } from './judge.js'
import { Model, ModelSaga } from './model.js'
import { type Change, definitions as definitionCount, type Move, workers as workerCount } from './moves.js'

const definitions = [trip, order, refund].slice(0, definitionCount)
const workers = ['a', 'b'].slice(0, workerCount)

/** In which stages a saga can be changed so. */
const changes: Readonly<Record<Change, readonly Stage[]>> = {
  end: ['holding'],
  cancel: ['waiting'],
  stick: ['holding'],
  park: ['holding'],
  late: ['done'],
  rebind: ['waiting', 'holding'],
}

interface Both {
  readonly known: Known
  readonly model: ModelSaga
}

export class History {
  readonly #desk: Desk
  readonly #model = new Model()
  readonly #sagas = new Map<number, Both>()
  readonly #generations = workers.map(() => 0)
  started = 0
  waited = 0

  constructor(store: Store) {
    this.#desk = new Desk(store)
  }

  async play(moves: readonly Move[]): Promise<void> {
    await this.#join(0, [0, 1])
    await this.#join(1, [1, 2])
    for (const move of moves) {
      await this.#make(move)
      same(this.#model.overlaps(), [], 'two sagas that share a key hold at the same time')
    }
    await this.#settle()
    same((await this.#desk.store.health(true)).problems, [])
  }

  #name(i: number): string {
    return `${workers[i]}-${this.#generations[i]}`
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
    const model = new ModelSaga(known.n, definition, wanted)
    this.#model.sagas.push(model)
    this.#sagas.set(known.n, { known, model })
    if (known.token !== null) this.#start(model)
    else if (starter !== undefined) this.waited++
  }

  #start(model: ModelSaga): void {
    holds(this.#model.mayStart(model), `saga ${model.n} was started, and may not start`)
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
    atMost(sagas.length, limit)
    for (const { saga, token } of sagas) {
      const both = this.#sagas.get(saga.n)
      if (!both) continue
      contains(offers, saga.definition)
      if (both.model.stage === 'waiting') this.#start(both.model)
      same(saga.stage, 'holding')
      both.known.token = token
      both.known.seq = saga.chunks.length - 1
    }
    return sagas.length > 0 || dueIn === 0 ? 1 : 0
  }

  async #change(what: Change, pick: number): Promise<void> {
    const all = this.#model.sagas.filter(({ stage }) => changes[what].includes(stage))
    const model = all[pick % Math.max(1, all.length)]
    const known = model && this.#sagas.get(model.n)?.known
    if (!model || !known) return
    switch (what) {
      case 'end':
        await this.#desk.end(known)
        return model.end()
      case 'cancel':
        await this.#desk.add(known, [endedEntry], summaryOf({ status: 'rolled_back', stage: 'done' }), null)
        return model.end()
      case 'stick':
        model.stuck = !model.stuck
        return this.#desk.setStuck(known, model.stuck)
      case 'park':
        return this.#desk.add(known, [committedEntry()], summaryOf({ dueIn: 0, stuck: model.stuck }))
      case 'late':
        return this.#late(known, model)
      case 'rebind':
        return this.#rebind(known, model, definitions[pick % definitions.length] as DefinitionRef)
    }
  }

  async #late(known: Known, model: ModelSaga): Promise<void> {
    const summary = summaryOf({ status: 'rolling_back', stage: 'waiting', late: true, dueIn: 0 })
    await this.#desk.add(known, [committedEntry()], summary, null)
    model.stage = 'waiting'
  }

  async #rebind(known: Known, model: ModelSaga, definition: DefinitionRef): Promise<void> {
    const { stage, stuck } = model
    const summary = summaryOf({ stage, status: 'running', stuck, definition })
    await this.#desk.add(known, [committedEntry()], summary, null)
    model.definition = definition
  }

  /** The workers claim all that they can; then nothing may be left that may start. */
  async #settle(): Promise<void> {
    let rounds = 0
    for (let going = 1; going > 0; rounds++) {
      holds(rounds < mostEmptyClaims, 'claims never say that there is nothing more')
      going = 0
      for (const i of workers.keys()) going += await this.#claim(i, 10)
    }
    for (const model of this.#model.in('waiting')) {
      if (this.#model.isBlocked(model)) continue
      holds(!this.#model.mayStart(model), `saga ${model.n} may start, and no claim gives it`)
      await this.#checkObstacles(model)
    }
    for (const { known, model } of this.#sagas.values()) {
      const { stage, stuck, blocked } = await this.#desk.find(known)
      const expected = { stage: model.stage, stuck: model.stuck, blocked: this.#blocked(model) }
      same({ stage, stuck, blocked }, expected, `saga ${model.n}`)
    }
  }

  #blocked(model: ModelSaga): boolean {
    return model.stage !== 'done' && this.#model.isBlocked(model)
  }

  /** What a waiting saga is said to wait for is there, in its way, and reserves or holds. */
  async #checkObstacles(model: ModelSaga): Promise<void> {
    const obstacles = await this.#desk.store.obstacles(model.n, 10)
    differs(obstacles, [], `saga ${model.n} waits for nothing`)
    for (const { n, stage } of obstacles) {
      const other = this.#sagas.get(n)?.model
      const what = `saga ${model.n} is said to wait for ${n}`
      holds(other && this.#model.conflict(model, other), `${what}, which is not in its way`)
      same(stage, other?.stage, what)
      if (other?.stage === 'waiting')
        holds(other.n < model.n && this.#model.reserves(other), `${what}, which does not reserve`)
    }
  }
}
