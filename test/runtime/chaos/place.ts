/**
 * A place where one process runs after the other: each dies or closes after a while, and the next one opens.
 */
import { type Definition, Orchestrator } from 'backstep'
import { type Input, lease, type World } from './world.js'

type Kind = 'keyed' | 'serial'

export class Place {
  readonly #world: World
  readonly #dead: Orchestrator[] = []
  #pid: number
  #offered: Record<Kind, Definition<Input, unknown>> | undefined
  orchestrator: Orchestrator | undefined
  #stopped = false
  readonly #life: Promise<void>

  constructor(world: World, number: number) {
    this.#world = world
    this.#pid = number * 1_000
    this.#life = this.#live()
  }

  /** False where it was not stored, or where nobody knows. */
  async submit(kind: Kind, input: Input, id: string): Promise<boolean> {
    const { orchestrator } = this
    const definition = this.#offered?.[kind]
    if (!orchestrator || !definition) return false
    const submitted = orchestrator.submit(definition, input, { id }).then(
      () => true,
      () => false,
    )
    // Its process may have died: then it never says.
    return Promise.race([submitted, this.#world.clock.sleep(1_000).then(() => false)])
  }

  /** Ends the last process, and lets go of the dead ones. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#life
    this.#world.bury()
    for (const orchestrator of [...this.#dead, this.orchestrator]) await orchestrator?.close({ drain: 0 })
  }

  async #live(): Promise<void> {
    const world = this.#world
    for (;;) {
      await this.#open()
      const until = world.clock.now() + 500 + world.clock.random() * 5_000
      while (!this.#stopped && !world.calm && (world.clock.now() < until || !world.mayDie(this.#pid)))
        await world.clock.sleep(50)
      if (this.#stopped || world.calm) return
      await (world.chance(0.6) ? this.#die() : this.#close())
      await world.clock.sleep(world.clock.random() * 500)
    }
  }

  async #open(): Promise<void> {
    const world = this.#world
    const { clock } = world
    while (!this.orchestrator) {
      const pid = ++this.#pid
      this.#offered = world.definitions(pid)
      const sagas = Object.values(this.#offered)
      const options = { sagas, log: false, clock, lease, grace: 40, concurrency: 4 } as const
      this.orchestrator = await Orchestrator.open(world.storeFor(pid), options).catch(() => undefined)
    }
  }

  async #die(): Promise<void> {
    if (this.orchestrator) this.#dead.push(this.orchestrator)
    this.orchestrator = undefined
    await this.#world.kill(this.#pid)
  }

  async #close(): Promise<void> {
    const world = this.#world
    const pid = this.#pid
    world.count('closes')
    const drain = world.chance(0.5) ? 0 : 300
    if (drain === 0) world.end(pid)
    else world.clock.timer(drain, () => world.end(pid))
    const closing = this.orchestrator?.close({ drain })
    this.orchestrator = undefined
    await closing
    world.end(pid)
  }
}
