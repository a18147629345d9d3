/**
 * The orchestrator's process, as its parent sees it: started, asked whether it is alive, killed, or closed.
 *
 * Invariant: `exit` resolves once for however it ends; nothing that it sends is heard after that.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { patience } from './clock.js'
import type { ToChild, ToParent } from './pipe.js'

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

const script = fileURLToPath(new URL('./child.js', import.meta.url))
/** A process that has not answered for so long is not shown to be alive, ms. */
const pongWithin = 5_000
const closeWithin = 15_000

export class Victim {
  readonly exit: Promise<Exit>
  readonly #process: ChildProcess
  #pong: (() => void) | undefined

  constructor(hear: (message: ToParent) => void) {
    // Its stdout would mix with the simulation's own.
    this.#process = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    this.#process.on('message', (message: ToParent) => {
      if (message.type === 'pong') this.#pong?.()
      else hear(message)
    })
    this.exit = new Promise((resolve, reject) => {
      this.#process.once('error', reject)
      this.#process.once('exit', (code, signal) => resolve({ code, signal }))
    })
  }

  send(message: ToChild): void {
    // Answers to a process that is gone by now go nowhere.
    if (this.#process.connected) this.#process.send(message, () => {})
  }

  /** Kills it with SIGKILL. True if it answered right before, and died of this. */
  async kill(): Promise<boolean> {
    const alive = await this.#answers()
    this.#process.kill('SIGKILL')
    const { signal } = await this.exit
    return alive && signal === 'SIGKILL'
  }

  /** Lets it drain and leave; kills it where that takes too long. */
  async close(): Promise<void> {
    this.send({ type: 'close' })
    const late = patience(closeWithin).then(() => this.#process.kill('SIGKILL'))
    await Promise.race([this.exit, late])
    await this.exit
  }

  async #answers(): Promise<boolean> {
    const pong = new Promise<true>((resolve) => {
      this.#pong = () => resolve(true)
    })
    this.send({ type: 'ping' })
    return Promise.race([pong, this.exit.then(() => false), patience(pongWithin).then(() => false)])
  }
}
