/**
 * So many processes on one database, each with its own loops, which start and stop together.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Slice } from '../slices.js'

const script = fileURLToPath(new URL('member.js', import.meta.url))

interface Member {
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  readonly lines: AsyncIterator<string>
}

export class Fleet {
  readonly #members: readonly Member[]

  private constructor(members: readonly Member[]) {
    this.#members = members
  }

  /** `clients` loops in each process, no two with the same key. */
  static async start(address: string, processes: number, clients: number): Promise<Fleet> {
    const members = Array.from({ length: processes }, (_, i): Member => {
      const args = [script, address, String(i * clients), String(clients)]
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
      return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() }
    })
    const fleet = new Fleet(members)
    await fleet.#answers()
    return fleet
  }

  /** Sagas a second, of all of them together. */
  readonly slice: Slice = async (seconds) => {
    const begin = performance.now()
    for (const { child } of this.#members) child.stdin.write(`${seconds}\n`)
    const counts = await this.#answers()
    return counts.reduce((sum, count) => sum + Number(count), 0) / ((performance.now() - begin) / 1_000)
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#members.map(async ({ child }) => {
        const exit = once(child, 'exit')
        child.stdin.end()
        await exit
      }),
    )
  }

  #answers(): Promise<string[]> {
    return Promise.all(
      this.#members.map(async ({ child, lines }) => {
        const { value, done } = await lines.next()
        if (done) throw new Error(`a process of the fleet ended with ${child.exitCode ?? child.signalCode}`)
        return value
      }),
    )
  }
}
