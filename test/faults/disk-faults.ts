/**
 * Scenario 25: the Nth operation on the files of a SQLite store fails, for every N. Runs cases in processes that the shim has been put in
 * front of, and judges each from outside: by the ledger, and by what a fresh orchestrator reads.
 *
 * Invariant
 * - A case counts only if its fault came, by the shim's own count.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Orchestrator } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { judgeSaga, type LedgerLine } from '../support/ledger.js'
import { failingFolder } from '../support/shim.js'
import type { FaultKind, FaultOrder } from '../support/shim-fault.mjs'
import { temporaryFolder } from '../support/stores.js'

/** One way to fail; `at` is what varies. */
export interface Way {
  readonly name: string
  readonly kinds: readonly FaultKind[]
  readonly error?: 'EIO' | 'ENOSPC'
  readonly half?: boolean
  readonly times?: number
  readonly thread?: boolean
  /** Somebody else has the file open, too. */
  readonly companion?: boolean
}

interface Verdict {
  readonly name: string
  readonly file: string
  readonly seen: number
  readonly failed: number
  readonly wrong: readonly string[]
  readonly refusals: readonly string[]
  readonly answers: Readonly<Record<string, string>>
  readonly lines: readonly LedgerLine[]
}

export interface WayReport {
  /** Operations of these kinds in a run without a fault. */
  readonly calls: number
  readonly cases: number
  /** Cases whose fault came. */
  readonly hits: number
  /** Cases in which somebody was told that the store does not answer. */
  readonly refused: number
  readonly wrong: readonly string[]
}

const script = fileURLToPath(new URL('child.mjs', import.meta.url))
const pragmas = fileURLToPath(new URL('../power/pragmas.mjs', import.meta.url))
const ids = ['good', 'bad', 'next']
const expected = { good: 'committed', bad: 'rolled_back', next: 'committed' } as const

/** A process that takes cases. */
class Lane {
  readonly #child
  readonly #answers
  readonly #complaints

  constructor() {
    const folder = join(temporaryFolder(), 'stores')
    mkdirSync(folder)
    const { env, fault } = failingFolder(folder)
    const config = JSON.stringify({ folder, fault: fault.path })
    this.#child = spawn(process.execPath, ['--import', pragmas, script, config], {
      // A WAL of ten pages: it is checkpointed several times in each case.
      env: { ...env, BACKSTEP_POWER_PRAGMAS: 'wal_autocheckpoint=10' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
    this.#complaints = text(this.#child.stderr)
  }

  async run(name: string, order: FaultOrder, { thread, companion }: Way): Promise<Verdict> {
    this.#child.stdin.write(`${JSON.stringify({ name, order, thread, companion })}\n`)
    const { value, done } = await this.#answers.next()
    if (done) throw new Error(`${name}: the process is gone: ${await this.#complaints}`)
    return JSON.parse(value) as Verdict
  }

  async end(): Promise<void> {
    this.#child.stdin.end()
    const complaints = await this.#complaints
    if (complaints !== '') throw new Error(complaints)
  }
}

/** Goes on with what is left, and judges all of it. */
async function judge({ file, lines, answers }: Verdict): Promise<string[]> {
  const wrong: string[] = []
  await using reader = await Orchestrator.open(sqliteStore(file, { thread: false }), {
    work: false,
    log: false,
  })
  const { problems } = await reader.health()
  wrong.push(...problems)
  for (const id of ids) {
    const answer = answers[id]
    wrong.push(...(await judgeSaga(reader, id, lines, { answers: answer === undefined ? [] : [answer] })))
    const status = (await reader.get(id))?.status
    if (status !== expected[id as keyof typeof expected]) wrong.push(`${id} ended ${status}`)
  }
  return wrong
}

/** Runs `choose` of the calls that a clean run makes, in processes side by side. */
export async function runWay(
  way: Way,
  choose: (calls: number) => readonly number[],
  lanes = 4,
): Promise<WayReport> {
  const open = Array.from({ length: lanes }, () => new Lane())
  const { kinds, error, half, times } = way
  const order = (at: number): FaultOrder => ({
    kinds,
    at,
    ...(error ? { error } : {}),
    ...(half ? { half } : {}),
    ...(times ? { times } : {}),
  })
  const clean = await (open[0] as Lane).run(`clean`, order(0), way)
  const wrong = clean.wrong.map((what) => `${way.name}, without a fault: ${what}`)
  wrong.push(...(await judge(clean)))
  const left = [...choose(clean.seen)]
  const cases = left.length
  let hits = 0
  let refused = 0
  const take = async (lane: Lane): Promise<void> => {
    for (let at = left.shift(); at !== undefined; at = left.shift()) {
      const verdict = await lane.run(`case-${at}`, order(at), way)
      if (verdict.failed > 0) hits++
      if (verdict.refusals.length > 0) refused++
      const found = [...verdict.wrong, ...(await judge(verdict)), ...strange(way, verdict)]
      wrong.push(...found.map((what) => `${way.name}, call ${at} of ${clean.seen}: ${what}`))
      rmSync(join(verdict.file, '..'), { recursive: true })
    }
  }
  await Promise.all(open.map(take))
  await Promise.all(open.map((lane) => lane.end()))
  return { calls: clean.seen, cases, hits, refused, wrong }
}

/** A disk that cannot be written has not damaged the file. Where it cannot be read SQLite itself cannot tell that from a damaged one. */
function strange({ kinds }: Way, { refusals }: Verdict): string[] {
  const honest = kinds.includes('read')
    ? /^STORE_(UNAVAILABLE|ADDRESS|CORRUPT)/
    : /^STORE_(UNAVAILABLE|ADDRESS)/
  return refusals.filter((what) => !honest.test(what)).map((what) => `refused with ${what}`)
}

export const everyCall = (calls: number): number[] => Array.from({ length: calls }, (_, i) => i + 1)

/** One line, for people. */
export const describeWay = ({ name }: Way, { calls, cases, hits, refused, wrong }: WayReport): string =>
  `${name}: ${calls} calls in a clean run, ${cases} cases, ${hits} hit, ${refused} in which somebody was refused, ${wrong.length} wrong`
