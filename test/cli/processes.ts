/**
 * Real processes for the tests of the command line: the command itself, and one that runs sagas beside it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const runner = fileURLToPath(new URL('trips.mjs', import.meta.url))

export interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Where {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** What a test inherits from whoever started it must not decide how it ends. */
function cleanEnv(): NodeJS.ProcessEnv {
  const { BACKSTEP_STORE: _, COLUMNS: __, NO_COLOR: ___, FORCE_COLOR: ____, ...rest } = process.env
  return rest
}

export const start = (args: readonly string[], { cwd, env }: Where = {}) =>
  spawn(process.execPath, [command, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

export async function finish(child: ReturnType<typeof start>): Promise<Said> {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { stdout, stderr, code: code as number | null }
}

/** Runs `backstep` with these arguments. */
export const backstep = (args: readonly string[], where?: Where): Promise<Said> => finish(start(args, where))

export interface Order {
  readonly submit?: 'trip' | 'line' | 'alone'
  readonly id?: string
  readonly input?: object
  readonly until?: string
  readonly close?: true
}

/** A process that runs sagas (trips.mjs). */
export class Trips {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child
    this.#lines = lines
  }

  static async start(file: string, version = '1'): Promise<Trips> {
    const child = spawn(process.execPath, [runner, file, version], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (!child.stdout) throw new Error('no stdout')
    const trips = new Trips(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]())
    await trips.#heard()
    return trips
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async tell(order: Order): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
    return this.#heard()
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  async #heard(): Promise<unknown> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the process with the sagas is gone')
    return JSON.parse(value as string)
  }
}

/** A folder for one file of tests. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'backstep-cli-'))
  readonly file = (name: string): string => join(this.path, name)
  remove(): void {
    // One that was just killed may still write.
    rmSync(this.path, { recursive: true, force: true, maxRetries: 9 })
  }
}

/** What differs from run to run is made the same. */
export const normalised = (output: string): string =>
  output
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE')
    .replace(/, at \d\d:\d\d:\d\d/g, ', at CLOCK')
    .replace(/[+-]\d+\.\d{3}s/g, '+TIME')
    .replace(/\b\d+@[\w.-]+/g, 'PROCESS')
    .replace(/(?<![[\w])\d+(\.\d+)?(ms|s|m|h|d)\b( \d+(s|m|h)\b)?/g, 'TIME')
    .replace(/\b[\d.]+ [kMGT]?B\b/g, 'SIZE')
