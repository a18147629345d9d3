/**
 * Those who submit: each wants one saga to be stored, and asks again, anywhere, until somebody says that it is. Then it waits for the end.
 *
 * Invariants
 * - A client knows only what it was told. What it was told must be true at that moment, and stay so (P1, P2).
 */
import { ClosedError, SagaConflictError, type SagaHandle, SagaRolledBackError } from 'backstep'
import type { State } from '#dist/core/state.js'
import type { Input } from './code.js'
import { Dice } from './dice.js'
import type { Faults } from './faults.js'
import type { Observer } from './observer.js'
import type { Place, Running } from './place.js'
import type { SagaPlan } from './setting.js'
import type { Timeline } from './timeline.js'
import type { Trace } from './trace.js'

/** Who hears nothing for so long asks somebody else, in ms. */
const patience = 1_000

export interface ClientScene {
  readonly seed: number
  readonly timeline: Timeline
  readonly faults: Faults
  readonly trace: Trace
  readonly observer: Observer
  readonly places: readonly Place[]
  complain(promise: string, what: string): void
  /** Whether the service of this step has ever given this. */
  gave(sagaId: string, step: string, output: unknown): boolean
  /** The saga is stored, as somebody was told. */
  stored(saga: SagaPlan): void
}

export class Client {
  readonly saga: SagaPlan
  isStored = false
  /** Order of events: the first call, and the first answer. */
  calledAt = 0
  storedAt = Number.POSITIVE_INFINITY
  answers: string[] = []
  readonly #scene: ClientScene
  readonly #dice: Dice
  readonly #input: Input

  constructor(saga: SagaPlan, scene: ClientScene) {
    this.saga = saga
    this.#scene = scene
    this.#dice = new Dice(scene.seed, 'client', saga.number)
    this.#input = { keys: saga.keys, number: saga.number }
    scene.timeline.in(saga.at, () => this.#begin())
  }

  #begin(): void {
    this.#ask()
    if (this.#scene.faults.at('duplicate', this.saga.id)) this.#ask()
  }

  #ask(): void {
    if (this.isStored) return
    const { timeline } = this.#scene
    const running = this.#somebody()
    if (!running) {
      timeline.in(20 + this.#dice.next() * 60, () => this.#ask())
      return
    }
    this.calledAt ||= timeline.turns
    let over = false
    const again = (ms: number): void => {
      if (over) return
      over = true
      timeline.in(ms, () => this.#ask())
    }
    this.#submit(running, this.#input).then(
      (handle) => {
        over = true
        this.#told(handle, running)
      },
      (error: unknown) => {
        if (error instanceof SagaConflictError)
          this.#scene.complain('P1', `${this.saga.id}: ${error.message}`)
        again(20 + this.#dice.next() * 60)
      },
    )
    timeline.in(patience, () => again(0))
  }

  #submit({ definitions, orchestrator, machine }: Running, input: Input): Promise<SagaHandle<unknown>> {
    const { id, family, deadline } = this.saga
    const name = `saga-${family}`
    const [first, second] = [definitions.get(`${name}@1`), definitions.get(`${name}@2`)]
    const definition = first && second ? (this.#dice.chance(0.8) ? first : second) : (first ?? second)
    if (!definition) throw new Error('nobody knows it here')
    this.#scene.trace.add(machine.pid, () => `is asked to submit ${id}`)
    return orchestrator.submit(definition, input, { id, ...(deadline === undefined ? {} : { deadline }) })
  }

  #somebody(): Running | undefined {
    const name = `saga-${this.saga.family}`
    const able = this.#scene.places.flatMap(({ running }) =>
      running &&
      !running.machine.isFrozen &&
      [...running.definitions.keys()].some((key) => key.startsWith(`${name}@`))
        ? [running]
        : [],
    )
    return able.length > 0 ? this.#dice.pick(able) : undefined
  }

  #told(handle: SagaHandle<unknown>, running: Running): void {
    const { timeline, observer, trace, complain } = this.#scene
    const { id } = this.saga
    trace.add(running.machine.pid, () => `has stored ${id}, as it says`)
    if (!observer.byId.has(id)) complain('P1', `${id} was acknowledged, and is not stored`)
    this.#await(handle)
    if (this.isStored) return
    this.isStored = true
    this.storedAt = timeline.turns
    this.#scene.stored(this.saga)
    if (this.#dice.chance(0.15)) this.#runAgain(running)
    if (this.#scene.faults.at('conflict', id)) timeline.in(this.#dice.next() * 500, () => this.#provoke())
  }

  /** The same saga once more, and waits for its end: nothing may run twice. */
  #runAgain({ definitions, orchestrator }: Running): void {
    const { id, family } = this.saga
    const definition = definitions.get(`saga-${family}@1`)
    if (!definition) return
    orchestrator.run(definition, this.#input, { id, wait: 60_000 }).then(
      (outputs) => this.#ended('committed', outputs as Readonly<Record<string, unknown>>),
      (error: unknown) => {
        if (error instanceof SagaRolledBackError) this.#ended('rolled_back', undefined)
        else if (error instanceof SagaConflictError) this.#scene.complain('P1', `${id}: ${error.message}`)
        else this.#failed(error)
      },
    )
  }

  /** The same id, and other input. */
  #provoke(): void {
    const running = this.#somebody()
    if (!running) return
    const { id } = this.saga
    this.#submit(running, { ...this.#input, number: -1 }).then(
      () => this.#scene.complain('P1', `${id} was submitted with other input, and accepted`),
      () => {},
    )
  }

  #await(handle: SagaHandle<unknown>): void {
    handle.outcome().then(
      (outcome) => {
        const isWhole = outcome.status === 'committed' && !outcome.pruned
        this.#ended(
          outcome.status,
          isWhole ? (outcome.outputs as Readonly<Record<string, unknown>>) : undefined,
        )
      },
      (error: unknown) => {
        if (!(error instanceof ClosedError)) this.#failed(error)
      },
    )
  }

  /** What somebody was told of its end. */
  #ended(told: 'committed' | 'rolled_back', outputs: Readonly<Record<string, unknown>> | undefined): void {
    const { complain, observer, trace } = this.#scene
    const { id } = this.saga
    trace.add(0, () => `the client of ${id} is told: ${told}`)
    const state = observer.byId.get(id)?.state
    if (outputs && state) this.#judgeOutputs(outputs, state)
    // A commit may have landed late just now: what was answered stands all the same.
    if (state?.status !== told && !(state?.status === 'rolling_back' && told === 'rolled_back'))
      complain('P2', `a client was told that ${id} is ${told} while it is ${state?.status}`)
    this.answers.push(told)
  }

  #judgeOutputs(outputs: Readonly<Record<string, unknown>>, state: State): void {
    const { complain, gave } = this.#scene
    const { id } = this.saga
    for (const [index, { name }] of state.plan.steps.entries()) {
      const step = state.steps[index]
      const isStored = JSON.stringify(outputs[name]) === JSON.stringify(step?.output)
      if (!isStored || (step?.commit.is !== 'skipped' && !gave(id, name, outputs[name])))
        complain('P2', `a client was told another output of ${id}.${name} than its service gave`)
    }
  }

  #failed(error: unknown): void {
    // A read of the store failed: ask again, as a client would.
    this.#scene.trace.add(0, () => `the client of ${this.saga.id} waits in vain: ${String(error)}`)
  }
}
