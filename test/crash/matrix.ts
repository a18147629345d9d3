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
import { type JournalEntry, Orchestrator } from 'backstep'
import { judge, type LedgerLine, readLedger } from '../support/ledger.js'
import type { SharedPlace } from '../support/shared-places.js'
import { sharedStore } from '../support/shared-store.mjs'

export interface Case {
  readonly saga: 'small' | 'committing' | 'rolling'
  /** The boundary at which each process dies in turn; the one after the last runs on to the end. */
  readonly dieAt: readonly number[]
  readonly signal?: 'SIGKILL' | 'SIGTERM'
  /** SQLite in its thread. */
  readonly thread?: boolean
  /** How long a process that is told to close lets the saga run on. Default 0. */
  readonly drain?: number | string
}

export interface Verdict {
  readonly wrong: readonly string[]
  /** The boundaries of the run that ended the saga, in words. */
  readonly trail: readonly string[]
  readonly lines: readonly LedgerLine[]
  readonly journal: readonly JournalEntry[]
}

interface Line {
  readonly diedAt?: number
  readonly acknowledged?: string
  readonly ended?: string
  readonly trail?: readonly string[]
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

/** How writes fall into flushes depends a little on the machine, and so does the count of boundaries at the very end. */
const tries = 3

/** Runs one case to its end; once more where a process ended before it came to its boundary. */
export async function runCase(place: SharedPlace, given: Case): Promise<Verdict> {
  for (let left = tries; ; left--) {
    const verdict = await tryCase(place, given)
    if (left === 1 || !verdict.wrong.some((what) => what.includes(notReached))) return verdict
  }
}

const notReached = 'it did not reach boundary'

async function tryCase(place: SharedPlace, given: Case): Promise<Verdict> {
  const { saga, dieAt, signal = 'SIGKILL', thread = false, drain = 0 } = given
  const folder = mkdtempSync(join(tmpdir(), 'backstep-crash-'))
  try {
    const address = await place.address()
    const { lease } = place
    const config = { address, ledger: join(folder, 'ledger'), saga, signal, thread, drain, lease }
    const wrong: string[] = []
    const runs: Run[] = []
    for (const boundary of dieAt) {
      const run = await runChild({ ...config, dieAt: boundary })
      runs.push(run)
      wrong.push(...notItsOwnDeath(run, boundary, signal))
      if (isAcknowledged(runs) && !(await isStored(address, saga)))
        wrong.push('an acknowledged saga is missing')
    }
    const last = await runChild(config)
    if (last.code !== 0)
      wrong.push(`the last process ended with ${last.code ?? last.signal}: ${last.complaints}`)
    const answers = [...runs, last].flatMap(({ lines }) => lines.flatMap(({ ended }) => ended ?? []))
    const lines = readLedger(config.ledger)
    const { broken, journal } = await judgeStore(address, lines, saga, answers)
    const trail = last.lines.flatMap((line) => line.trail ?? [])
    return {
      wrong: [...wrong, ...broken].map((what) => `${describeCase(given)}: ${what}`),
      trail,
      lines,
      journal,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const isAcknowledged = (runs: readonly Run[]): boolean =>
  runs.some(({ lines }) => lines.some(({ acknowledged }) => acknowledged !== undefined))

const describeCase = ({ saga, dieAt, signal = 'SIGKILL' }: Case): string =>
  `${saga}, ${signal} at ${dieAt.join(' and ')}`

function notItsOwnDeath(
  { lines, code, signal, complaints }: Run,
  boundary: number,
  wanted: string,
): string[] {
  const wrong: string[] = []
  if (!lines.some(({ diedAt }) => diedAt === boundary)) wrong.push(`${notReached} ${boundary}`)
  if (wanted === 'SIGKILL' ? signal !== 'SIGKILL' : code !== 0)
    wrong.push(`it ended with ${signal ?? code}, not by its ${wanted}: ${complaints}`)
  if (complaints !== '') wrong.push(`it complained: ${complaints}`)
  return wrong
}

async function isStored(address: string, saga: string): Promise<boolean> {
  await using reader = await openReader(address)
  return (await reader.get(saga)) !== undefined
}

const openReader = (address: string): Promise<Orchestrator> =>
  Orchestrator.open(sharedStore(address, { thread: false }), { work: false, log: false })

async function judgeStore(
  address: string,
  lines: readonly LedgerLine[],
  id: string,
  answers: readonly string[],
): Promise<{ broken: string[]; journal: readonly JournalEntry[] }> {
  await using reader = await openReader(address)
  const view = await reader.get(id)
  const journal = await reader.journal(id)
  if (!view || !journal) return { broken: ['the saga is missing'], journal: [] }
  const broken = judge({ id, lines, view, journal, answers })
  const expected = id === 'committing' ? 'committed' : 'rolled_back'
  if (view.status !== expected) broken.push(`it ended ${view.status}: ${JSON.stringify(view.wayBack)}`)
  return { broken, journal }
}

/** Runs cases side by side, as many as there are processors to run them. */
export async function runCases(place: SharedPlace, cases: readonly Case[], atOnce = 2): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let i = next++; i < cases.length; i = next++) {
      const one = cases[i]
      if (one) verdicts[i] = await runCase(place, one)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return verdicts
}

/** 1, 2, 3 … n */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)
