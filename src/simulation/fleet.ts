/**
 * A simulation of several processes, or of kills: orchestrators run in processes of their own, any of which may be killed and
 * started again; the judge lives here, and the services in processes of their own, or here, too.
 *
 * Invariants
 * - Each process submits a part of the trips of its own, and runs whatever it is given of all of them.
 * - A kill counts only if the process answered right before it, died of SIGKILL, and left unfinished sagas in the store, read
 *   over a connection of this process.
 * - Nothing is remembered for the next process: what was not answered is submitted again under the same ids.
 * - Calls that a killed process had made go on: their effects land while another one recovers.
 */
import { Orchestrator } from '../index.js'
import type { Verdict } from './audit.js'
import { every, monotonic, pause, randomUpTo } from './clock.js'
import { ForkedProcess } from './forked-process.js'
import { endsOf, hasUnfinished, settle } from './orchestrator.js'
import { openPage } from './page.js'
import { failureOf, type ToChild, type ToParent } from './pipe.js'
import type { Run } from './run.js'

/** A kill that is due comes at a random moment within so many ms: a trip takes about twenty. */
const latestMoment = 20
/** ms without the end of a trip: longer than the lease of a process that was killed (5 s on PostgreSQL), or each kill would bring the next. */
const stillness = 7_000

export async function runFleet(run: Run): Promise<Verdict[]> {
  const observer = await Orchestrator.open(run.store, { work: false, log: false })
  run.open.push(() => observer.close())
  await openPage(run, observer)
  const fleet = new Fleet(run, observer)
  try {
    await fleet.untilDone()
    run.booked = monotonic()
    if (run.stop.aborted) {
      run.services.release(true)
      return run.tally.verdicts(run.options)
    }
    await run.services.settled()
    await settle(observer, run.name, run.stop)
    await fleet.close()
    return run.tally.verdicts(run.options, await endsOf(observer, run.name))
  } finally {
    await fleet.close()
  }
}

/** One of the processes, from its start until it dies. The next one takes its place in the fleet. */
interface Member {
  readonly place: number
  readonly victim: ForkedProcess<ToChild, ToParent>
  /** It has begun to call services: one that has not has done nothing worth killing it for. */
  hasWorked: boolean
  /** Every outcome that it waited for was answered. */
  isDone: boolean
  /** Nobody need wonder at its end. */
  isDoomed: boolean
}

class Fleet {
  readonly #run: Run
  readonly #observer: Orchestrator
  readonly #members: Member[] = []
  #lastEnd = monotonic()
  #killing = false
  #closing: Promise<unknown> | undefined
  #finish = (): void => {}
  #fail = (_error: Error): void => {}

  constructor(run: Run, observer: Orchestrator) {
    this.#run = run
    this.#observer = observer
  }

  /** Resolves once every outcome was answered, or the run is stopped. */
  async untilDone(): Promise<void> {
    const { stop, options } = this.#run
    const done = new Promise<void>((resolve, reject) => {
      this.#finish = resolve
      this.#fail = reject
    })
    if (stop.aborted) this.#finish()
    stop.addEventListener('abort', this.#finish, { once: true })
    for (let place = 0; place < options.workers; place++) this.#start(place)
    const stopLooking = every(1_000, () => void this.#maybeKill().catch(this.#fail))
    await done.finally(stopLooking)
    stop.removeEventListener('abort', this.#finish)
  }

  close(): Promise<unknown> {
    this.#closing ??= Promise.all(this.#members.map(({ victim }) => victim.close()))
    return this.#closing
  }

  #start(place: number): void {
    const { options, tally, store, name, services } = this.#run
    const origins = typeof services.at === 'function' ? undefined : services.at
    const { sagas, seed, concurrency, keys, workers } = options
    const victim: Member['victim'] = new ForkedProcess('child.js', (message) => this.#hear(member, message))
    const member: Member = { place, victim, hasWorked: false, isDone: false, isDoomed: false }
    this.#members[place] = member
    const trips = [...tally.pending(sagas)].filter((trip) => trip % workers === place)
    const plan = { seed, concurrency, keys, run: name, trips }
    victim.send({ type: 'begin', store, plan, ...(origins && { origins }) })
    victim.exit.then(
      ({ code, signal }) => {
        // Killed by somebody else: no fault of its own, and another one goes on, too.
        if (signal === 'SIGKILL' && !member.isDoomed && !this.#closing) this.#start(place)
        else this.#ended(member, `ended by itself (${signal ?? code})`)
      },
      (error: Error) => this.#ended(member, `could not be started: ${error.message}`),
    )
  }

  #ended({ isDoomed }: Member, how: string): void {
    if (!isDoomed && !this.#closing) this.#fail(new Error(`an orchestrator's process ${how}`))
  }

  #hear(member: Member, message: ToParent): void {
    const { tally } = this.#run
    switch (message.type) {
      case 'works':
        member.hasWorked = true
        break
      case 'call':
        void this.#serve(member, message)
        break
      case 'submitted':
        tally.submitted(message.trip)
        break
      case 'ended':
        tally.ended(message.trip, message.status)
        this.#lastEnd = monotonic()
        break
      case 'done':
        member.isDone = true
        if (this.#members.every(({ isDone }) => isDone)) this.#finish()
        break
      case 'broke':
        this.#fail(new Error(`an orchestrator's process broke: ${message.message}`))
        break
    }
    void this.#maybeKill().catch(this.#fail)
  }

  /** Kills one of those that have worked, at random, if the plan says so. */
  async #maybeKill(): Promise<void> {
    const { plan, tally, services } = this.#run
    const standsStill = monotonic() - this.#lastEnd > stillness
    if (this.#killing || this.#closing || !plan.isDue(tally.answered, standsStill)) return
    const worked = this.#members.filter(({ hasWorked }) => hasWorked)
    const member = worked.length > 0 ? worked[randomUpTo(worked.length - 1)] : undefined
    if (!member) return
    this.#killing = true
    await pause(randomUpTo(latestMoment))
    if (member.victim.isGone) {
      this.#killing = false
      return
    }
    member.isDoomed = true
    const died = await member.victim.kill()
    // The next orchestrator begins when the service is back: what it booked before would be refused, the hostage, too.
    const tookService = plan.takesService && (await services.kill?.()) === true
    plan.tried(died && (await hasUnfinished(this.#observer, this.#run.name)), tookService)
    services.release(!plan.left)
    this.#killing = false
    if (!this.#closing) this.#start(member.place)
    // The others may have nothing to say any more.
    await this.#maybeKill()
  }

  async #serve({ victim }: Member, { id, call }: Extract<ToParent, { type: 'call' }>): Promise<void> {
    const { at } = this.#run.services
    if (typeof at !== 'function') throw new Error('services with an address are called there')
    try {
      victim.send({ type: 'answer', id, booking: await at(call, () => victim.isGone) })
    } catch (error) {
      victim.send({ type: 'failure', id, failure: failureOf(error) })
    }
  }
}
