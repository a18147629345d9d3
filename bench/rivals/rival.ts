/**
 * Another system under the same load, in a process of its own.
 *
 * Invariants
 * - A rival is a folder here with its own package.json, lockfile and main.mjs; nobody who installs Backstep installs it. It is
 *   installed in node_modules/.cache: in its own folder the compiler and the linter would find its packages.
 * - It does nothing between two slices, so that it can take turns with us on one machine.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Slice } from '../slices.js'

/** Of one slice, as the rival prints it. */
export interface RivalFigures {
  readonly name: string
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** The repository, seen from dist-bench/rivals. */
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Installs what the lockfile says, unless it is there. */
function installed(name: string): string {
  const source = join(root, 'bench', 'rivals', name)
  const folder = join(root, 'node_modules', '.cache', 'backstep-rivals', name)
  const done = join(folder, 'node_modules', '.package-lock.json')
  const lock = 'package-lock.json'
  const isFresh =
    existsSync(done) && readFileSync(join(folder, lock)).equals(readFileSync(join(source, lock)))
  // Not what somebody installed in place.
  cpSync(source, folder, { recursive: true, filter: (file) => !file.endsWith('node_modules') })
  if (!isFresh)
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 2, 2] })
  return join(folder, 'main.mjs')
}

export class Rival {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  /** Of each slice, in order. */
  readonly figures: RivalFigures[] = []

  private constructor(process: ChildProcess) {
    this.#process = process
    if (!process.stdout) throw new Error('a rival without a stdout')
    this.#lines = createInterface(process.stdout)[Symbol.asyncIterator]()
  }

  /** `name`: its folder. `address`: of a database of its own, which it creates where it is missing. */
  static start(name: string, address: string): Rival {
    const child = spawn(process.execPath, ['--no-deprecation', installed(name), address, '-'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    return new Rival(child)
  }

  /** Answers with what it did a second. */
  slice(atOnce: number): Slice {
    return async (seconds) => {
      this.#process.stdin?.write(`${atOnce} ${seconds}\n`)
      const line = await this.#lines.next()
      if (line.done) throw new Error(`the rival ended with code ${this.#process.exitCode}`)
      const figures = JSON.parse(line.value) as RivalFigures
      this.figures.push(figures)
      return figures.perSecond
    }
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return
    const exit = once(this.#process, 'exit')
    this.#process.stdin?.end()
    await exit
  }
}
