/**
 * One history: a fleet over one store, from a seed, and all promises held against it.
 *
 * Invariant: the same seed, store and `smaller` give the same history, turn by turn.
 */
import { Orchestrator } from 'backstep'
import type { Store } from '#dist/store/store.js'
import { Client, type ClientScene } from './clients.js'
import { Code } from './code.js'
import { Dice } from './dice.js'
import { type EndScene, judgeEnds } from './ends.js'
import { Faults, moodOf } from './faults.js'
import { Machine } from './machine.js'
import { Observer } from './observer.js'
import { People } from './operators.js'
import { type Ground, Place } from './place.js'
import type { StoreScene } from './process-store.js'
import { type Setting, type Smaller, settingOf } from './setting.js'
import { type Shared, type StoreKind, shared } from './stores.js'
import { Timeline } from './timeline.js'
import { Trace } from './trace.js'
import { invisible, wronglyWaiting } from './waiting.js'
import { World } from './world.js'

export interface HistoryOptions extends Smaller {
  readonly store?: StoreKind
  readonly trace?: boolean
  readonly hash?: boolean
  /** Wraps the one store beneath everything: to plant a bug there. */
  readonly plant?: (store: Store) => Store
}

export interface Report {
  readonly seed: number
  readonly store: StoreKind
  /** Every broken promise, the first one first, such as `P4: s3 is rolled back, and the effect of b stands`. */
  readonly wrong: readonly string[]
  readonly faults: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  readonly sagas: readonly number[]
  readonly workers: number
  /** Simulated ms. */
  readonly ms: number
  readonly turns: number
  readonly hash: number
  readonly lines: readonly string[]
}

/** After the last submit faults go on for so long, in ms: the longer where there still is something to disturb. */
const shortestWork = 300
const longestWork = 1_500
/** Whoever has something to tell may wait so long for a store that was not there, in ms. */
const longestSilence = 5_000
/** Everything must have ended so long after the last fault, in ms. */
const patience = 200_000
const mostTurns = 1_500_000

export async function simulate(seed: number, options: HistoryOptions = {}): Promise<Report> {
  const history = new History(seed, options)
  const unhandled = (reason: unknown): void => history.complain('rejection', `unhandled: ${String(reason)}`)
  process.on('unhandledRejection', unhandled)
  // Every error that a step throws is described with its stack: that takes longer than all the rest.
  const { stackTraceLimit } = Error
  if (!options.trace) Error.stackTraceLimit = 0
  try {
    await history.run()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    process.off('unhandledRejection', unhandled)
    history.remove()
  }
  return history.report()
}

class History {
  readonly #seed: number
  readonly #options: HistoryOptions
  readonly #timeline: Timeline
  readonly #trace: Trace
  readonly #faults: Faults
  readonly #setting: Setting
  readonly #shared: Shared
  readonly #observer: Observer
  readonly #world: World
  readonly #code: Code
  readonly #places: Place[] = []
  readonly #dead = new Set<number>()
  readonly #wrong: string[] = []
  readonly #counts: Record<string, number> = {}
  readonly #outage = { until: 0 }
  readonly #slow = { count: 0 }
  readonly #scene: StoreScene
  #clients: Client[] = []
  #raw: Store | undefined
  #hintDue = false
  #people: People | undefined

  constructor(seed: number, options: HistoryOptions) {
    this.#seed = seed
    this.#options = options
    this.#timeline = new Timeline(new Dice(seed, 'turns'))
    this.#trace = new Trace(this.#timeline, { keep: options.trace === true, hash: options.hash === true })
    this.#faults = new Faults(seed, moodOf(seed), options.faults)
    this.#faults.onFault = ({ name }) => this.#trace.add(0, () => `fault ${name}`)
    this.#setting = settingOf(seed, this.#faults, options)
    this.#shared = shared(options.store ?? 'memory', this.#timeline)
    this.#code = new Code(this.#setting.families, () => this.#world)
    const complain = (promise: string, what: string): void => this.complain(promise, what)
    this.#observer = new Observer({
      concurrency: this.#setting.concurrency,
      now: () => this.#timeline.now,
      complain,
      planOf: (ref) => this.#code.planOf(ref),
      isKnownDead: (pid) => this.#hasLocks && this.#dead.has(pid),
      applied: (_pid, mirror, entries) => {
        for (const entry of entries) {
          this.#count(entry.type === 'failed' ? `failed by ${entry.cause}` : entry.type)
          if (entry.type === 'late') this.#world.toldLate(mirror.id, entry.step)
          if (entry.type === 'resolved') this.#world.byHand(mirror.id, entry.step, entry.as, entry.output)
        }
      },
    })
    const kill = (machine: Machine, why: string): void => {
      for (const place of this.#places) place.kill(machine, why)
    }
    this.#world = new World({
      seed,
      timeline: this.#timeline,
      faults: this.#faults,
      observer: this.#observer,
      trace: this.#trace,
      complain,
      kill,
    })
    this.#scene = {
      timeline: this.#timeline,
      faults: this.#faults,
      trace: this.#trace,
      latency: this.#setting.latency,
      poll: this.#setting.poll,
      hasSkew: this.#setting.hasSkew,
      outlives: this.#setting.outlives && !this.#hasLocks,
      outage: this.#outage,
      slow: this.#slow,
      saw: (pid, writes, results) => this.#observer.saw(pid, writes, results),
      kill,
      freeze: (machine, dice, stood) => {
        for (const place of this.#places) place.freeze(machine, dice, stood)
      },
      hint: (machine) => this.#hint(machine),
    }
  }

  get #isFile(): boolean {
    return this.#options.store === 'sqlite'
  }

  get #hasLocks(): boolean {
    return this.#isFile || this.#setting.hasLocks
  }

  complain(promise: string, what: string): void {
    if (this.#wrong.length > 50) return
    this.#wrong.push(`${promise}: ${what}`)
    this.#trace.add(0, () => `WRONG ${promise}: ${what}`)
  }

  async run(): Promise<void> {
    try {
      await this.#act()
    } catch (error) {
      this.complain('simulator', error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
  }

  remove(): void {
    this.#shared.remove()
  }

  report(): Report {
    const { turns, now, start } = this.#timeline
    const counts = this.#counts
    for (const [kind, count] of this.#faults.counts) counts[kind] = count
    counts['crashes'] = this.#places.reduce((sum, { crashes }) => sum + crashes, 0)
    counts['calls'] = this.#world.calls
    counts['wasted calls'] = this.#world.judge.wasted
    for (const [what, count] of this.#people?.answers ?? []) counts[what] = count
    for (const { state, reopened, pruned } of this.#observer.byNumber.values()) {
      this.#count('sagas')
      this.#count(`sagas ${state.status.replace('_', ' ')}`)
      if (reopened > 0) this.#count('sagas reopened')
      if (pruned) this.#count('sagas pruned')
    }
    return {
      seed: this.#seed,
      store: this.#options.store ?? 'memory',
      wrong: this.#wrong,
      faults: this.#faults.happened,
      counts,
      sagas: this.#setting.sagas.map(({ number }) => number),
      workers: this.#setting.places,
      ms: now - start,
      turns,
      hash: this.#trace.hash,
      lines: this.#trace.lines,
    }
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1
  }

  async #act(): Promise<void> {
    this.#raw = await this.#connect(0)
    this.#begin()
    await this.#work()
    await this.#calm()
    await this.#heal()
    await this.#end()
  }

  async #connect(pid: number): Promise<Store> {
    const store = await this.#shared.connect(pid)
    return this.#options.plant?.(store) ?? store
  }

  #begin(): void {
    const { places, sagas } = this.#setting
    for (const { id, character } of sagas) this.#world.characters.set(id, character)
    const ground = this.#ground()
    for (let number = 1; number <= places; number++)
      this.#places.push(new Place(ground, number, this.#firstRelease(number)))
    const scene: ClientScene = {
      seed: this.#seed,
      timeline: this.#timeline,
      faults: this.#faults,
      trace: this.#trace,
      observer: this.#observer,
      places: this.#places,
      complain: (promise, what) => this.complain(promise, what),
      gave: (id, step, output) => this.#world.serviceOf(id, step).gave(output),
      stored: (saga) => this.#people?.meet(saga),
    }
    this.#people = new People(scene)
    this.#clients = sagas.map((saga) => new Client(saga, scene))
    this.#watchOutages()
  }

  #firstRelease(number: number) {
    const deploy = this.#faults.at('deploy', number)
    return deploy ? this.#code.deployed(deploy.dice) : this.#code.whole
  }

  #ground(): Ground {
    const { hasSkew, lease, concurrency } = this.#setting
    return {
      seed: this.#seed,
      timeline: this.#timeline,
      faults: this.#faults,
      trace: this.#trace,
      code: this.#code,
      scene: this.#scene,
      world: () => this.#world,
      lease,
      concurrency,
      skewAt: (place) =>
        hasSkew ? Math.round((new Dice(this.#seed, 'skew', place).next() - 0.5) * 10_800_000) : 0,
      connect: ({ pid }) => this.#connect(pid),
      gone: (machine) => this.#gone(machine),
      complain: (promise, what) => this.complain(promise, what),
    }
  }

  /** Its connection is gone, and with it its lock. */
  #gone({ pid }: Machine): void {
    this.#dead.add(pid)
    this.#shared.drop(pid)
    if (this.#isFile || !this.#setting.hasLocks) return
    for (const { worker, pid: owner, left } of this.#observer.workers.values()) {
      if (owner !== pid || left) continue
      const writes = [{ type: 'leave', worker }] as const
      void this.#raw?.apply(writes).then((results) => this.#observer.saw(pid, writes, results))
    }
  }

  /** Somebody has written: the others may look. */
  #hint({ pid }: Machine): void {
    if (!this.#setting.hints || this.#hintDue) return
    this.#hintDue = true
    this.#timeline.in(3, () => {
      this.#hintDue = false
      for (const { running } of this.#places) {
        const listener = running?.store.listener
        if (listener && running.machine.pid !== pid) running.machine.deliver(listener)
      }
    })
  }

  #watchOutages(): void {
    if (this.#faults.calm) return
    const outage = this.#faults.at('outage', 'store')
    if (outage) this.#outage.until = this.#timeline.now + outage.dice.next() * 4_000
    this.#timeline.in(250, () => this.#watchOutages())
  }

  /** Everything goes wrong that can. */
  async #work(): Promise<void> {
    const last = this.#setting.sagas.at(-1)?.at ?? 0
    const { now } = this.#timeline
    const [early, late] = [now + last + shortestWork, now + last + longestWork]
    await this.#every(25, () => {
      const at = this.#timeline.now
      return at >= late || (at >= early && this.#isDone())
    })
  }

  /** No new faults. What is gone, stuck or poisonous stays so: nobody else may suffer (P8). */
  async #calm(): Promise<void> {
    this.#faults.calm = true
    this.#outage.until = 0
    this.#trace.add(0, () => 'no more faults')
    const { gone, sagas, families } = this.#setting
    const isBroken = gone !== undefined || sagas.some(({ character }) => character.stuck ?? character.poison)
    if (!isBroken) return
    const here = this.#code.whole.filter(({ name }) => gone === undefined || name !== families[gone]?.v1.name)
    await this.#settle(
      here,
      families.flatMap(({ changed }, index) => (index === gone ? [] : [changed])),
    )
    const { characters } = this.#world
    const since = this.#timeline.now
    const isOver = (): boolean =>
      this.#clients.every(({ isStored, saga }) => isStored || saga.family === gone) &&
      wronglyWaiting(this.#observer, characters).length === 0
    // Now and then only: it looks at every saga.
    await this.#every(100, () => isOver() || this.#timeline.now - since > patience)
    if (this.#wrong.length > 0) return
    for (const { id, state } of wronglyWaiting(this.#observer, characters))
      this.complain('P8', `${id} is still ${state.status}, and shares nothing with what is stuck or blocked`)
    const reader = await this.#reader()
    for (const what of await invisible(this.#observer, reader, this.#timeline.now)) this.complain('P2', what)
    await this.#finish(reader.close({ drain: 0 }))
  }

  /** Everything is well again, and must end. */
  async #heal(): Promise<void> {
    this.#world.healed = true
    this.#trace.add(0, () => 'everything is well again')
    await this.#settle(this.#code.whole, this.#code.strayed)
    const since = this.#timeline.now
    let quietSince = 0
    const isOver = (): boolean => {
      const { now } = this.#timeline
      this.#addStray(this.#code.strayed)
      const quiet = this.#world.underWay === 0 && this.#slow.count === 0 && this.#isDone()
      if (!quiet) quietSince = 0
      else quietSince ||= now
      return quiet && now - quietSince >= (this.#world.isUntold ? longestSilence : 400)
    }
    await this.#every(50, () => isOver() || this.#timeline.now - since > patience)
    if (this.#wrong.length > 0 || isOver()) return
    for (const { saga, isStored } of this.#clients)
      if (!isStored) this.complain('P1', `${saga.id} is not stored yet`)
    for (const { id, isEnded, state } of this.#observer.byNumber.values())
      if (!isEnded) this.complain('P2', `${id} is still ${state.status}, and nothing is wrong any more`)
  }

  #isDone(): boolean {
    for (const { isStored } of this.#clients) if (!isStored) return false
    for (const { isEnded } of this.#observer.byNumber.values()) if (!isEnded) return false
    return true
  }

  /** Everybody runs these; one more runs what a careless deploy has left behind, if there is any. */
  async #settle(release: ReturnType<Code['deployed']>, strayed: ReturnType<Code['deployed']>): Promise<void> {
    await this.#finish(
      Promise.all(this.#places.map((place) => place.settle(place.isStray ? strayed : release))),
    )
    this.#addStray(strayed)
  }

  /** Somebody must run what has been submitted by the deployed. */
  #addStray(strayed: ReturnType<Code['deployed']>): void {
    const needed = [...this.#observer.byNumber.values()].some(({ plan }) =>
      this.#code.strayed.some((spec) => spec === this.#code.specOf(plan)),
    )
    if (needed && !this.#places.some(({ isStray }) => isStray))
      this.#places.push(new Place(this.#ground(), this.#places.length + 1, strayed, true))
  }

  async #end(): Promise<void> {
    const scene: EndScene = {
      observer: this.#observer,
      world: this.#world,
      clients: this.#clients,
      faults: this.#faults,
      complain: (promise, what) => this.complain(promise, what),
      excused: 0,
    }
    if (this.#raw && this.#wrong.length === 0) await judgeEnds(scene, this.#raw)
    this.#counts['excused effects'] = scene.excused
    await this.#finish(Promise.all(this.#places.map((place) => place.end())))
  }

  async #reader(): Promise<Orchestrator> {
    const clock = new Machine(this.#timeline, this.#seed, 0, 0)
    const store = await this.#connect(1)
    return this.#finish(Orchestrator.open(store, { clock, work: false, log: false }))
  }

  async #finish<T>(promise: Promise<T>): Promise<T> {
    let over = false
    const done = (): void => {
      over = true
    }
    promise.then(done, done)
    await this.#until(() => over)
    return promise
  }

  #until(done: () => boolean): Promise<void> {
    return this.#timeline.run(done, mostTurns)
  }

  /** Looks every so many ms; what has gone wrong already need not be waited for. */
  async #every(ms: number, done: () => boolean): Promise<void> {
    let over = false
    const look = (): void => {
      over = this.#wrong.length > 0 || done()
      if (!over) this.#timeline.in(ms, look)
    }
    look()
    await this.#until(() => over)
  }
}
