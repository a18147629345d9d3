/**
 * The story of one history, for the report: what was written, what was called, what went wrong, each with its time, and which
 * line of the user's to look at.
 *
 * Invariant: it only listens. A history that is told is the same history.
 */
import { relative as relativePath } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Entry } from '../../core/entry.js'
import { entryText, plain, relative } from '../../runtime/entry-text.js'
import { type Fault, type Point, textOf } from './faults.js'

/** Characters of a payload in the story. */
const room = 60

interface Line {
  readonly at: number
  readonly text: string
  readonly isFault: boolean
}

/** What one call of the user's read, and where. */
interface Called {
  readonly what: string
  /** `file:line:column` of the first thing that it read of its context. */
  readonly place: string | undefined
  /** It looked for its output, and there was none. */
  readonly withoutOutput: string | undefined
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
    const called = {
      what,
      place: undefined as string | undefined,
      withoutOutput: undefined as string | undefined,
    }
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
    const failed = (thrown: unknown): void =>
      done(
        `threw ${thrown instanceof Error ? `${thrown.name}: ${thrown.message.split('\n')[0]}` : String(thrown)}`,
      )
    try {
      const answer = own(watched)
      if (!(answer instanceof Promise)) done('has run')
      else
        answer.then(
          () => done('has run'),
          (thrown) => failed(thrown),
        )
      return answer
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
    return this.#lines
      .map(({ text, isFault }, i) => {
        const time = times[i] === times[i - 1] ? '' : (times[i] ?? '')
        return `${isFault ? '▶' : ' '} ${time.padStart(width)}  ${text}`
      })
      .join('\n')
  }

  /** Where to look, given the step that the last fault befell. */
  blame(step: string | undefined, direction: 'commit' | 'rollback'): string | undefined {
    const blind = this.#calls.find(
      ({ withoutOutput, what }) => withoutOutput && (!step || what.endsWith(` of ${step}`)),
    )
    if (blind) return `${blind.what}, which was called without an output: ${blind.withoutOutput}`
    const calls = this.#calls.filter(
      ({ what }) => what.startsWith(direction) && (!step || what.endsWith(` of ${step}`)),
    )
    const last = calls.at(-1)
    if (!last) return undefined
    return last.place === undefined ? last.what : `${last.what}: ${last.place}`
  }

  #tell(text: string, isFault: boolean): void {
    this.#lines.push({ at: this.#now(), text, isFault })
  }
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
