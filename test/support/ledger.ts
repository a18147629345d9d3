/**
 * The checker: reads the external ledger and what the store and the API say, and names every promise that was broken.
 * It never looks at an orchestrator's memory.
 *
 * Invariants
 * - It judges by the order of lines alone: no clocks.
 * - The participants it imagines are idempotent by key: the same commit or rollback twice changes nothing. A rollback that must
 *   count once more has to come with a new key (P4, late successes).
 */
import { readFileSync } from 'node:fs'
import type { JournalEntry, Orchestrator, SagaView } from 'backstep'
import type { LedgerContext } from './ledger-file.mjs'

/** `begun`: the call was entered. `committed`, `rolled_back`: it took effect. `rejected`, `failed`: it ended without one. */
export type LedgerOutcome = 'begun' | 'committed' | 'rejected' | 'rolled_back' | 'failed'

export interface LedgerLine {
  readonly saga: string
  readonly step: string
  readonly direction: 'commit' | 'rollback'
  readonly attempt: number
  readonly key: string
  readonly token: number
  readonly pid: number
  readonly outcome: LedgerOutcome
}

export function readLedger(path: string): LedgerLine[] {
  const text = readFileSync(path, 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LedgerLine)
}

/** What is known of one saga from outside of the orchestrator. */
export interface Witness {
  readonly id: string
  readonly lines: readonly LedgerLine[]
  /** Read from the store by a fresh connection. */
  readonly view: SagaView
  readonly journal: readonly JournalEntry[]
  /** Steps whose `when` said no, and steps without a rollback. */
  readonly spared?: readonly string[]
  /** What callers were told of its end. */
  readonly answers?: readonly string[]
}

/** Every broken promise of one saga that should have ended, in words; empty when all held. */
export function judge(witness: Witness): string[] {
  return [
    ...ended(witness),
    ...wholeOrUndone(witness),
    // What lands after it was given up is undone again, in whatever order it became known.
    ...(witness.journal.some(({ type }) => type === 'late') ? [] : inOrder(witness)),
    ...attemptsKept(witness.lines),
    ...keysKept(witness.lines),
    ...tokensGrow(witness.lines),
    ...decided(witness),
  ].map((what) => `${witness.id}: ${what}`)
}

/** P2, and that the answers agree with the store. */
function ended({ view, journal, answers = [] }: Witness): string[] {
  const wrong: string[] = []
  if (view.status !== 'committed' && view.status !== 'rolled_back') wrong.push(`it is ${view.status}`)
  const last = journal.at(-1)
  if (last?.type !== 'ended' || last.status !== view.status)
    wrong.push(`its journal ends with ${last?.type}, its row says ${view.status}`)
  for (const answer of answers) {
    if (answer === view.status) continue
    const why = view.wayBack ? ` (${view.wayBack.reason})` : ''
    wrong.push(`a caller was told ${answer}, the store says ${view.status}${why}`)
  }
  return wrong
}

/** Which steps stand, by an idempotent participant: each key takes effect once. */
export function standing(lines: readonly LedgerLine[]): Set<string> {
  const stands = new Set<string>()
  const done = new Set<string>()
  for (const { step, key, outcome } of lines) {
    if (outcome === 'committed') {
      // A commit that lands again under its key after it was undone: the participant has no memory of undone ones.
      stands.add(step)
    } else if (outcome === 'rolled_back' && !done.has(key)) {
      done.add(key)
      stands.delete(step)
    }
  }
  return stands
}

/** P2, P4: every effect stands, or none. */
function wholeOrUndone({ lines, view, spared = [] }: Witness): string[] {
  const stands = standing(lines)
  const wanted = view.status === 'committed'
  return view.steps.flatMap(({ name, commit }) => {
    if (spared.includes(name) || commit === 'skipped') return []
    if (stands.has(name) === wanted) return []
    return [`step ${name} ${wanted ? 'does not stand' : 'stands'}, though the saga is ${view.status}`]
  })
}

/** P3: forward in order of positions, back in the exact reverse. */
function inOrder(witness: Witness): string[] {
  const order = new Order(witness)
  return witness.lines.flatMap((line) => order.next(line))
}

/** What has happened so far, line by line, and what must not happen next. */
class Order {
  readonly #steps: readonly { readonly name: string; readonly position: number }[]
  readonly #at: (step: string) => number
  readonly #committed = new Set<string>()
  readonly #undone = new Set<string>()
  /** The lowest position whose rollback has begun. */
  #lowest = Number.POSITIVE_INFINITY

  constructor({ view, spared = [] }: Witness) {
    const position = new Map(view.steps.map((step) => [step.name, step.position]))
    this.#steps = view.steps.filter(({ name, commit }) => commit !== 'skipped' && !spared.includes(name))
    this.#at = (step) => position.get(step) ?? Number.NaN
  }

  next(line: LedgerLine): string[] {
    const { step, direction, outcome } = line
    if (outcome === 'committed') this.#committed.add(step)
    if (outcome === 'rolled_back') this.#undone.add(step)
    if (outcome !== 'begun') return []
    return direction === 'commit' ? this.#commitBegins(line) : this.#rollbackBegins(line)
  }

  #commitBegins({ step, attempt }: LedgerLine): string[] {
    const what = `${step} #${attempt} began`
    const wrong = this.#steps
      .filter(({ name, position }) => position < this.#at(step) && !this.#committed.has(name))
      .map(({ name }) => `${what} before ${name} had committed`)
    if (this.#lowest !== Number.POSITIVE_INFINITY) wrong.push(`${what} after rollbacks had begun`)
    return wrong
  }

  #rollbackBegins(line: LedgerLine): string[] {
    const position = this.#at(line.step)
    const what = `the rollback of ${line.step} #${line.attempt} began`
    const wrong = this.#steps
      .filter(({ name }) => this.#at(name) > position && this.#committed.has(name) && !this.#undone.has(name))
      .map(({ name }) => `${what} before that of ${name} was done`)
    if (position > this.#lowest && !laterRound(line)) wrong.push(`${what} after that of a lower position`)
    this.#lowest = Math.min(this.#lowest, position)
    return wrong
  }
}

/** A commit that landed late is undone once more, whatever has been undone since. */
const laterRound = ({ key }: LedgerLine): boolean => /:rollback:\d+$/.test(key)

/** No attempt number is lost or used twice: each call has a higher one than all before it. */
function attemptsKept(lines: readonly LedgerLine[]): string[] {
  const highest = new Map<string, number>()
  const wrong: string[] = []
  for (const { step, direction, attempt, outcome } of lines) {
    if (outcome !== 'begun') continue
    const what = `${direction} of ${step}`
    const before = highest.get(what) ?? 0
    if (attempt <= before) wrong.push(`${what} was called as attempt ${attempt} after attempt ${before}`)
    highest.set(what, Math.max(before, attempt))
  }
  return wrong
}

/** The same key on every attempt of a direction of a step (and round); no two of these share one; one uid for all. */
function keysKept(lines: readonly LedgerLine[]): string[] {
  const wrong: string[] = []
  const meaning = new Map<string, string>()
  const uids = new Set<string>()
  const commitKeys = new Map<string, string>()
  for (const { step, direction, key } of lines) {
    uids.add(key.split(':')[0] ?? '')
    const what = `${direction} of ${step}`
    const other = meaning.get(key)
    if (other !== undefined && other !== what) wrong.push(`${what} has the key of the ${other}`)
    meaning.set(key, what)
    if (direction !== 'commit') continue
    const known = commitKeys.get(step)
    if (known !== undefined && known !== key) wrong.push(`the commit of ${step} was called with two keys`)
    commitKeys.set(step, key)
  }
  if (uids.size > 1) wrong.push(`it ran as ${uids.size} sagas: ${[...uids].join(', ')}`)
  return wrong
}

/** P6: tokens never shrink, and no two processes share one. */
function tokensGrow(lines: readonly LedgerLine[]): string[] {
  const wrong: string[] = []
  const owner = new Map<number, number>()
  let highest = 0
  for (const { step, direction, attempt, token, pid, outcome } of lines) {
    if (outcome !== 'begun') continue
    if (token < highest) wrong.push(`${direction} of ${step} #${attempt} has token ${token} after ${highest}`)
    highest = Math.max(highest, token)
    const known = owner.get(token)
    if (known !== undefined && known !== pid) wrong.push(`processes ${known} and ${pid} share token ${token}`)
    owner.set(token, pid)
  }
  return wrong
}

/** P3: no commit starts after the decision to roll back. */
function decided({ journal }: Witness): string[] {
  const turned = journal.findIndex(({ type }) => type === 'rolling_back')
  if (turned < 0) return []
  return journal
    .slice(turned)
    .flatMap((entry) =>
      entry.type === 'started' && entry.direction === 'commit'
        ? [`the commit of ${entry.step} started after the decision to roll back`]
        : [],
    )
}

/**
 * P7: no two sagas that conflict overlap. `keysOf` gives null for a saga without keys: it overlaps with no other at all.
 * Also answers how many sagas were under way at once at most, so that a test can show that others did overlap.
 */
export function overlaps(
  lines: readonly LedgerLine[],
  keysOf: (saga: string) => readonly string[] | null,
): { readonly wrong: string[]; readonly most: number } {
  const last = new Map<string, number>()
  lines.forEach(({ saga }, index) => {
    last.set(saga, index)
  })
  const under = new Map<string, readonly string[] | null>()
  const wrong: string[] = []
  let most = 0
  lines.forEach(({ saga }, index) => {
    if (!under.has(saga)) {
      const keys = keysOf(saga)
      for (const [other, theirs] of under) {
        if (conflict(keys, theirs)) wrong.push(`${saga} began before ${other} had ended`)
      }
      under.set(saga, keys)
      most = Math.max(most, under.size)
    }
    if (last.get(saga) === index) under.delete(saga)
  })
  return { wrong, most }
}

function conflict(a: readonly string[] | null, b: readonly string[] | null): boolean {
  if (a === null || b === null) return true
  return a.some((key) => b.includes(key))
}

/** Sagas in the order in which they began. */
export const startedOrder = (lines: readonly LedgerLine[]): string[] => [
  ...new Set(lines.map(({ saga }) => saga)),
]

/** A ledger in memory, for runs in which no process dies. */
export class MemoryLedger {
  readonly lines: LedgerLine[] = []

  /** `pid` stands for the process, where a test has several orchestrators in one. */
  write(context: LedgerContext, outcome: LedgerOutcome, pid = process.pid): void {
    const { sagaId: saga, step, attempt, idempotencyKey: key, token } = context
    const direction = 'commitKey' in context ? 'rollback' : 'commit'
    this.lines.push({ saga, step, direction, attempt, key, token, pid, outcome })
  }
}

/** All that an orchestrator over the same store says of one saga, judged together with its lines of the ledger. */
export async function judgeSaga(
  orchestrator: Orchestrator,
  id: string,
  lines: readonly LedgerLine[],
  more: Pick<Witness, 'spared' | 'answers'> = {},
): Promise<string[]> {
  const view = await orchestrator.get(id)
  const journal = await orchestrator.journal(id)
  if (!view || !journal) return [`${id}: it is missing`]
  return judge({ id, lines: lines.filter(({ saga }) => saga === id), view, journal, ...more })
}
