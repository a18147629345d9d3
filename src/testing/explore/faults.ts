/**
 * What can go wrong in a history, and how a history is named: by the faults in it.
 *
 * Invariants
 * - Every kind has a letter of its own, so that a history can be named in few characters and found again: `4l.9b` is a fault at
 *   point 4 and one at point 9. The points of a history are numbered as it comes to them.
 * - A kind is offered only where it differs from the others.
 */
import type { StepPlan } from '../../core/plan.js'

export type Direction = 'commit' | 'rollback' | 'verify'

/** Letter; what it means, where `{}` is the call or the write that it befalls; and what it is counted as. */
const kinds = {
  rejected: ['r', '{} is rejected', 'rejected'],
  fails: ['f', '{} fails without effect', 'failed without effect'],
  lost: ['l', '{} takes effect, and its answer is lost', 'answer lost'],
  hangs: ['h', '{} hangs, without effect', 'hung'],
  hangsAfter: ['g', '{} takes effect, and then hangs', 'hung after its effect'],
  overdue: ['o', '{} takes effect after its timeout, and says so in time to be heard', 'overdue'],
  late: ['t', '{} takes effect after it has been given up', 'late'],
  stray: ['s', '{} takes effect after it has been given up, and nobody hears of it', 'landed unseen'],
  strayDeath: [
    'd',
    'the process dies during {}, which takes effect afterwards',
    'landed after the death of its process',
  ],
  cancelBefore: ['c', 'a cancel comes during {}, before its effect', 'cancelled before its effect'],
  cancelAfter: ['e', 'a cancel comes during {}, after its effect', 'cancelled after its effect'],
  deadlineBefore: ['x', 'the deadline passes during {}, before its effect', 'deadline before its effect'],
  deadlineAfter: ['y', 'the deadline passes during {}, after its effect', 'deadline after its effect'],
  crashBefore: ['b', 'the process dies before {} is written', 'crash before a write'],
  crashAfter: ['a', 'the process dies right after {} is written', 'crash after a write'],
  notWritten: ['n', 'the store fails before {} is written', 'store failed before a write'],
  answerLost: ['w', 'the store fails right after {} is written', 'store failed after a write'],
  crashWait: ['p', 'the process dies during {}', 'crash in a wait'],
  cancelWait: ['q', 'a cancel comes during {}', 'cancelled in a wait'],
  deadlineWait: ['z', 'the deadline passes during {}', 'deadline in a wait'],
  cancelWrite: ['k', 'a cancel comes together with the write of {}', 'cancelled at a write'],
} as const

export type FaultKind = keyof typeof kinds

export const faultKinds = Object.keys(kinds) as readonly FaultKind[]

export interface Fault {
  readonly point: number
  readonly kind: FaultKind
  /** Of a deadline: when it passes, in ms of the history's clock. */
  readonly at?: number
}

/** A moment at which something can go wrong. */
export interface Point {
  readonly what: string
  /** ms since 1970, of the history's clock. */
  readonly now: number
  readonly kinds: readonly FaultKind[]
  /** Of a wait: how long it is, ms. */
  readonly wait?: number
}

const commits: readonly FaultKind[] = [
  'rejected',
  'lost',
  'hangs',
  'hangsAfter',
  'overdue',
  'late',
  'cancelBefore',
  'cancelAfter',
  'deadlineBefore',
  'deadlineAfter',
]
const retriedCommits: readonly FaultKind[] = ['fails', ...commits]
const unseen: readonly FaultKind[] = ['stray', 'strayDeath']
const rollbacks: readonly FaultKind[] = ['fails', 'lost', 'hangs', 'hangsAfter', 'late', 'cancelBefore']
const verifies: readonly FaultKind[] = ['fails', 'hangs', 'cancelBefore']
const writes: readonly FaultKind[] = ['crashBefore', 'crashAfter', 'notWritten', 'answerLost', 'cancelWrite']
/** Nobody can cancel a saga that is not there yet. */
const submits: readonly FaultKind[] = ['crashBefore', 'crashAfter', 'notWritten', 'answerLost']
/** A process that dies with a late landing still untold leaves an effect that nobody knows of. */
const writesWithUntold: readonly FaultKind[] = ['notWritten', 'answerLost', 'cancelWrite']

export const waits: readonly FaultKind[] = ['crashWait', 'cancelWait', 'deadlineWait']

/** `withUnseen`: also calls that land where Backstep cannot see it. */
export class Choices {
  readonly #withUnseen: boolean
  readonly #commits = new Map<StepPlan, readonly FaultKind[]>()

  constructor(withUnseen: boolean) {
    this.#withUnseen = withUnseen
  }

  /** `untold`: a commit has landed late, and its process has yet to say so. */
  ofWrite(isSubmit: boolean, untold: boolean): readonly FaultKind[] {
    if (isSubmit) return submits
    return untold && !this.#withUnseen ? writesWithUntold : writes
  }

  ofCall(kind: Direction, step: StepPlan): readonly FaultKind[] {
    if (kind !== 'commit') return kind === 'rollback' ? rollbacks : verifies
    const known = this.#commits.get(step)
    if (known) return known
    // Called once, a failure is a rejection: one of the two is enough.
    const own = step.retry.attempts > 1 || step.pivot || step.throws === 'in_doubt' ? retriedCommits : commits
    const all = this.#withUnseen ? [...own, ...unseen] : own
    this.#commits.set(step, all)
    return all
  }
}

export const isDeadline = (kind: FaultKind): boolean =>
  kind === 'deadlineBefore' || kind === 'deadlineAfter' || kind === 'deadlineWait'

/** ms between the beginning of a call and its effect, and between that and its answer. */
export const latency = 1

/** The fault of this kind at a point that a history has come to. */
export function faultAt(point: number, kind: FaultKind, { now, wait = 0 }: Point): Fault {
  if (kind === 'deadlineBefore') return { point, kind, at: now + latency }
  if (kind === 'deadlineAfter') return { point, kind, at: now + 2 * latency }
  if (kind === 'deadlineWait') return { point, kind, at: now + middleOf(wait) }
  return { point, kind }
}

/** When in a wait something happens, in ms from its beginning. */
export const middleOf = (wait: number): number => Math.max(1, Math.floor(wait / 2))

export const textOf = ({ kind }: Fault, { what }: Point): string => kinds[kind][1].replace('{}', what)

export const labelOf = (kind: FaultKind): string => kinds[kind][2]

export const nameOf = (faults: readonly Fault[]): string =>
  faults.length === 0 ? '0' : faults.map(({ point, kind }) => `${point}${kinds[kind][0]}`).join('.')

/** Points and kinds of a name, in order, with one deadline at most; undefined for what is none. */
export function parseName(name: string): { readonly point: number; readonly kind: FaultKind }[] | undefined {
  if (name === '0') return []
  const faults = name.split('.').map((part) => {
    const [, digits, letter] = /^(\d{1,6})([a-z])$/.exec(part) ?? []
    const kind = faultKinds.find((one) => kinds[one][0] === letter)
    return digits === undefined || kind === undefined ? undefined : { point: Number(digits), kind }
  })
  const known = faults.flatMap((fault) => fault ?? [])
  const grows = known.every(({ point }, i) => i === 0 || point > (known[i - 1]?.point ?? 0))
  const deadlines = known.filter(({ kind }) => isDeadline(kind)).length
  return known.length === faults.length && grows && deadlines <= 1 ? known : undefined
}
