/**
 * One process: its clock, and what reaches it. It can die, and it can freeze.
 *
 * Invariants
 * - Nothing of a dead process runs any more, and nothing reaches it.
 * - While it is frozen nothing of it runs. After SIGSTOP its timers are late and its clocks tell the time; after its whole
 *   machine was suspended its monotonic clock has stood still, and its timers are as far away as before.
 * - Its wall clock may be hours wrong.
 */
import type { Clock, Timer } from 'backstep'
import { Dice, mix } from './dice.js'
import type { Alarm, Timeline } from './timeline.js'

class MachineTimer implements Timer {
  due: number
  alarm: Alarm | undefined
  readonly fire: () => void
  readonly #timers: Set<MachineTimer>

  constructor(due: number, fire: () => void, timers: Set<MachineTimer>) {
    this.due = due
    this.fire = fire
    this.#timers = timers
    timers.add(this)
  }

  cancel(): void {
    this.#timers.delete(this)
    this.alarm?.cancel()
  }
}

export class Machine implements Clock {
  readonly pid: number
  readonly skew: number
  /** Its monotonic clock has stood still once: it may take itself for the owner when it no longer is. */
  wasSuspended = false
  isDead = false
  isFrozen = false
  readonly #timeline: Timeline
  readonly #rank: number
  readonly #queue: (() => void)[] = []
  readonly #timers = new Set<MachineTimer>()
  /** What is to run, and what has arrived, while it is frozen. */
  #backlog: (() => void)[] = []
  #inbox: (() => void)[] = []
  #frozenAt = 0
  #stood = 0

  constructor(timeline: Timeline, seed: number, pid: number, skew: number) {
    this.#timeline = timeline
    this.pid = pid
    this.skew = skew
    this.#rank = mix(seed, pid)
    this.random = new Dice(seed, 'random', pid).next
  }

  readonly random: () => number
  readonly now = (): number => this.#timeline.now + this.skew
  readonly monotonic = (): number => this.#timeline.now - this.#timeline.start - this.#stood
  readonly id = (): string => this.#timeline.id()

  readonly timer = (ms: number, fire: () => void): Timer => {
    if (Number.isNaN(ms)) throw new TypeError('a timer of NaN ms would fire at once')
    const timer = new MachineTimer(Math.ceil(this.#timeline.now + Math.max(0, ms)), fire, this.#timers)
    if (this.isDead) this.#timers.clear()
    else this.#arm(timer)
    return timer
  }

  readonly soon = (run: () => void): void => {
    this.#timeline.soon(this.#queue, () => this.#run(run, this.#backlog))
  }

  /** Something from outside reaches it, in this turn. */
  deliver(run: () => void): void {
    this.#run(run, this.#inbox)
  }

  /** As SIGKILL does. */
  kill(): void {
    this.isDead = true
    for (const { alarm } of this.#timers) alarm?.cancel()
    this.#timers.clear()
    this.#backlog = []
    this.#inbox = []
  }

  freeze(): void {
    if (this.isDead || this.isFrozen) return
    this.isFrozen = true
    this.#frozenAt = this.#timeline.now
  }

  /** `stood`: its monotonic clock stood still meanwhile. `timersFirst`: before it hears what has arrived. */
  thaw(stood: boolean, timersFirst: boolean): void {
    if (!this.isFrozen) return
    this.isFrozen = false
    if (stood) this.#standStill(this.#timeline.now - this.#frozenAt)
    const [backlog, inbox] = [this.#backlog, this.#inbox]
    this.#backlog = []
    this.#inbox = []
    for (const run of timersFirst ? [...backlog, ...inbox] : [...inbox, ...backlog]) this.soon(run)
  }

  get timers(): number {
    return this.#timers.size
  }

  #standStill(ms: number): void {
    this.wasSuspended = true
    this.#stood += ms
    for (const timer of this.#timers) {
      timer.alarm?.cancel()
      timer.due += ms
      this.#arm(timer)
    }
  }

  #arm(timer: MachineTimer): void {
    const fire = (): void => {
      if (this.#timers.delete(timer)) timer.fire()
    }
    const ring = (): void => {
      if (!this.isFrozen) fire()
      // One that is due while the clock stands is set again when it goes on.
      else
        this.#backlog.push(() => {
          if (timer.due <= this.#timeline.now) fire()
        })
    }
    timer.alarm = this.#timeline.in(timer.due - this.#timeline.now, ring, this.#rank)
  }

  #run(run: () => void, whileFrozen: (() => void)[]): void {
    if (this.isDead) return
    if (this.isFrozen) whileFrozen.push(run)
    else run()
  }
}
