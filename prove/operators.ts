/**
 * People who step in: cancel, retry, resolve, rebind, prune, at any moment, through any process.
 *
 * Invariant: what they are answered must be true of what is stored at that moment.
 */
import { BackstepError } from 'backstep'
import type { ClientScene } from './clients.js'
import { Dice } from './dice.js'
import type { Fault } from './faults.js'
import type { Mirror } from './mirror.js'
import type { Running } from './place.js'
import type { SagaPlan } from './setting.js'

export class People {
  readonly #scene: ClientScene
  readonly #dice: Dice
  /** What they were answered, by kind of wish and answer. */
  readonly answers = new Map<string, number>()

  constructor(scene: ClientScene) {
    this.#scene = scene
    this.#dice = new Dice(scene.seed, 'people')
    this.#tick()
  }

  /** Somebody may want something of this one. */
  meet({ id }: SagaPlan): void {
    const { faults } = this.#scene
    this.#later(faults.at('cancel', id), (running) => this.#cancel(running, id))
    this.#later(faults.at('retry', id), (running) =>
      this.#wish('retry', id, running.orchestrator.retryNow(id, { actor: 'somebody' }), () => undefined),
    )
    this.#later(faults.at('resolve', id), (running) => this.#resolve(running, id))
    this.#later(faults.at('rebind', id), (running, dice) =>
      this.#wish('rebind', id, running.orchestrator.rebind(id, dice.pick(['2', '2', '1'])), () => undefined),
    )
  }

  #later(fault: Fault | undefined, act: (running: Running, dice: Dice) => void): void {
    if (!fault) return
    const { dice } = fault
    this.#scene.timeline.in(dice.next() * dice.pick([20, 200, 2_000]), () => {
      const running = this.#anybody()
      if (running) act(running, dice)
    })
  }

  #anybody(): Running | undefined {
    const able = this.#scene.places.flatMap(({ running }) =>
      running && !running.machine.isFrozen ? [running] : [],
    )
    return able.length > 0 ? this.#dice.pick(able) : undefined
  }

  #cancel(running: Running, id: string): void {
    this.#wish('cancel', id, running.orchestrator.cancel(id, 'by hand', { actor: 'somebody' }), (mirror) =>
      mirror.state.wayBack ? undefined : `cancel says that ${id} turned back`,
    )
  }

  /** As soon as there is something to resolve; somebody looks for it a while. */
  #resolve(running: Running, id: string, tries = 30): void {
    const mirror = this.#scene.observer.byId.get(id)
    const step = mirror && resolvable(mirror)
    if (!mirror || !step) {
      if (tries > 0) this.#scene.timeline.in(25, () => this.#resolve(running, id, tries - 1))
      return
    }
    const as = mirror.state.wayBack ? 'rolled_back' : 'committed'
    const output = as === 'committed' ? { output: { by: 0 } } : {}
    const about = { as, reason: 'seen by hand', actor: 'somebody', ...output } as const
    this.#wish('resolve', id, running.orchestrator.resolve(id, step, about), () => undefined)
  }

  #wish(
    what: string,
    id: string,
    wish: Promise<unknown>,
    judge: (mirror: Mirror) => string | undefined,
  ): void {
    const { observer, complain, trace } = this.#scene
    wish.then(
      (answer) => {
        trace.add(0, () => `${what} ${id}: ${String(answer)}`)
        this.#count(`${what}: done`)
        const mirror = observer.byId.get(id)
        const wrong = mirror ? judge(mirror) : `${what} of ${id}, which is not stored`
        if (wrong !== undefined) complain('P9', `${wrong}, and it is ${mirror?.state.status}`)
      },
      (error: unknown) => {
        const code = error instanceof BackstepError ? error.code : 'failed'
        trace.add(0, () => `${what} ${id}: ${code}`)
        this.#count(`${what}: ${code}`)
        const wrong = refusalIsWrong(code, observer.byId.get(id))
        if (wrong) complain('P9', `${what} of ${id} was refused with ${code}, and it is not so`)
      },
    )
  }

  #count(what: string): void {
    this.answers.set(what, (this.answers.get(what) ?? 0) + 1)
  }

  #tick(): void {
    const { timeline, faults, trace } = this.#scene
    if (faults.calm) return
    timeline.in(500, () => this.#tick())
    const prune = faults.at('prune', 'people')
    const running = prune && this.#anybody()
    if (!running) return
    running.orchestrator.prune({ olderThan: prune.dice.pick([1, 500]) }).then(
      (count) => trace.add(0, () => `${count} were pruned`),
      () => {},
    )
  }
}

function refusalIsWrong(code: string, mirror: Mirror | undefined): boolean {
  if (code === 'NOT_FOUND') return mirror !== undefined && !mirror.pruned
  if (code === 'PAST_PIVOT') return mirror?.state.pastPivot !== true
  // It may have come back since: a commit landed late.
  if (code === 'ENDED') return !(mirror?.isEnded || mirror?.pruned || mirror?.state.late)
  return false
}

/** A step that fails, or is being called, in the direction in which the saga goes. */
function resolvable({ state, plan }: Mirror): string | undefined {
  const index = state.steps.findIndex(({ commit, undo }) =>
    state.wayBack
      ? commit.is !== 'open' && (undo.is === 'waiting' || undo.is === 'open')
      : commit.is === 'waiting' || commit.is === 'open',
  )
  return plan.steps[index]?.name
}
