/**
 * One saga as text: a head, the reason why it waits, and a tree of its positions and steps.
 *
 * Invariant: payloads are cut to the width of the terminal, errors and reasons are wrapped: these are what one came to read.
 */
import type { JournalEntry, Json, SagaView, StepView } from '../index.js'
import { byHandText, isByHand } from '../runtime/entry-text.js'
import { errorLine, formatDuration, processOf } from '../runtime/why.js'
import { clip, jsonLine, type Paint, safe, type Terminal, wrap } from './terminal.js'
import { ago, dateTime, definitionOf, statusOf, stepWords, turnedBack } from './words.js'

/** All that is known of a saga at one time. */
export interface Looked {
  readonly saga: SagaView
  readonly journal: readonly JournalEntry[]
  /** A live process has it. */
  readonly isRun: boolean
  readonly why: string
  readonly now: number
}

/** Characters of a payload where nothing says how wide the screen is. */
const payloadWidth = 200
/** Names are padded up to here; longer ones push their own line. */
const nameWidth = 16

const fork = { branch: '├─ ', trunk: '│  ' }
const end = { branch: '└─ ', trunk: '   ' }

export function drawn(looked: Looked, screen: Pick<Terminal, 'paint' | 'width'>): string {
  const drawing = new Drawing(looked, screen.paint, screen.width)
  const { saga, why } = looked
  return [
    `${screen.paint.bold(safe(saga.id))}  ${definitionOf(saga)}  ${statusOf(saga, screen.paint)}`,
    wrap(safe(why), screen.width),
    '',
    ...drawing.head(),
    '',
    ...drawing.tree(),
    ...drawing.byHand(),
  ].join('\n')
}

type Detail = readonly [label: string, text: string | undefined]

class Drawing {
  readonly #looked: Looked
  readonly #paint: Paint
  readonly #width: number
  readonly #names: number
  readonly #settledByHand: ReadonlySet<string>

  constructor(looked: Looked, paint: Paint, width: number) {
    this.#looked = looked
    this.#paint = paint
    this.#width = width
    const { saga, journal } = looked
    this.#names = Math.min(nameWidth, Math.max(0, ...saga.steps.map(({ name }) => name.length)))
    this.#settledByHand = new Set(journal.flatMap((entry) => (entry.type === 'resolved' ? [entry.step] : [])))
  }

  head(): string[] {
    const { saga, now, isRun } = this.#looked
    const { submittedAt, endedAt, deadline, owner, keys, input, wayBack } = saga
    const error = wayBack?.step === undefined ? undefined : this.#commitError(wayBack.step)
    const died = isRun ? '' : ', which died'
    return this.#details('', 13, [
      ['submitted', `${dateTime(submittedAt)}, ${ago(submittedAt, now)}`],
      [
        'ended',
        endedAt === null ? undefined : `${dateTime(endedAt)}, after ${formatDuration(endedAt - submittedAt)}`,
      ],
      ['deadline', deadline === null ? undefined : dateTime(deadline)],
      ['process', owner === null ? undefined : safe(processOf(owner)) + died],
      ['keys', keys === null ? 'none: it overlaps with no other saga' : safe(keys.join(', ')) || undefined],
      ['input', this.#payload(input, 13)],
      ['turned back', wayBack === null ? undefined : turnedBack(wayBack, error)],
    ])
  }

  tree(): string[] {
    const positions = new Map<number, StepView[]>()
    for (const step of this.#looked.saga.steps) {
      positions.set(step.position, [...(positions.get(step.position) ?? []), step])
    }
    const groups = [...positions.values()]
    const hasGroup = groups.some((members) => members.length > 1)
    return groups.flatMap((members, i) => {
      const { branch, trunk } = i === groups.length - 1 ? end : fork
      const [only] = members
      if (members.length === 1 && only) return this.#step(only, branch, trunk, hasGroup ? 3 : 0)
      return [this.#paint.dim(`${branch}side by side`), ...this.#group(members, trunk)]
    })
  }

  #group(members: readonly StepView[], outer: string): string[] {
    return members.flatMap((member, i) => {
      const { branch, trunk } = i === members.length - 1 ? end : fork
      return this.#step(member, outer + branch, outer + trunk, 0)
    })
  }

  /** What people have done to it. */
  byHand(): string[] {
    const { journal, now } = this.#looked
    const done = journal.filter(isByHand).map((entry) => [ago(entry.at, now), byHandText(entry)] as const)
    return done.length === 0 ? [] : ['', ...this.#details('', 13, done)]
  }

  /** `more`: so many columns are added to the name, so that what follows stands below each other in and out of groups. */
  #step(step: StepView, branch: string, trunk: string, more: number): string[] {
    const { output, error, nextAt } = step
    const { saga, isRun } = this.#looked
    const byHand = this.#settledByHand.has(step.name)
    const name = safe(step.name).padEnd(this.#names + more)
    const words = stepWords(step, { saga, isRun, byHand }, this.#paint)
    const start = trunk.length + name.length + 2
    const [first = '', ...rest] = wrap(words, this.#width, start).split('\n')
    return [
      `${this.#paint.dim(branch)}${name}  ${first}`,
      ...rest.map((line) => this.#paint.dim(trunk) + line.slice(trunk.length)),
      ...this.#details(`${trunk}  `, 8, [
        ['output', this.#payload(output, trunk.length + 10)],
        ['error', error && safe(errorLine(error))],
        ['next', nextAt === undefined ? undefined : this.#dueAt(nextAt)],
      ]),
    ]
  }

  #dueAt(at: number): string {
    const { now } = this.#looked
    return at <= now ? 'now' : `in ${formatDuration(at - now)}, at ${dateTime(at).slice(11)}`
  }

  /** Dim labels, with texts that hang beside them where they do not fit one line. */
  #details(prefix: string, labels: number, details: readonly Detail[]): string[] {
    return details.flatMap(([label, text]) => {
      if (text === undefined) return []
      const padded = label.padEnd(Math.max(labels, label.length + 1))
      const [first = '', ...rest] = wrap(text, this.#width - prefix.length - padded.length).split('\n')
      const hanging = rest.map((line) => `${this.#paint.dim(prefix)}${' '.repeat(padded.length)}${line}`)
      return [`${this.#paint.dim(prefix + padded)}${first}`, ...hanging]
    })
  }

  #payload(value: Json | undefined, taken: number): string | undefined {
    if (value === undefined) return undefined
    const width = Number.isFinite(this.#width) ? this.#width - taken : payloadWidth
    return clip(jsonLine(value), Math.max(20, width))
  }

  /** The last error of a step's commit: the view has the rollback's, once that has failed too. */
  #commitError(step: string): StepView['error'] {
    const failed = this.#looked.journal.findLast(
      (entry) => entry.type === 'failed' && entry.step === step && entry.direction === 'commit',
    )
    return failed?.type === 'failed' ? failed.error : undefined
  }
}
