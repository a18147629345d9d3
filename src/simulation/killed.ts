/**
 * A simulation with kills: the orchestrator runs in a process of its own, which is killed and started again; the services and the
 * judge live here.
 *
 * Invariants
 * - A kill counts only if the process answered right before it, died of SIGKILL, and left unfinished sagas in the store, read
 *   over a connection of this process.
 * - Nothing is remembered for the next process: what was not answered is submitted again under the same ids.
 * - Calls that a killed process had made go on: their effects land while the next one recovers.
 */
import { Orchestrator } from '../index.js'
import type { Verdict } from './audit.js'
import { monotonic, pause, randomDelay } from './clock.js'
import { endsOf, hasUnfinished, settle } from './orchestrator.js'
import { failureOf, type ToParent } from './pipe.js'
import type { Run } from './run.js'
import { Victim } from './victim.js'

/** A kill that is due comes at a random moment within so many ms: a trip takes about ten. */
const latestMoment = 20

export async function runKilled(run: Run): Promise<Verdict[]> {
  const observer = await Orchestrator.open(run.store, { work: false, log: false })
  try {
    const last = await runUntilDone(run, observer)
    run.booked = monotonic()
    if (run.stop.aborted) {
      run.plan.giveUp()
      await last.close()
      return run.tally.verdicts(run.options)
    }
    await run.services.settled()
    await settle(observer, run.name, run.stop)
    await last.close()
    return run.tally.verdicts(run.options, await endsOf(observer, run.name))
  } finally {
    await observer.close()
  }
}

/** Starts one process after the other until one has answered every outcome; returns that one, still alive. */
async function runUntilDone(run: Run, observer: Orchestrator): Promise<Victim> {
  for (;;) {
    const life = new Life(run)
    const end = await life.end.catch(async (error: unknown) => {
      await life.victim.kill()
      throw error
    })
    if (end === 'done') return life.victim
    if (end === 'due') {
      const proven = await life.victim.kill()
      run.plan.tried(proven && (await hasUnfinished(observer, run.name)))
    }
  }
}

/** One process from its start until it is done, or due to be killed. */
class Life {
  readonly victim: Victim
  readonly end: Promise<'done' | 'due'>
  readonly #run: Run
  #worked = false
  #over = false
  #finish!: (end: 'done' | 'due') => void
  #fail!: (error: Error) => void

  constructor(run: Run) {
    this.#run = run
    this.end = new Promise((resolve, reject) => {
      this.#finish = resolve
      this.#fail = reject
    })
    this.victim = new Victim((message) => this.#hear(message))
    this.#begin()
  }

  #begin(): void {
    const { options, tally, store, name, stop } = this.#run
    const { sagas, seed, concurrency, keys } = options
    const trips = [...tally.pending(sagas)]
    this.victim.send({ type: 'begin', store, plan: { seed, concurrency, keys, run: name, trips } })
    const leave = (): void => this.#finish('done')
    if (stop.aborted) leave()
    stop.addEventListener('abort', leave, { once: true })
    void this.victim.exit.catch(() => {}).then(() => stop.removeEventListener('abort', leave))
    this.victim.exit.then(
      ({ code, signal }) =>
        this.#fail(new Error(`the orchestrator's process ended by itself (${signal ?? code})`)),
      (error: Error) => this.#fail(error),
    )
  }

  #hear(message: ToParent): void {
    const { tally } = this.#run
    switch (message.type) {
      case 'call':
        this.#worked = true
        void this.#serve(message)
        break
      case 'submitted':
        tally.submitted(message.trip)
        break
      case 'ended':
        tally.ended(message.trip, message.status)
        break
      case 'done':
        this.#finish('done')
        break
      case 'broke':
        this.#fail(new Error(`the orchestrator's process broke: ${message.message}`))
        break
      case 'pong':
        break
    }
    void this.#maybeDue()
  }

  /** A process that has not called any service yet has done nothing worth killing it for. */
  async #maybeDue(): Promise<void> {
    const { plan, tally } = this.#run
    if (this.#over || !this.#worked || !plan.isDue(tally.answered)) return
    this.#over = true
    await pause(randomDelay(latestMoment))
    this.#finish('due')
  }

  async #serve({ id, call }: Extract<ToParent, { type: 'call' }>): Promise<void> {
    const { plan, services } = this.#run
    await plan.mayCall(call.trip)
    try {
      this.victim.send({ type: 'answer', id, booking: await services.call(call) })
    } catch (error) {
      this.victim.send({ type: 'failure', id, failure: failureOf(error) })
    }
  }
}
