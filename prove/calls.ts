/**
 * What a call must be at the moment at which it is made: P3, P5, P6, and what it is told.
 *
 * Invariant: judged by what the store has applied and by what stands at the services, in the order in which it happened.
 */
import type { Call } from '#dist/core/decide.js'
import { needsUndo } from '#dist/core/index.js'
import type { StepState } from '#dist/core/state.js'
import type { Machine } from './machine.js'
import type { Complain, Mirror } from './mirror.js'
import type { Observer } from './observer.js'
import type { Service } from './service.js'

/** What a step is told, whichever function is called. */
export interface Told {
  readonly sagaId: string
  readonly step: string
  readonly attempt: number
  readonly token: number
  readonly idempotencyKey: string
  readonly commitKey?: string
  readonly output?: unknown
  readonly outputs: Readonly<Record<string, unknown>>
  readonly signal: AbortSignal
  readonly deadline: number
}

export interface Scene {
  readonly observer: Observer
  readonly complain: Complain
  serviceOf(sagaId: string, step: string): Service
  /** It took effect when nobody waited for it any more. */
  landedLate(sagaId: string, step: string): boolean
}

export class CallJudge {
  readonly #scene: Scene
  readonly #seen = new Set<string>()
  /** Calls made by a process that had been superseded: it wastes an attempt. */
  wasted = 0

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** A call begins. Returns whether its owner is the present one. */
  begins(kind: Call['kind'], machine: Machine, told: Told): boolean {
    const { observer } = this.#scene
    const mirror = observer.byId.get(told.sagaId)
    const what = `${told.sagaId}: ${kind} of ${told.step} #${told.attempt}`
    const complain: Complain = (promise, why) => this.#scene.complain(promise, `${what} ${why}`)
    if (!mirror) {
      complain('P1', 'is of a saga that is not stored')
      return false
    }
    if (machine.isDead || machine.isFrozen) complain('simulator', 'was made by a process that does not run')
    const isOwner = this.#judgeToken(mirror, machine, told, complain)
    if (kind !== 'verify') {
      const name = `${mirror.n} ${told.step} ${kind} ${told.attempt}`
      if (this.#seen.has(name)) complain('P5', 'was made twice')
      this.#seen.add(name)
    }
    this.#judgeKeys(kind, mirror, told, complain)
    const index = mirror.plan.steps.findIndex(({ name }) => name === told.step)
    const step = mirror.state.steps[index]
    if (!step) {
      if (isOwner) complain('P3', `names no step of ${mirror.plan.shape}`)
      return isOwner
    }
    if (isOwner) this.#judgeOwn(kind, mirror, index, step, told, complain)
    else if ((kind === 'commit' ? step.attempts : step.undoAttempts) < told.attempt && kind !== 'verify')
      complain('P5', 'was made before its intent was stored')
    return isOwner
  }

  #judgeToken(mirror: Mirror, machine: Machine, { token }: Told, complain: Complain): boolean {
    const given = this.#scene.observer.tokens.get(token)
    if (given?.n !== mirror.n) complain('P6', `has token ${token}, which is not of this saga`)
    else if (given.pid !== machine.pid) complain('P6', `has token ${token} of process ${given.pid}`)
    if (token === mirror.token) return true
    this.wasted++
    // Its monotonic clock has told it that its lease is nearly out, unless that clock stood still.
    if (!machine.wasSuspended)
      complain('P6', `was made by a superseded owner: the token is ${mirror.token} by now`)
    return false
  }

  #judgeKeys(kind: Call['kind'], mirror: Mirror, told: Told, complain: Complain): void {
    const commitKey = `${mirror.uid}:${told.step}:commit`
    if (kind === 'commit' && told.idempotencyKey !== commitKey)
      complain('P4', `has the key ${told.idempotencyKey}`)
    if (kind === 'commit') return
    if (told.commitKey !== commitKey) complain('P4', `has the commit key ${told.commitKey}`)
  }

  #judgeOwn(
    kind: Call['kind'],
    mirror: Mirror,
    index: number,
    step: StepState,
    told: Told,
    complain: Complain,
  ): void {
    if (mirror.stage !== 'holding') complain('P7', `is made while the saga is ${mirror.stage}`)
    if (kind === 'commit') this.#judgeCommit(mirror, index, step, told, complain)
    else if (kind === 'rollback') this.#judgeRollback(mirror, index, step, told, complain)
    else if (!step.doubt) complain('P4', 'asks about a step that is not in doubt')
  }

  #judgeCommit(mirror: Mirror, index: number, step: StepState, told: Told, complain: Complain): void {
    const { state, plan } = mirror
    if (step.commit.is !== 'open' || step.commit.attempt !== told.attempt)
      complain('P5', `was made before its intent was stored: the step is ${step.commit.is}`)
    const position = plan.steps[index]?.position ?? 0
    if (state.position < position)
      complain('P3', `was made at position ${position}, the saga is at ${state.position}`)
    plan.steps.forEach((other, i) => {
      if (other.position >= position) return
      const is = state.steps[i]?.commit.is
      if (is === 'skipped') return
      const { stands, gave } = this.#scene.serviceOf(mirror.id, other.name)
      if (is !== 'committed' || !stands) complain('P3', `was made while ${other.name} before it is ${is}`)
      else if (!isEqual(told.outputs[other.name], state.steps[i]?.output) || !gave(told.outputs[other.name]))
        complain('P3', `was told another output of ${other.name} than its service gave`)
    })
  }

  #judgeRollback(mirror: Mirror, index: number, step: StepState, told: Told, complain: Complain): void {
    const { state, plan } = mirror
    const key = `${mirror.uid}:${told.step}:rollback${step.round > 1 ? `:${step.round}` : ''}`
    const isOpen = step.undo.is === 'open' && step.undo.attempt === told.attempt
    // An operator has said meanwhile that it is done.
    const byHand = says(mirror, 'resolved', told.step)
    if (!isOpen && !byHand)
      complain('P5', `was made before its intent was stored: the rollback is ${step.undo.is}`)
    if (isOpen && told.idempotencyKey !== key)
      complain('P4', `has the key ${told.idempotencyKey}, not ${key}`)
    if (!state.wayBack) complain('P3', 'was made before the decision to roll back')
    // What is stored may have changed since its intent: a late success brings an output.
    if (told.output !== undefined && !this.#scene.serviceOf(mirror.id, told.step).gave(told.output))
      complain('P4', 'was told an output that its service never gave')
    const position = plan.steps[index]?.position ?? 0
    plan.steps.forEach((other, i) => {
      const now = state.steps[i]
      if (!now || other.position < position) return
      if (now.commit.is === 'open') complain('P3', `was made while ${other.name} is still being called`)
      if (other.position === position || !other.hasRollback) return
      // It has been told since the intent was stored.
      if (this.#scene.landedLate(mirror.id, other.name) || says(mirror, 'late', other.name)) return
      if (needsUndo(now, other)) complain('P3', `was made before ${other.name} behind it was rolled back`)
      if (this.#scene.serviceOf(mirror.id, other.name).stands)
        complain('P3', `was made while the effect of ${other.name} behind it stands`)
    })
  }
}

const says = ({ chunks }: Mirror, type: 'resolved' | 'late', step: string): boolean =>
  chunks.some(({ entries }) => entries.some((entry) => entry.type === type && entry.step === step))

/** Outputs are JSON. */
const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
