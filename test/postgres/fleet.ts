/**
 * Processes that run jobs from one database, their ledger, and the judgment of what they did.
 *
 * Invariants
 * - Whatever happens to the test, no process outlives it: each ends with its stdin.
 * - A ledger is read as it grows; nobody reads ten thousand sagas' lines anew each time.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Orchestrator } from 'backstep'
import { judgeSaga, type LedgerLine, MemoryLedger } from '../support/ledger.js'
import { temporaryFolder } from '../support/stores.js'
import { type Job, jobSaga } from './jobs.mjs'

const script = fileURLToPath(new URL('child.mjs', import.meta.url))

export interface FleetOptions {
  readonly address: string
  readonly lease?: number
  readonly concurrency?: number
  /** What the orchestrators complain of goes into the file `log`. */
  readonly log?: boolean
}

export class Member {
  readonly pid: number
  /** Its wall clock when it was ready. */
  readonly ready: Promise<number>
  readonly gone: Promise<[code: number | null, signal: string | null]>
  readonly #child: ChildProcessByStdio<Writable, Readable, null>

  constructor(config: object, env: NodeJS.ProcessEnv) {
    const child = spawn(process.execPath, [script, JSON.stringify(config)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env,
    })
    this.#child = child
    this.pid = child.pid ?? 0
    this.gone = once(child, 'exit') as Promise<[number | null, string | null]>
    this.ready = Promise.race([
      once(child.stdout, 'data').then(([data]) => Number(String(data).split(' ')[1])),
      this.gone.then(([code, signal]) => {
        throw new Error(`a process of the fleet ended before it was ready: ${code ?? signal}`)
      }),
    ])
    this.ready.catch(() => {})
    child.stdin.on('error', () => {})
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** By its own clock. */
  submit(id: string, input: Job, deadline?: number): void {
    this.#child.stdin.write(`${JSON.stringify({ id, input, deadline })}\n`)
  }

  /** It closes in order. */
  end(): void {
    this.#child.stdin.end()
  }
}

export class Fleet {
  readonly ledger: Ledger
  readonly log: string
  readonly members: Member[] = []
  readonly #options: FleetOptions

  constructor(options: FleetOptions) {
    const folder = temporaryFolder()
    this.#options = options
    this.log = join(folder, 'log')
    writeFileSync(this.log, '')
    this.ledger = new Ledger(join(folder, 'ledger'))
  }

  async start(count = 1, env: NodeJS.ProcessEnv = process.env): Promise<Member[]> {
    const { log, ...config } = this.#options
    const started = Array.from({ length: count }, () => {
      const all = { ...config, ledger: this.ledger.path, ...(log ? { log: this.log } : {}) }
      return new Member(all, env)
    })
    this.members.push(...started)
    await Promise.all(started.map(({ ready }) => ready))
    return started
  }

  /** kill -9 of one; it is no member any more. */
  async kill(member: Member): Promise<void> {
    this.members.splice(this.members.indexOf(member), 1)
    member.signal('SIGKILL')
    await member.gone
  }

  /** All close in order. */
  async end(): Promise<void> {
    const members = this.members.splice(0)
    for (const member of members) member.end()
    for (const { gone } of members) {
      const [code, signal] = await gone
      if (code !== 0) throw new Error(`a process of the fleet ended with ${code ?? signal}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members.splice(0)) {
      member.signal('SIGKILL')
      await member.gone
    }
    this.ledger.close()
  }
}

/** The file that all processes write to. */
export class Ledger {
  readonly path: string
  readonly #fd: number
  readonly #lines: LedgerLine[] = []
  readonly #buffer = Buffer.alloc(1 << 20)
  #rest = ''

  constructor(path: string) {
    this.path = path
    this.#fd = openSync(path, 'a+')
  }

  /** What has been written so far. */
  read(): readonly LedgerLine[] {
    for (;;) {
      const size = readSync(this.#fd, this.#buffer)
      if (size === 0) return this.#lines
      const parts = (this.#rest + this.#buffer.toString('latin1', 0, size)).split('\n')
      this.#rest = parts.pop() ?? ''
      for (const part of parts) this.#lines.push(JSON.parse(part) as LedgerLine)
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** Lines of each saga. */
export function bySaga(lines: readonly LedgerLine[]): Map<string, LedgerLine[]> {
  const groups = new Map<string, LedgerLine[]>()
  for (const line of lines) {
    const group = groups.get(line.saga)
    if (group) group.push(line)
    else groups.set(line.saga, [line])
  }
  return groups
}

/** Attempts that this process has begun and not ended. */
export function underWay(lines: readonly LedgerLine[], pid: number): Set<string> {
  const open = new Set<string>()
  for (const { saga, step, direction, outcome, pid: by } of lines) {
    if (by !== pid) continue
    const what = `${saga} ${step} ${direction}`
    if (outcome === 'begun') open.add(what)
    else open.delete(what)
  }
  return open
}

export const until = async (
  holds: () => boolean | Promise<boolean>,
  within = 20_000,
  what = 'what was waited for did not come',
): Promise<void> => {
  const end = performance.now() + within
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(what)
    await sleep(15)
  }
}

/** One that submits and looks, and runs nothing. Its definition is only submitted. */
export async function desk(address: string) {
  const orchestrator = await Orchestrator.open(address, { work: false, log: false })
  return { orchestrator, job: jobSaga(new MemoryLedger()) }
}

export type Jobs = ReadonlyMap<string, Job>

export function jobs(count: number, make: (i: number) => Job): Jobs {
  return new Map(Array.from({ length: count }, (_, i) => [`job-${i}`, make(i)]))
}

const submitAtOnce = 250

export async function submitAll(
  orchestrator: Orchestrator,
  job: ReturnType<typeof jobSaga>,
  all: Iterable<readonly [string, Job]>,
): Promise<void> {
  const left = [...all]
  while (left.length > 0) {
    const some = left.splice(0, submitAtOnce)
    await Promise.all(some.map(([id, input]) => orchestrator.submit(job, input, { id })))
  }
}

/** As a caller should who is told that the outcome is unknown: again, with the same id. */
export async function runToEnd(
  orchestrator: Orchestrator,
  job: ReturnType<typeof jobSaga>,
  id: string,
  input: Job,
): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const error = await orchestrator.run(job, input, { id }).then(
      () => undefined,
      (error: { code?: string }) => error,
    )
    if (error?.code !== 'STORE_UNAVAILABLE') return
    await sleep(50)
  }
  throw new Error(`${id} could not be submitted`)
}

/** How many of all sagas have not ended. */
export async function unfinished(orchestrator: Orchestrator): Promise<number> {
  const { counts } = await orchestrator.health()
  return counts.queued + counts.running + counts.rolling_back
}

/** Every promise that was broken, of all jobs, in words. None may have ended otherwise than its input, or a third crash, says. */
export async function judgeJobs(
  orchestrator: Orchestrator,
  all: Jobs,
  lines: readonly LedgerLine[],
): Promise<string[]> {
  const groups = bySaga(lines)
  const wrong: string[] = []
  for (const id of groups.keys()) if (!all.has(id)) wrong.push(`${id}: nobody submitted it`)
  for (const [id, { fails }] of all) {
    const own = groups.get(id) ?? []
    const turnsBack = fails || (await crashLooped(orchestrator, id, own))
    wrong.push(
      ...(await judgeSaga(orchestrator, id, own, { answers: [turnsBack ? 'rolled_back' : 'committed'] })),
    )
  }
  return wrong
}

/** A step that was open at three crashes turns its saga back (P8), whoever did the killing. The ledger must show three processes in it. */
async function crashLooped(
  orchestrator: Orchestrator,
  id: string,
  lines: readonly LedgerLine[],
): Promise<boolean> {
  if (new Set(lines.map(({ pid }) => pid)).size < 3) return false
  const { wayBack } = (await orchestrator.get(id)) ?? {}
  const inStep = lines.filter(({ step, direction }) => step === wayBack?.step && direction === 'commit')
  return wayBack?.reason === 'crash_loop' && new Set(inStep.map(({ pid }) => pid)).size >= 3
}

/** Calls that were made more than once, of steps that nothing but the store's trouble could have made run again. */
export function repeated(lines: readonly LedgerLine[]): string[] {
  const seen = new Set<string>()
  const twice: string[] = []
  for (const { saga, step, direction, outcome } of lines) {
    if (outcome !== 'begun') continue
    const what = `${direction} of ${step} of ${saga}`
    if (seen.has(what)) twice.push(what)
    seen.add(what)
  }
  return twice
}
