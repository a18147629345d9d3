/**
 * The three services in processes of their own, as the simulation sees them: addresses to book at, and counts to show.
 *
 * Invariant: what a process counted is known once it has settled; until then a moment later.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { patience } from './clock.js'
import type { SimulationOptions } from './options.js'
import type { FromService, ToService } from './service-process.js'
import { type FaultCounts, noCounts, type ServicesOfRun } from './services.js'
import { type ServiceName, services } from './trip.js'

const script = fileURLToPath(new URL('./service-process.js', import.meta.url))
const closeWithin = 5_000

/** Where each service is. */
export type Origins = Readonly<Record<ServiceName, string>>

export class ServiceFleet implements ServicesOfRun {
  readonly #members: readonly Member[]

  private constructor(members: readonly Member[]) {
    this.#members = members
  }

  /** Starts all three; resolves once they listen. */
  static async start(folder: string, options: SimulationOptions): Promise<ServiceFleet> {
    const members = services.map((service) => new Member(service, folder, options))
    await Promise.all(members.map(({ listening }) => listening))
    return new ServiceFleet(members)
  }

  get origins(): Origins {
    return Object.fromEntries(this.#members.map(({ service, origin }) => [service, origin])) as Origins
  }

  get counts(): FaultCounts {
    const sum = noCounts()
    for (const { counts } of this.#members)
      for (const name of Object.keys(sum) as (keyof FaultCounts)[]) sum[name] += counts[name]
    return sum
  }

  async settled(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.settled()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()))
  }
}

class Member {
  readonly service: ServiceName
  readonly listening: Promise<void>
  counts: FaultCounts = noCounts()
  origin = ''
  readonly #process: ChildProcess
  readonly #exit: Promise<void>
  #settled: (() => void)[] = []

  constructor(service: ServiceName, folder: string, options: SimulationOptions) {
    this.service = service
    // Its stdout would mix with the simulation's own.
    this.#process = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    this.#exit = new Promise((resolve) => this.#process.once('exit', () => resolve()))
    this.listening = new Promise((resolve, reject) => {
      this.#process.once('error', reject)
      this.#process.once('exit', () => reject(new Error(`the process of the service ${service} has ended`)))
      this.#process.on('message', (message: FromService) => {
        if (message.type === 'broke') reject(new Error(`the service ${service} broke: ${message.message}`))
        if (message.type === 'listening') {
          this.origin = `http://127.0.0.1:${message.port}`
          resolve()
        }
        this.#hear(message)
      })
    })
    this.#send({ type: 'begin', service, folder, options })
  }

  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled.push(resolve)
      this.#send({ type: 'settle' })
      // One that is gone has nothing under way any more.
      void this.#exit.then(resolve)
    })
  }

  async close(): Promise<void> {
    this.#send({ type: 'close' })
    const late = patience(closeWithin).then(() => this.#process.kill('SIGKILL'))
    await Promise.race([this.#exit, late])
    await this.#exit
  }

  #hear(message: FromService): void {
    if (message.type === 'counts' || message.type === 'settled') this.counts = message.counts
    if (message.type === 'settled') for (const resolve of this.#settled.splice(0)) resolve()
  }

  #send(message: ToService): void {
    if (this.#process.connected) this.#process.send(message, () => {})
  }
}
