/**
 * A process of the simulation, of an orchestrator or of a service, as its parent sees it: started, asked whether it is alive, killed, or closed.
 *
 * Invariants
 * - `exit` resolves once for however it ends; nothing that it sends is heard after that.
 * - A Ctrl-C is not for it, not even before it can listen to signals; its parent decides for all. It ends when its parent is gone.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { patience } from './clock.js'

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

/** What every such process understands. */
export type Told = { readonly type: 'ping' } | { readonly type: 'close' }
/** What it answers to a ping. */
export type Pong = { readonly type: 'pong' }

/** A process that has not answered for so long is not shown to be alive, ms. */
const pongWithin = 5_000
const closeWithin = 15_000

export class ForkedProcess<Sent extends { readonly type: string }, Heard extends { readonly type: string }> {
  readonly exit: Promise<Exit>
  /** Nobody is there any more. */
  isGone = false
  readonly #process: ChildProcess
  #pong: (() => void) | undefined

  constructor(script: 'child.js' | 'service-process.js', hear: (message: Heard) => void) {
    const file = fileURLToPath(new URL(`./${script}`, import.meta.url))
    this.#process = fork(file, {
      // Its stdout would mix with the simulation's own.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
      // A process group of its own: a terminal sends Ctrl-C to all of the group in front.
      detached: true,
    })
    this.#process.on('message', (message: Heard | Pong) => {
      if (isPong(message)) this.#pong?.()
      else hear(message)
    })
    this.exit = new Promise((resolve, reject) => {
      this.#process.once('error', reject)
      this.#process.once('exit', (code, signal) => {
        this.isGone = true
        resolve({ code, signal })
      })
    })
  }

  send(message: Sent | Told): void {
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

const isPong = (message: { readonly type: string }): message is Pong => message.type === 'pong'
