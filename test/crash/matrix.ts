/**
 * The crash matrix: runs a saga in real processes that die at chosen boundaries, until one of them ends it; then judges it from outside.
 *
 * Invariants
 * - A case counts only if each of its processes died at the boundary that it was told to, by its own report and by the signal.
 * - The judgment rests on the ledger and on what a fresh connection reads.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Orchestrator } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { judge, readLedger } from '../support/ledger.js'

export interface Case {
  readonly saga: 'small' | 'committing' | 'rolling'
  /** The boundary at which each process dies in turn; the one after the last runs on to the end. */
  readonly dieAt: readonly number[]
  readonly signal?: 'SIGKILL' | 'SIGTERM'
  readonly thread?: boolean
  /** How long a process that is told to close lets the saga run on. Default 0. */
  readonly drain?: number | string
}

export interface Verdict {
  readonly wrong: readonly string[]
  /** Boundaries of the run that ended the saga. */
  readonly boundaries: number
  readonly status: string
}

interface Line {
  readonly diedAt?: number
  readonly where?: string
  readonly acknowledged?: string
  readonly ended?: string
  readonly boundaries?: number
  readonly broke?: string
}

interface Run {
  readonly lines: readonly Line[]
  readonly code: number | null
  readonly signal: string | null
  readonly complaints: string
}

const script = fileURLToPath(new URL('child.mjs', import.meta.url))
/** A process that hangs is a failure of its own; the slowest honest one takes a second. */
const patience = 20_000

async function runChild(config: object): Promise<Run> {
  const child = spawn(process.execPath, [script, JSON.stringify(config)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const hung = setTimeout(() => child.kill('SIGKILL'), patience)
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>
  const [output, complaints, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    exit,
  ])
  clearTimeout(hung)
  const lines = output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
  return { lines, code, signal, complaints }
}

/** Runs one case to its end. */
export async function runCase(given: Case): Promise<Verdict> {
  const { saga, dieAt, signal = 'SIGKILL', thread = false, drain = 0 } = given
  const folder = mkdtempSync(join(tmpdir(), 'backstep-crash-'))
  try {
    const config = {
      file: join(folder, 'store.db'),
      ledger: join(folder, 'ledger'),
      saga,
      signal,
      thread,
      drain,
    }
    const wrong: string[] = []
    const answers: string[] = []
    let isAcknowledged = false
    for (const boundary of dieAt) {
      const run = await runChild({ ...config, dieAt: boundary })
      wrong.push(...notItsOwnDeath(run, boundary, signal))
      for (const { ended, acknowledged } of run.lines) {
        if (ended !== undefined) answers.push(ended)
        isAcknowledged ||= acknowledged !== undefined
      }
      if (isAcknowledged && !(await isStored(config.file, saga)))
        wrong.push('an acknowledged saga is missing')
    }
    const last = await runChild(config)
    if (last.code !== 0)
      wrong.push(`the last process ended with ${last.code ?? last.signal}: ${last.complaints}`)
    for (const { ended } of last.lines) if (ended !== undefined) answers.push(ended)
    const { broken, status } = await judgeFile(config.file, config.ledger, saga, answers)
    const boundaries = last.lines.find((line) => line.boundaries !== undefined)?.boundaries ?? 0
    return {
      wrong: [...wrong, ...broken].map((what) => `${describeCase(given)}: ${what}`),
      boundaries,
      status,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const describeCase = ({ saga, dieAt, signal = 'SIGKILL' }: Case): string =>
  `${saga}, ${signal} at ${dieAt.join(' and ')}`

function notItsOwnDeath(
  { lines, code, signal, complaints }: Run,
  boundary: number,
  wanted: string,
): string[] {
  const wrong: string[] = []
  if (!lines.some(({ diedAt }) => diedAt === boundary)) wrong.push(`it did not reach boundary ${boundary}`)
  if (wanted === 'SIGKILL' ? signal !== 'SIGKILL' : code !== 0)
    wrong.push(`it ended with ${signal ?? code}, not by its ${wanted}: ${complaints}`)
  if (complaints !== '') wrong.push(`it complained: ${complaints}`)
  return wrong
}

async function isStored(file: string, saga: string): Promise<boolean> {
  await using reader = await openReader(file)
  return (await reader.get(saga)) !== undefined
}

const openReader = (file: string): Promise<Orchestrator> =>
  Orchestrator.open(sqliteStore(file, { thread: false }), { work: false, log: false })

async function judgeFile(
  file: string,
  ledger: string,
  id: string,
  answers: readonly string[],
): Promise<{ broken: string[]; status: string }> {
  await using reader = await openReader(file)
  const view = await reader.get(id)
  const journal = await reader.journal(id)
  if (!view || !journal) return { broken: ['the saga is missing'], status: 'missing' }
  const broken = judge({ id, lines: readLedger(ledger), view, journal, answers })
  const expected = id === 'committing' ? 'committed' : 'rolled_back'
  if (view.status !== expected) broken.push(`it ended ${view.status}: ${JSON.stringify(view.wayBack)}`)
  return { broken, status: view.status }
}

/** Runs cases side by side, as many as there are processors to run them. */
export async function runCases(cases: readonly Case[], atOnce = 2): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let i = next++; i < cases.length; i = next++) {
      const one = cases[i]
      if (one) verdicts[i] = await runCase(one)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return verdicts
}

/** 1, 2, 3 … n */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)
