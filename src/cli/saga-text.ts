/**
 * One saga as text: a head, the reason why it waits, and a tree of its positions and steps.
 *
 * Invariant: payloads are cut to the width of the terminal, errors and reasons are wrapped: these are what one came to read.
 */
import type { JournalEntry, Json, SagaView, StepView } from '../index.js'
import { errorLine, formatDuration, processOf } from '../runtime/why.js'
import { byHandText, isByHand } from './entries.js'
import { clip, jsonLine, type Paint, safe, type Terminal, wrap } from './terminal.js'
import { ago, dateTime, definitionOf, statusOf, stepWords, turnedBack } from './words.js'

/** Where nothing says how wide the screen is. */
const payloadWidth = 200

export function drawn(
  saga: SagaView,
  journal: readonly JournalEntry[],
  why: string,
  now: number,
  { paint, width }: Pick<Terminal, 'paint' | 'width'>,
): string {
  const drawing = new Drawing(saga, journal, now, paint, width)
  return [
    `${paint.bold(safe(saga.id))}  ${definitionOf(saga)}  ${statusOf(saga, paint)}`,
    wrap(safe(why), width),
    '',
    ...drawing.head(),
    '',
    ...drawing.tree(),
    ...drawing.byHand(),
  ].join('\n')
}

class Drawing {
  readonly #saga: SagaView
  readonly #journal: readonly JournalEntry[]
  readonly #now: number
  readonly #paint: Paint
  readonly #width: number

  constructor(saga: SagaView, journal: readonly JournalEntry[], now: number, paint: Paint, width: number) {
    this.#saga = saga
    this.#journal = journal
    this.#now = now
    this.#paint = paint
    this.#width = width
  }

  head(): string[] {
    const { submittedAt, endedAt, deadline, owner, keys, input, wayBack } = this.#saga
    const error = wayBack?.step === undefined ? undefined : this.#commitError(wayBack.step)
    const lines: [string, string | undefined][] = [
      ['submitted', `${dateTime(submittedAt)}, ${ago(submittedAt, this.#now)}`],
      [
        'ended',
        endedAt === null ? undefined : `${dateTime(endedAt)}, after ${formatDuration(endedAt - submittedAt)}`,
      ],
      ['deadline', deadline === null ? undefined : dateTime(deadline)],
      ['process', owner === null ? undefined : safe(processOf(owner))],
      ['keys', keys === null ? 'none: it overlaps with no other saga' : safe(keys.join(', ')) || undefined],
      ['input', input === undefined ? undefined : this.#payload(input, 13)],
      ['turned back', wayBack === null ? undefined : turnedBack(wayBack, error)],
    ]
    return lines.flatMap(([label, text]) => (text === undefined ? [] : [this.#labelled('', label, text)]))
  }

  tree(): string[] {
    const { steps } = this.#saga
    const positions = new Map<number, StepView[]>()
    for (const step of steps) positions.set(step.position, [...(positions.get(step.position) ?? []), step])
    const names = Math.min(24, Math.max(0, ...steps.map(({ name }) => name.length)))
    const groups = [...positions.values()]
    return groups.flatMap((members, i) => {
      const isLast = i === groups.length - 1
      const [branch, trunk] = isLast ? ['└─ ', '   '] : ['├─ ', '│  ']
      const [only] = members
      if (members.length === 1 && only) return this.#step(only, branch, trunk, names)
      return [
        this.#paint.dim(`${branch}side by side`),
        ...members.flatMap((member, j) => {
          const [inner, innerTrunk] = j === members.length - 1 ? ['└─ ', '   '] : ['├─ ', '│  ']
          return this.#step(member, trunk + inner, trunk + innerTrunk, names)
        }),
      ]
    })
  }

  /** What people have done to it. */
  byHand(): string[] {
    const entries = this.#journal.filter(isByHand)
    if (entries.length === 0) return []
    return ['', ...entries.map((entry) => this.#labelled('', ago(entry.at, this.#now), byHandText(entry)))]
  }

  #step(step: StepView, branch: string, trunk: string, names: number): string[] {
    const { output, error, nextAt } = step
    const line = `${this.#paint.dim(branch)}${safe(step.name).padEnd(names)}  ${stepWords(step, this.#saga, this.#paint)}`
    const details: [string, string | undefined][] = [
      ['output', output === undefined ? undefined : this.#payload(output, trunk.length + 10)],
      ['error', error && safe(errorLine(error))],
      ['next', nextAt === undefined ? undefined : this.#dueAt(nextAt)],
    ]
    return [
      line.trimEnd(),
      ...details.flatMap(([label, text]) =>
        text === undefined ? [] : [this.#labelled(`${trunk}  `, label, text, 8)],
      ),
    ]
  }

  #dueAt(at: number): string {
    return at <= this.#now ? 'now' : `in ${formatDuration(at - this.#now)}, at ${dateTime(at).slice(11)}`
  }

  /** A dim label, and text that hangs beside it where it does not fit one line. */
  #labelled(prefix: string, label: string, text: string, labels = 13): string {
    const start = prefix.length + Math.max(labels, label.length + 1)
    const [first = '', ...rest] = wrap(text, this.#width - start).split('\n')
    const padded = label.padEnd(start - prefix.length)
    const hanging = rest.map((line) => `${this.#paint.dim(prefix)}${' '.repeat(padded.length)}${line}`)
    return [`${this.#paint.dim(prefix + padded)}${first}`, ...hanging].join('\n')
  }

  #payload(value: Json, taken: number): string {
    const width = Number.isFinite(this.#width) ? this.#width - taken : payloadWidth
    return clip(jsonLine(value), Math.max(20, width))
  }

  /** The last error of a step's commit: the view has the rollback's, once that has failed too. */
  #commitError(step: string): StepView['error'] {
    const failed = this.#journal.findLast(
      (entry) => entry.type === 'failed' && entry.step === step && entry.direction === 'commit',
    )
    return failed?.type === 'failed' ? failed.error : undefined
  }
}
