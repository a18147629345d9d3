/**
 * A place where one process runs after the other: each opens an orchestrator, is killed, closed, frozen, and followed by the next one.
 *
 * Invariants
 * - What happens to it is drawn at this place, every quarter of a second, whatever happens elsewhere.
 * - After the calm only closing is left: what is well runs until the end.
 */
import { type Definition, Orchestrator } from 'backstep'
import type { Store } from '#dist/store/store.js'
import { type Code, define, type Input, type Release } from './code.js'
import { Dice } from './dice.js'
import type { Faults } from './faults.js'
import { Machine } from './machine.js'
import { ProcessStore, type StoreScene } from './process-store.js'
import type { Timeline } from './timeline.js'
import type { Trace } from './trace.js'
import { grace, type World } from './world.js'

const tick = 250

export interface Ground {
  readonly seed: number
  readonly timeline: Timeline
  readonly faults: Faults
  readonly trace: Trace
  readonly code: Code
  readonly scene: StoreScene
  readonly world: () => World
  readonly lease: number
  readonly concurrency: number
  /** How far the wall clock at a place is ahead, ms. */
  skewAt(place: number): number
  /** A connection of its own to the one store. */
  connect(machine: Machine): Promise<Store>
  /** What the operating system does when a process is gone. */
  gone(machine: Machine): void
  complain(promise: string, what: string): void
}

/** A process that answers. */
export interface Running {
  readonly machine: Machine
  readonly store: ProcessStore
  readonly orchestrator: Orchestrator
  readonly definitions: ReadonlyMap<string, Definition<Input>>
  readonly release: Release
}

export class Place {
  readonly number: number
  /** It runs what a careless deploy has left behind. */
  readonly isStray: boolean
  readonly #ground: Ground
  readonly #dice: Dice
  #lives = 0
  #machine: Machine | undefined
  running: Running | undefined
  #release: Release
  /** A process that is closing. */
  #closing: Promise<void> | undefined
  #isGone: (() => void) | undefined
  #isOver = false
  crashes = 0

  constructor(ground: Ground, number: number, release: Release, isStray = false) {
    this.#ground = ground
    this.isStray = isStray
    this.number = number
    this.#dice = new Dice(ground.seed, 'place', number)
    this.#release = release
    this.#open()
    this.#tick()
  }

  get machine(): Machine | undefined {
    return this.#machine
  }

  /** SIGKILL. */
  kill(machine: Machine, why: string): void {
    if (machine.isDead || machine !== this.#machine) return
    const { trace, timeline } = this.#ground
    trace.add(machine.pid, () => `is killed (${why})`)
    this.crashes++
    this.#bury(machine)
    timeline.in(this.#dice.next() * 400, () => this.#reopen())
  }

  /** From now on it runs this, and nothing happens to it any more. */
  async settle(release: Release): Promise<void> {
    this.#release = release
    this.#machine?.thaw(false, false)
    const { running } = this
    if (running && !isSame(running.release, release)) await this.#close(running, 100)
  }

  /** Ends it for good. */
  async end(): Promise<void> {
    this.#isOver = true
    const { running } = this
    if (running) await this.#close(running, 0)
    await this.#closing
    if (this.#machine) this.#bury(this.#machine)
  }

  #bury(machine: Machine): void {
    machine.kill()
    this.#closing = undefined
    this.running = undefined
    this.#machine = undefined
    this.#ground.gone(machine)
    this.#isGone?.()
  }

  #reopen(): void {
    if (this.#machine || this.#isOver) return
    const { faults, code, trace } = this.#ground
    const deploy = faults.at('deploy', this.number)
    if (deploy) this.#release = code.deployed(deploy.dice)
    else if (!faults.calm && faults.may('deploy') && this.#dice.chance(0.5)) this.#release = code.whole
    trace.add(0, () => `place ${this.number} starts again`)
    this.#open()
  }

  #open(): void {
    const { timeline, seed, faults, trace, skewAt } = this.#ground
    const pid = this.number * 100 + ++this.#lives
    const machine = new Machine(timeline, seed, pid, skewAt(this.number))
    this.#machine = machine
    trace.add(
      pid,
      () =>
        `starts with ${this.#release.map(({ name, version, steps }) => `${name}@${version}(${steps.length})`).join(' ') || 'nothing'}`,
    )
    const early = faults.at('crash-at-start', this.number)
    if (early) timeline.in(early.dice.next() * 60, () => this.kill(machine, 'at its start'))
    this.#start(machine).then(
      (running) => {
        if (machine.isDead) return
        if (!running) return this.#failed(machine)
        this.running = running
        // It is to run something else by now.
        if (faults.calm && !isSame(running.release, this.#release)) void this.#close(running, 0)
      },
      (error: unknown) => {
        this.#ground.complain('simulator', `process ${pid} could not start: ${String(error)}`)
      },
    )
  }

  async #start(machine: Machine): Promise<Running | undefined> {
    const { scene, world, lease, concurrency } = this.#ground
    const release = this.#release
    const store = new ProcessStore(await this.#ground.connect(machine), machine, this.number, scene)
    const definitions = new Map(
      release.map((spec) => [`${spec.name}@${spec.version}`, define(spec, machine, world)] as const),
    )
    const sagas = [...definitions.values()]
    const log = {
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: (fields: object) => this.#heard(fields),
    }
    try {
      const orchestrator = await Orchestrator.open(store, {
        sagas,
        log,
        clock: machine,
        lease,
        grace,
        concurrency,
      })
      return { machine, store, orchestrator, definitions, release }
    } catch {
      // The store did not answer: as anybody would, it is started again.
      return undefined
    }
  }

  #failed(machine: Machine): void {
    this.#bury(machine)
    this.#ground.timeline.in(50 + this.#dice.next() * 100, () => this.#reopen())
  }

  #heard(fields: { event?: string; saga?: string; step?: string }): void {
    if (fields.event === 'late_success_lost')
      this.#ground.world().lostLate(fields.saga ?? '', fields.step ?? '')
    if (fields.event === 'unreadable') this.#ground.complain('journal', `saga ${fields.saga} is unreadable`)
    if (fields.event === 'write_refused')
      this.#ground.complain('store', `a write of ${fields.saga} was refused`)
  }

  #tick(): void {
    const { timeline, faults } = this.#ground
    if (this.#isOver || faults.calm) return
    timeline.in(tick, () => this.#tick())
    const machine = this.#machine
    if (!machine || machine.isDead) return
    const { number } = this
    if (faults.at('crash', number)) return this.kill(machine, 'from outside')
    const { running } = this
    if (!running || machine.isFrozen) return
    const close = faults.at('close', number)
    if (close) {
      void this.#close(running, close.dice.pick([0, 0, 200, 1_000]))
      return
    }
    const stop = faults.at('stop', number)
    const suspend = faults.at('suspend', number)
    const freeze = stop ?? suspend
    if (freeze) this.freeze(machine, freeze.dice, !stop)
  }

  /** Stopped, or suspended, for up to some leases. */
  freeze(machine: Machine, dice: Dice, stood: boolean): void {
    if (machine !== this.#machine || machine.isFrozen) return
    const { timeline, trace, lease } = this.#ground
    machine.freeze()
    trace.add(machine.pid, () => (stood ? 'is suspended, and its clock stands' : 'is stopped'))
    timeline.in(dice.next() * dice.pick([0.5, 1.5, 4]) * lease, () => {
      if (machine.isFrozen) trace.add(machine.pid, () => 'goes on')
      machine.thaw(stood, dice.chance(0.5))
    })
  }

  /** As at SIGTERM. Resolves once the process is gone, however that happens. */
  #close(running: Running, drain: number): Promise<void> {
    const { trace } = this.#ground
    const { machine, orchestrator } = running
    trace.add(machine.pid, () => `closes within ${drain} ms`)
    this.running = undefined
    this.#closing = new Promise((resolve) => {
      this.#isGone = resolve
    })
    const closing = this.#closing
    void orchestrator.close({ drain }).then(() => this.#closed(machine))
    return closing
  }

  #closed(machine: Machine): void {
    if (machine.isDead) return
    if (machine.timers > 0)
      this.#ground.complain('close', `process ${machine.pid} leaves ${machine.timers} timers`)
    this.#bury(machine)
    if (!this.#isOver) this.#ground.timeline.in(20 + this.#dice.next() * 200, () => this.#reopen())
  }
}

const isSame = (a: Release, b: Release): boolean =>
  a.length === b.length && a.every((spec) => b.includes(spec))

const nothing = (): void => {}
