/**
 * What an exploration says: counts where all held, and otherwise the shortest history that did not.
 */
import { formatDuration } from '../../core/duration.js'
import { BackstepError } from '../../core/errors.js'
import { wrap } from '../../runtime/text.js'
import { type Fault, type FaultKind, faultKinds, labelOf, nameOf, type Point, textOf } from './faults.js'
import type { History } from './history.js'
import type { Searched } from './search.js'

/** What was explored, and found to hold. */
export interface Explored {
  /** How many histories were run. */
  readonly histories: number
  /** Every history with up to so many faults was among them. */
  readonly complete: number
  /** How many histories there are with up to `faults` faults; where a level was sampled: that grow from those that were run. */
  readonly possible: number
  /** In how many histories each kind of fault happened. */
  readonly kinds: Readonly<Partial<Record<FaultKind, number>>>
  /** Virtual ms. */
  readonly simulated: number
  /** All of this, to be printed. */
  readonly text: string
}

/** A history was found that breaks the invariant, or does not end. Code `INVARIANT_BROKEN`, or `NEVER_ENDS`. */
export class ExplorationError extends BackstepError {
  /** The name of the history: `explore(…, { …, replay })` runs it, and no other. */
  readonly replay: string
  /** What went wrong in it, a sentence for each fault. */
  readonly faults: readonly string[]
  /** What happened, a line for each event. */
  readonly story: string
  /** The line of yours to look at first. */
  readonly blame: string | undefined

  constructor(
    message: string,
    details: {
      readonly code: 'INVARIANT_BROKEN' | 'NEVER_ENDS'
      readonly replay: string
      readonly faults: readonly string[]
      readonly story: string
      readonly blame: string | undefined
      readonly cause?: unknown
    },
  ) {
    const { code, replay, cause } = details
    super(message, {
      code,
      hint: `mend it, then run this history alone with explore(…, { …, replay: '${replay}' })`,
      ...(cause === undefined ? {} : { cause }),
    })
    this.replay = replay
    this.faults = details.faults
    this.story = details.story
    this.blame = details.blame
  }
}

const number = (value: number): string => value.toLocaleString('en-US')

export function exploredOf(name: string, searched: Searched, faults: number): Explored {
  const { histories, complete } = searched
  const upTo = `with up to ${count(faults, 'fault')}`
  const which =
    complete >= faults
      ? `every one ${upTo}`
      : `every one with up to ${count(complete, 'fault')}, and a sample of the ${number(searched.possible)} ${upTo}`
  return toldOf(
    `${name}: ${count(histories, 'history', 'histories')}, ${which}; the invariant holds in each`,
    searched,
  )
}

/** One history that was run alone. */
export function replayedOf(name: string, { faults, took }: History): Explored {
  const kinds = Object.fromEntries(faults.map(({ kind }) => [kind, 1]))
  const searched = { histories: 1, possible: 1, complete: 0, kinds, took, failing: undefined }
  return toldOf(`${name}: the history ${nameOf(faults)} alone; the invariant holds in it`, searched)
}

function toldOf(first: string, searched: Searched): Explored {
  const { histories, possible, complete, kinds, took } = searched
  const counts = faultKinds.flatMap((kind) =>
    kinds[kind] ? [`${labelOf(kind)} ${number(kinds[kind])}`] : [],
  )
  const text = [
    first,
    ...(counts.length > 0 ? [`  ${wrap(counts.join(', '), 100, 2)}`] : []),
    `  ${formatDuration(took)} of virtual time`,
  ].join('\n')
  return { histories, complete, possible, kinds, simulated: took, text }
}

const count = (value: number, one: string, many = `${one}s`): string =>
  `${number(value)} ${value === 1 ? one : many}`

const indent = (text: string): string => text.replace(/^/gm, '    ')

/** `story` and `blame` come from running the history once more. `isShortest`: with fewer faults all holds. */
export function explorationError(
  name: string,
  history: History,
  { story, blame, isShortest }: { story: string; blame: string | undefined; isShortest: boolean },
): ExplorationError {
  const { verdict, faults, points } = history
  const what = faults.map((fault: Fault) => textOf(fault, points[fault.point] as Point))
  const isEndless = verdict.is === 'endless'
  const why = verdict.is === 'holds' ? '' : verdict.why
  const needed =
    what.length === 0
      ? '  it takes no fault at all: either the saga or the invariant is wrong where all goes well'
      : `  it takes ${count(what.length, 'fault')}${isShortest ? `; with fewer ${isEndless ? 'it ends' : 'it holds'}` : ''}:\n${what.map((text) => `    - ${text}`).join('\n')}`
  const replay = nameOf(faults)
  const message = [
    isEndless
      ? `a history of ${name} does not end: ${why}`
      : `a history of ${name} breaks the invariant${history.status ? ` (it ended ${history.status})` : ''}:\n${indent(why)}`,
    needed,
    ...(blame === undefined ? [] : [`  look at ${blame}`]),
    `  what happened (${replay}):\n${indent(story)}`,
  ].join('\n')
  const cause = verdict.is === 'broken' ? verdict.cause : undefined
  return new ExplorationError(message, {
    code: isEndless ? 'NEVER_ENDS' : 'INVARIANT_BROKEN',
    replay,
    faults: what,
    story,
    blame,
    cause,
  })
}
