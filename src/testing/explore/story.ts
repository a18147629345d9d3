/**
 * The story of one history, for the report: what was written, what was called, what went wrong, each with its time, and which
 * line of the user's to look at.
 *
 * Invariant: it only listens. A history that is told is the same history.
 */
import { relative as relativePath } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Entry } from '../../core/entry.js'
import { asWritten } from '../../definition/lint.js'
import { entryText, plain, relative } from '../../runtime/entry-text.js'
import { clip, safe } from '../../runtime/text.js'
import { isThenable, said } from '../world.js'
import { type Fault, type Point, textOf } from './faults.js'

/** Characters of a payload in the story. */
const room = 60
/** Of a long story. */
const firstLines = 60
const lastLines = 30

interface Line {
  readonly at: number
  readonly text: string
  readonly isFault: boolean
}

/** What one call of the user's read, and where. */
interface Called {
  readonly what: string
  /** The function itself, to be recognised. */
  readonly source: string
  /** `file:line:column` of the first thing that it read of its context. */
  place: string | undefined
  /** Where it looked for its output, and there was none. */
  withoutOutput: string | undefined
}

export interface Teller {
  say(text: string): void
  fault(fault: Fault, point: Point): void
  written(entries: readonly Entry[], at: number): void
  /** Makes the call, and notes where it reads. */
  call<Context extends object>(
    what: string,
    direction: string,
    own: (context: Context) => unknown,
    context: Context,
  ): unknown
}

export class Story implements Teller {
  readonly #now: () => number
  readonly #lines: Line[] = []
  readonly #calls: Called[] = []
  #start: number | undefined
  #written: readonly string[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  say(text: string): void {
    this.#tell(text, false)
  }

  fault(fault: Fault, point: Point): void {
    this.#tell(textOf(fault, point), true)
  }

  written(entries: readonly Entry[], at: number): void {
    this.#start ??= at
    // A write that overwrites the last one repeats what that had said.
    const known = this.#written
    this.#written = entries.map((entry) => JSON.stringify(entry))
    for (const [i, entry] of entries.entries())
      if (!known.includes(this.#written[i] ?? ''))
        this.#tell(`journal: ${entryText(entry, this.#start, plain, room)}`, false)
  }

  call<Context extends object>(
    what: string,
    direction: string,
    own: (context: Context) => unknown,
    context: Context,
  ): unknown {
    const called: Called = { what, source: sourceOf(own), place: undefined, withoutOutput: undefined }
    this.#calls.push(called)
    const watched = new Proxy(context, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        called.place ??= placeOf(new Error())
        if (name === 'output' && direction === 'rollback' && value === undefined)
          called.withoutOutput ??= placeOf(new Error())
        return value
      },
    })
    const done = (how: string): void => this.#tell(`world:   ${what} ${how}`, false)
    const failed = (thrown: unknown): void => done(`threw ${said(thrown)}`)
    try {
      const answer = own(watched)
      if (!isThenable(answer)) {
        done('has run')
        return answer
      }
      const settled = Promise.resolve(answer)
      settled.then(() => done('has run'), failed)
      return settled
    } catch (thrown) {
      failed(thrown)
      throw thrown
    }
  }

  /** The story, a line for each event; `▶` marks what went wrong. */
  get text(): string {
    const start = this.#lines[0]?.at ?? 0
    const times = this.#lines.map(({ at }) => relative(at - start))
    const width = Math.max(0, ...times.map(({ length }) => length))
    const lines = this.#lines.map(({ text, isFault }, i) => {
      const time = times[i] === times[i - 1] ? '' : (times[i] ?? '')
      return `${isFault ? '▶' : ' '} ${time.padStart(width)}  ${text}`
    })
    const left = lines.length - firstLines - lastLines
    if (left > 1) lines.splice(firstLines, left, `  ${''.padStart(width)}  … ${left} more …`)
    return lines.join('\n')
  }

  /** Where to look: `steps` are those of the position that the last fault befell; none: it befell no call. */
  blame(steps: readonly string[], direction: 'commit' | 'rollback'): string | undefined {
    const isOf = ({ what }: Called): boolean =>
      steps.length === 0 || steps.some((step) => what.endsWith(` of ${step}`))
    const blind = this.#calls.find((called) => called.withoutOutput && isOf(called))
    if (blind) return `${blind.what}, which was called without an output: ${blind.withoutOutput}`
    const made = this.#calls.filter(({ what }) => what.startsWith(direction))
    const last = new Map(made.map((called) => [called.what.replace(/ \d+ of /, ' of '), called]))
    const told = [...last.values()]
      .filter(isOf)
      .map(({ what, place, source }) => `${what}: ${place ?? source}`)
    return told.join('; ') || undefined
  }

  #tell(text: string, isFault: boolean): void {
    this.#lines.push({ at: this.#now(), text, isFault })
  }
}

/** The first line of a function, as it would be found in its file. */
function sourceOf(own: (context: never) => unknown): string {
  const [first = ''] = String(asWritten(own)).split('\n')
  return clip(safe(first), room)
}

const here = fileURLToPath(new URL('.', import.meta.url))
/** The same, in stacks that a runner has mapped to the sources (Jest does). */
const sources = here.replace(/dist([\\/]testing[\\/]explore[\\/])$/, 'src$1')

/** The first line of a stack that is neither ours nor the engine's, as it would be clicked. */
function placeOf({ stack = '' }: Error): string | undefined {
  for (const line of stack.split('\n').slice(1)) {
    const [, found] = /\(?((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*:\d+:\d+)\)?$/.exec(line) ?? []
    if (found === undefined) continue
    const path = found.startsWith('file://')
      ? fileURLToPath(found.replace(/:\d+:\d+$/, ''))
      : found.replace(/:\d+:\d+$/, '')
    if (path.startsWith(here) || path.startsWith(sources)) continue
    const [place = ''] = /:\d+:\d+$/.exec(found) ?? []
    const short = relativePath(process.cwd(), path)
    return `${short.startsWith('..') ? path : short}${place}`
  }
  return undefined
}
