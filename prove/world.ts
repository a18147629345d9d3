/**
 * What a step's functions do when they are called: they reach a service, or they do not, in every way that can go wrong.
 *
 * Invariants
 * - What a call says is true: who says that it had no effect had none, who says nothing may have had one.
 * - At a plain service nothing lands once the process that called is gone, or has thrown: nobody could know of it, and only a barrier
 *   prevents it. At a service behind a barrier it lands.
 */
import { InDoubt, type Json, pending, Rejected } from 'backstep'
import { CallJudge, type Told } from './calls.js'
import { Dice } from './dice.js'
import type { Fault, Faults, Kind } from './faults.js'
import type { Machine } from './machine.js'
import { type Complain, longestPending } from './mirror.js'
import type { Observer } from './observer.js'
import { type Fence, Service, ServiceRefusal } from './service.js'
import type { Spec, StepSpec } from './shapes.js'
import type { Timeline } from './timeline.js'
import type { Trace } from './trace.js'

/** What a saga is made to be, beside its shape. */
export interface Character {
  /** Kills its process in each call of this direction. */
  readonly poison?: { readonly step: string; readonly direction: 'commit' | 'rollback' }
  /** The rollback of this step fails until everything is well again. */
  readonly stuck?: string
}

export interface WorldParts {
  readonly seed: number
  readonly timeline: Timeline
  readonly faults: Faults
  readonly observer: Observer
  readonly trace: Trace
  readonly complain: Complain
  kill(machine: Machine, why: string): void
}

/** ms that a call is given once its signal was aborted. */
export const grace = 40

interface At {
  readonly machine: Machine
  readonly step: StepSpec
  readonly told: Told
  readonly service: Service
  readonly dice: Dice
}

type Behaviour = (at: At, fault: Fault) => unknown

export class World {
  readonly judge: CallJudge
  readonly characters = new Map<string, Character>()
  /** Everything is well again: what was stuck or poisoned no longer is. */
  healed = false
  /** Calls whose end is still to come. */
  underWay = 0
  readonly #parts: WorldParts
  readonly #services = new Map<string, Service>()
  readonly #fences = new Map<string, Fence>()
  readonly #dice = new Map<string, Dice>()
  /** The process whose call landed last, where nobody waited for it any more. */
  readonly #lateBy = new Map<string, Machine>()
  /** Late successes that nobody has told the journal yet. */
  readonly #untold = new Set<string>()
  /** Late successes that a process could not tell, and said so. */
  readonly #lost = new Set<string>()
  readonly #kinds = new Map<string, 'plain' | 'barrier'>()
  calls = 0

  constructor(parts: WorldParts) {
    this.#parts = parts
    this.judge = new CallJudge({
      observer: parts.observer,
      complain: parts.complain,
      serviceOf: (id, step) => this.serviceOf(id, step),
      landedLate: (id, step) => this.#lateBy.has(`${id} ${step}`),
    })
  }

  serviceOf(sagaId: string, step: string): Service {
    const name = `${sagaId} ${step}`
    let service = this.#services.get(name)
    if (!service) {
      const fence = this.#fences.get(sagaId) ?? { token: 0 }
      this.#fences.set(sagaId, fence)
      service = new Service(this.#kinds.get(sagaId) === 'barrier', fence)
      this.#services.set(name, service)
    }
    return service
  }

  /** The effect stands because nobody could know of it: its process died before it could tell, or said that it could not. */
  isExcused(sagaId: string, step: string): boolean {
    const name = `${sagaId} ${step}`
    const machine = this.#lateBy.get(name)
    if (!machine || this.serviceOf(sagaId, step).isBarrier) return false
    return machine.isDead || this.#lost.has(name)
  }

  lostLate(sagaId: string, step: string): void {
    this.#lost.add(`${sagaId} ${step}`)
    this.toldLate(sagaId, step)
  }

  /** The journal says it. */
  toldLate(sagaId: string, step: string): void {
    this.#untold.delete(`${sagaId} ${step}`)
  }

  /** Whether a process is still to tell of a late success. */
  get isUntold(): boolean {
    for (const name of this.#untold) if (this.#lateBy.get(name)?.isDead === false) return true
    return false
  }

  // What is called

  commit(machine: Machine, spec: Spec, step: StepSpec, told: Told): unknown {
    if (machine.isDead) return never()
    const at = this.#begin('commit', machine, step, told)
    const { poison } = this.characters.get(told.sagaId) ?? {}
    if (poison?.direction === 'commit' && poison.step === step.name && !this.healed) {
      if (at.dice.chance(0.5)) quietly(() => this.#land(at))
      return this.#die(machine, `poisoned by ${told.sagaId}`)
    }
    for (const [kind, behave] of this.#commits) {
      if (kind === 'unstorable' && (spec.steps.length === 0 || step.pivot || step.pastPivot)) continue
      const fault = this.#parts.faults.at(kind, `${told.sagaId}.${step.name}`)
      if (fault) return behave(at, fault)
    }
    return this.#usual(at, () => this.#land(at))
  }

  rollback(machine: Machine, step: StepSpec, told: Told): unknown {
    if (machine.isDead) return never()
    const at = this.#begin('rollback', machine, step, told)
    const { poison, stuck } = this.characters.get(told.sagaId) ?? {}
    if (stuck === step.name && !this.healed) return this.#usual(at, () => fail('stuck'))
    if (poison?.direction === 'rollback' && poison.step === step.name && !this.healed)
      return this.#die(machine, `poisoned by ${told.sagaId}`)
    for (const [kind, behave] of this.#rollbacks) {
      const fault = this.#parts.faults.at(kind, `${told.sagaId}.${step.name}`)
      if (fault) return behave(at, fault)
    }
    return this.#usual(at, () => this.#undo(at))
  }

  verify(machine: Machine, step: StepSpec, told: Told): unknown {
    if (machine.isDead) return never()
    const at = this.#begin('verify', machine, step, told)
    const fault = this.#parts.faults.at('verify-unknown', `${told.sagaId}.${step.name}`)
    return this.#usual(at, () => {
      // Behind the pivot the step must commit: a service that refused its key for ever would make that impossible.
      const answer = at.service.verify(!fault && !step.pastPivot)
      this.#parts.trace.add(
        machine.pid,
        () => `${told.sagaId} ${step.name} verify: ${JSON.stringify(answer)}`,
      )
      return answer
    })
  }

  when(sagaId: string, step: StepSpec): boolean {
    if (this.#parts.faults.at('when-threw', `${sagaId}.${step.name}`)) throw new Error('the condition threw')
    return step.when === true
  }

  byHand(sagaId: string, step: string, as: 'rolled_back' | 'committed', output: Json | undefined): void {
    this.serviceOf(sagaId, step).byHand(as, output)
  }

  #begin(kind: 'commit' | 'rollback' | 'verify', machine: Machine, step: StepSpec, told: Told): At {
    this.calls++
    this.#kinds.set(told.sagaId, step.service)
    const { trace } = this.#parts
    trace.add(
      machine.pid,
      () => `${told.sagaId} ${step.name} ${kind} #${told.attempt} (token ${told.token}) begins`,
    )
    this.judge.begins(kind, machine, told)
    return {
      machine,
      step,
      told,
      service: this.serviceOf(told.sagaId, step.name),
      dice: this.#diceOf(told.sagaId),
    }
  }

  #diceOf(sagaId: string): Dice {
    const dice = this.#dice.get(sagaId) ?? new Dice(this.#parts.seed, 'calls', sagaId)
    this.#dice.set(sagaId, dice)
    return dice
  }

  // How it goes

  readonly #commits: readonly (readonly [Kind, Behaviour])[] = [
    ['crash-in-call', (at, fault) => this.#dieWith(at, fault, () => this.#land(at))],
    ['rejected', (at) => this.#usual(at, () => fail('rejected'))],
    [
      'refused',
      (at) =>
        this.#usual(at, () => {
          throw new Rejected('refused')
        }),
    ],
    [
      'in-doubt',
      (at, { dice }) =>
        this.#usual(at, () => {
          if (dice.chance(0.6)) this.#landUntold(at)
          throw dice.chance(0.5)
            ? new InDoubt('nobody knows')
            : Object.assign(new Error('lost'), { code: 'ECONNRESET' })
        }),
    ],
    ['hang', (at, fault) => this.#hang(at, fault, () => this.#landUntold(at))],
    [
      'late',
      (at, { dice }) =>
        this.#answer(
          at,
          at.step.timeout + dice.next() * (dice.chance(0.5) ? grace : 4 * at.step.timeout),
          dice,
          () => this.#land(at),
        ),
    ],
    ['slow', (at, { dice }) => this.#answer(at, dice.next() * at.step.timeout, dice, () => this.#land(at))],
    [
      'pending',
      (at, { dice }) =>
        this.#usual(at, () => {
          if (dice.chance(0.4)) this.#land(at)
          return pending({ checkAfter: Math.floor(dice.next() * longestPending) })
        }),
    ],
    [
      'unstorable',
      (at) =>
        this.#usual(at, () => {
          this.#landUntold(at)
          return 10n
        }),
    ],
  ]

  readonly #rollbacks: readonly (readonly [Kind, Behaviour])[] = [
    ['crash-in-call', (at, fault) => this.#dieWith(at, fault, () => this.#undo(at))],
    [
      'rollback-failed',
      (at, { dice }) =>
        this.#usual(at, () => {
          if (dice.chance(0.4)) this.#undo(at)
          return fail('not yet')
        }),
    ],
    ['rollback-hang', (at, fault) => this.#hang(at, fault, () => this.#undo(at))],
    [
      'rollback-late',
      (at, { dice }) =>
        this.#answer(at, at.step.timeout * (0.5 + 2 * dice.next()), dice, () => this.#undo(at)),
    ],
    [
      'rollback-pending',
      (at, { dice }) =>
        this.#usual(at, () => pending({ checkAfter: Math.floor(dice.next() * longestPending) })),
    ],
  ]

  /** Quickly, and often at once. */
  #usual(at: At, act: () => unknown): unknown {
    if (at.dice.chance(0.4)) return act()
    return this.#answer(at, at.dice.next() * 15, undefined, act)
  }

  /** After so many ms the service does it; its answer reaches the process, if that is there. */
  #answer(at: At, ms: number, dice: Dice | undefined, act: () => unknown): Promise<unknown> {
    const { timeline } = this.#parts
    const { machine, told } = at
    const givesUp = dice?.chance(0.3) === true
    let isGivenUp = false
    let isAnswered = false
    this.underWay++
    return new Promise((resolve, reject) => {
      if (givesUp) {
        told.signal.addEventListener('abort', () => {
          // Its answer is here already, and is heard first: a process that was frozen finds both.
          if (isAnswered) return
          isGivenUp = true
          reject(told.signal.reason as Error)
        })
      }
      timeline.in(ms, () => {
        this.underWay--
        isAnswered = true
        if ((machine.isDead || isGivenUp) && !at.service.isBarrier) return
        try {
          const value = act()
          machine.deliver(() => resolve(value))
        } catch (error) {
          machine.deliver(() => reject(error as Error))
        }
      })
    })
  }

  #hang(at: At, { dice }: Fault, act: () => unknown): Promise<never> {
    if (dice.chance(0.5)) quietly(act)
    const { signal } = at.told
    return new Promise((_, reject) => {
      if (dice.chance(0.3)) signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }

  #dieWith(at: At, { dice }: Fault, act: () => unknown): Promise<never> {
    if (dice.chance(0.5)) quietly(act)
    return this.#die(at.machine, 'in a call')
  }

  #die(machine: Machine, why: string): Promise<never> {
    this.#parts.kill(machine, why)
    return new Promise(() => {})
  }

  /** It takes effect, or the barrier refuses it; and nobody will be told that it did. */
  #landUntold(at: At): void {
    this.#land(at)
    const name = `${at.told.sagaId} ${at.step.name}`
    if (!this.#untold.delete(name)) return
    // Whoever was superseded cannot even say that it is in doubt.
    this.#lost.add(name)
  }

  /** It takes effect, or the barrier refuses it. */
  #land({ machine, told, step, service }: At): Json {
    const { observer, trace } = this.#parts
    const output = service.commit(told.token, { by: told.attempt })
    const mirror = observer.byId.get(told.sagaId)
    const now = mirror?.state.steps[mirror.plan.steps.findIndex(({ name }) => name === step.name)]
    const isAwaited =
      mirror?.token === told.token && now?.commit.is === 'open' && now.commit.attempt === told.attempt
    const name = `${told.sagaId} ${step.name}`
    if (isAwaited) this.#lateBy.delete(name)
    else if (now?.commit.is !== 'committed' || mirror?.state.wayBack) {
      this.#lateBy.set(name, machine)
      this.#untold.add(name)
    }
    trace.add(
      machine.pid,
      () => `${name} #${told.attempt} lands${isAwaited ? '' : ', and nobody waits for it'}`,
    )
    return output
  }

  #undo({ machine, told, step, service }: At): void {
    service.rollback(told.idempotencyKey, told.token)
    this.#parts.trace.add(machine.pid, () => `${told.sagaId} ${step.name} is undone (${told.idempotencyKey})`)
  }
}

/** Killed by the call before: this one was never made. */
const never = (): Promise<never> => new Promise(() => {})

function fail(message: string): never {
  throw new Error(message)
}

function quietly(act: () => unknown): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof ServiceRefusal)) throw error
  }
}
