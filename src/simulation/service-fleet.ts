/**
 * The three services in processes of their own, as the simulation sees them: addresses to book at, and counts to show.
 *
 * Invariants
 * - What a process counted is known once it has settled; until then a moment later.
 * - One that dies is started again, with its address and its books. One that does not even begin to listen is not: it would never.
 */
import { BackstepError } from '../index.js'
import { randomUpTo } from './clock.js'
import { ForkedProcess } from './forked-process.js'
import type { SimulationOptions } from './options.js'
import type { FromService, ToService } from './service-process.js'
import { type FaultCounts, noCounts, type ServicesOfRun } from './services.js'
import { type Origins, type ServiceName, services } from './trip.js'

type ServiceProcess = ForkedProcess<ToService, FromService>

export class ServiceFleet implements ServicesOfRun {
  readonly #members: readonly Member[]

  private constructor(members: readonly Member[]) {
    this.#members = members
  }

  /** Starts all three; resolves once they listen. */
  static async start(folder: string, options: SimulationOptions): Promise<ServiceFleet> {
    const members = services.map((service) => new Member(service, folder, options))
    const fleet = new ServiceFleet(members)
    try {
      await Promise.all(members.map((member) => member.start()))
      return fleet
    } catch (error) {
      await fleet.close()
      throw error
    }
  }

  get at(): Origins {
    const origins = this.#members.map(({ service, port }) => [service, `http://127.0.0.1:${port}`])
    return Object.fromEntries(origins) as Origins
  }

  get counts(): FaultCounts {
    const sum = noCounts()
    for (const { counts } of this.#members) add(sum, counts)
    return sum
  }

  release(isFree: boolean): void {
    for (const member of this.#members) member.release(isFree)
  }

  async settled(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.settled()))
  }

  kill(): Promise<boolean> {
    return (this.#members[randomUpTo(services.length - 1)] as Member).kill()
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()))
  }
}

function add(sum: FaultCounts, counts: FaultCounts): void {
  for (const name of Object.keys(sum) as (keyof FaultCounts)[]) sum[name] += counts[name]
}

const brokenService = (service: ServiceName, folder: string, why: string): BackstepError =>
  new BackstepError(`the service ${service} cannot begin: ${why}`, {
    code: 'SERVICE_BROKE',
    hint: `its books are in ${folder}: see that there is room; TMPDIR names another place`,
  })

class Member {
  readonly service: ServiceName
  /** Where it listens; 0 until it does. */
  port = 0
  readonly #folder: string
  readonly #options: SimulationOptions
  #process: ServiceProcess | undefined
  /** Resolves once another process has taken the place of one that died. */
  #back: Promise<unknown> = Promise.resolve()
  /** What the processes before this one had counted. */
  readonly #before = noCounts()
  #counts = noCounts()
  #settled: (() => void)[] = []
  #isFree = false
  #isClosing = false

  constructor(service: ServiceName, folder: string, options: SimulationOptions) {
    this.service = service
    this.#folder = folder
    this.#options = options
  }

  get counts(): FaultCounts {
    const sum = { ...this.#counts }
    add(sum, this.#before)
    return sum
  }

  /** Resolves once it listens, where it listened before. */
  async start(): Promise<void> {
    const { service, port } = this
    let started: ServiceProcess | undefined
    await new Promise<void>((resolve, reject) => {
      started = new ForkedProcess('service-process.js', (message) => {
        if (message.type === 'broke') reject(brokenService(service, this.#folder, message.message))
        if (message.type === 'listening') resolve()
        this.#hear(message)
      })
      started.exit.then(() => reject(new Error(`the process of the service ${service} has ended`)), reject)
      started.send({ type: 'begin', service, folder: this.#folder, options: this.#options, port })
      if (this.#isFree) started.send({ type: 'release', isFree: true })
      this.#process = started
    })
    const again = async (): Promise<void> => {
      add(this.#before, this.#counts)
      this.#counts = noCounts()
      if (!this.#isClosing) await this.start()
    }
    // One that does not come back is missed by whoever waits for its answers.
    this.#back = started?.exit.then(again).catch(() => {}) ?? Promise.resolve()
  }

  release(isFree: boolean): void {
    this.#isFree ||= isFree
    this.#process?.send({ type: 'release', isFree })
  }

  async settled(): Promise<void> {
    const answer = new Promise<void>((resolve) => this.#settled.push(resolve))
    this.#process?.send({ type: 'settle' })
    // One that is gone has nothing under way any more.
    await Promise.race([answer, this.#process?.exit])
  }

  async kill(): Promise<boolean> {
    const died = (await this.#process?.kill()) === true
    await this.#back
    return died
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#process?.close()
  }

  #hear(message: FromService): void {
    if (message.type === 'listening') this.port = message.port
    if (message.type === 'counts' || message.type === 'settled') this.#counts = message.counts
    if (message.type === 'settled') for (const resolve of this.#settled.splice(0)) resolve()
  }
}
