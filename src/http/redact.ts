/**
 * What is not shown: payloads to those who may only look, and the paths that the options name to anybody.
 *
 * Invariants
 * - What a path names is also struck out wherever else it turns up, as a name of a member, too, and as JSON or an address would
 *   write it: an error that quotes a card number shows no card number.
 * - A saga that brought its steps along keeps what it was given below `input.input`: paths mean that place as well.
 * - A saga's id, and the names of its steps and definition, stay as they are: they are addresses. So do the words of Backstep.
 */
import type { JournalEntry, Json, SagaView } from '../index.js'

export const redacted = '[redacted]'
export const hidden = '[hidden]'

/** Shorter values would strike out half of every text. */
const shortest = 4

type Plain = Readonly<Record<string, unknown>>

/** What of one saga must not be shown. */
export interface Veil {
  view(view: SagaView): SagaView
  journal(entries: readonly JournalEntry[]): readonly JournalEntry[]
}

const nothing: Veil = { view: (view) => view, journal: (entries) => entries }

export class Redaction {
  readonly #input: readonly (readonly string[])[]
  readonly #outputs: readonly (readonly string[])[]

  constructor(paths: readonly string[]) {
    const split = paths.map((path) => path.split('.'))
    this.#input = split.filter(([root]) => root === 'input').flatMap((path) => [path.slice(1), path])
    this.#outputs = split.filter(([root]) => root === 'outputs').map((path) => path.slice(1))
  }

  /** For one who sees payloads, or not. */
  veil(payloads: boolean): Veil {
    const idle = payloads && this.#input.length === 0 && this.#outputs.length === 0
    if (idle) return nothing
    return {
      view: (view) => this.#view(view, payloads),
      journal: (entries) => this.#journal(entries, payloads),
    }
  }

  #view(view: SagaView, payloads: boolean): SagaView {
    const { input, outputs, steps, ...rest } = view
    const secrets = this.#secretsOf(input, outputs)
    const shown = (value: Json | undefined, clean: (value: Json) => unknown): unknown =>
      value === undefined ? undefined : payloads ? strike(clean(value), secrets) : hidden
    return {
      ...(strikeRecord(rest, secrets) as typeof rest),
      input: shown(input, (value) => this.#input.reduce<unknown>(without, value)) as Json | undefined,
      outputs: Object.fromEntries(
        Object.entries(outputs).map(([step, value]) => [step, shown(value, (v) => this.#clean(step, v))]),
      ) as SagaView['outputs'],
      steps: steps.map(({ output, ...step }) => ({
        ...(strikeRecord(step, secrets) as typeof step),
        ...(output === undefined ? {} : { output: shown(output, (v) => this.#clean(step.name, v)) as Json }),
      })),
    }
  }

  #journal(entries: readonly JournalEntry[], payloads: boolean): readonly JournalEntry[] {
    const input = entries.find((entry) => entry.type === 'submitted')?.input
    const secrets = this.#secretsOf(input, {})
    for (const entry of entries) this.#addOutputs(secrets, entry)
    return entries.map((entry) => this.#entry(entry, secrets, payloads))
  }

  #addOutputs(secrets: Set<string>, entry: JournalEntry): void {
    if (!('output' in entry) || entry.output === undefined) return
    for (const path of this.#outputs) collect(under({ [entry.step]: entry.output }, path), secrets)
  }

  #entry(entry: JournalEntry, secrets: ReadonlySet<string>, payloads: boolean): JournalEntry {
    const { input, output, ...rest } = entry as JournalEntry & { input?: Json; output?: Json }
    const step = 'step' in rest ? (rest.step ?? '') : ''
    const clean = (ready: unknown): unknown => (payloads ? strike(ready, secrets) : hidden)
    return {
      ...(strikeRecord(rest, secrets) as typeof rest),
      ...(input === undefined ? {} : { input: clean(this.#input.reduce<unknown>(without, input)) }),
      ...(output === undefined ? {} : { output: clean(this.#clean(step, output)) }),
    } as JournalEntry
  }

  #clean(step: string, output: unknown): unknown {
    const clean = this.#outputs.reduce<unknown>(without, { [step]: output })
    return clean === redacted ? redacted : (clean as Plain)[step]
  }

  #secretsOf(input: unknown, outputs: unknown): Set<string> {
    const secrets = new Set<string>()
    for (const path of this.#input) collect(under(input, path), secrets)
    for (const path of this.#outputs) collect(under(outputs, path), secrets)
    return secrets
  }
}

const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null

const keysFor = (value: Plain, part: string): string[] =>
  part === '*' ? Object.keys(value) : Object.hasOwn(value, part) ? [part] : []

/** All that a path names. */
function under(value: unknown, [part, ...rest]: readonly string[]): unknown[] {
  if (part === undefined) return [value]
  return isPlain(value) ? keysFor(value, part).flatMap((key) => under(value[key], rest)) : []
}

/** A copy in which what the path names is struck out. */
function without(value: unknown, [part, ...rest]: readonly string[]): unknown {
  if (part === undefined) return redacted
  if (!isPlain(value)) return value
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...value }
  for (const key of keysFor(value, part)) {
    Object.defineProperty(copy, key, { ...plainly, value: without(value[key], rest) })
  }
  return copy
}

/** Assigning to `__proto__` would set the prototype. */
const plainly = { enumerable: true, writable: true, configurable: true } as const

function collect(values: readonly unknown[], into: Set<string>): void {
  for (const value of values) {
    if (isPlain(value)) collect(Object.values(value), into)
    else if (typeof value === 'string' || typeof value === 'number') {
      for (const form of formsOf(String(value))) into.add(form)
    }
  }
}

/** As it is, as JSON escapes it, and as an address does: errors quote bodies and urls. */
const formsOf = (value: string): readonly string[] =>
  value.length < shortest ? [] : [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]

/** A copy of what a user gave in which no text holds a secret. */
function strike(value: unknown, secrets: ReadonlySet<string>): unknown {
  if (secrets.size === 0) return value
  if (typeof value === 'string') return struck(value, secrets)
  if (typeof value === 'number' && secrets.has(String(value))) return redacted
  if (!isPlain(value)) return value
  if (Array.isArray(value)) return value.map((item) => strike(item, secrets))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [struck(key, secrets), strike(item, secrets)]),
  )
}

const addresses = new Set(['id', 'cursor', 'name', 'version', 'step', 'type', 'status', 'owner', 'shape'])
const noNames: ReadonlySet<string> = new Set()
/** Within a saga's, records that hold addresses too; an error's name and code are anybody's. */
const records = new Set(['waitsFor', 'wayBack'])

/** What Backstep itself says in texts: a saga of which `open` is a secret must not lose the state of its steps. */
const words = new Set(
  (
    'idle skipped open waiting holding done failed committed rejected in_doubt thrown timeout aborted crash unstorable ' +
    'condition cancelled deadline crash_loop commit rollback rolled_back never unknown'
  ).split(' '),
)

/** The same of a record of ours: its members, numbers and words stay, and the texts that are addresses. */
function strikeRecord(
  value: unknown,
  secrets: ReadonlySet<string>,
  kept: ReadonlySet<string> = addresses,
): unknown {
  if (secrets.size === 0) return value
  if (typeof value === 'string') return words.has(value) ? value : struck(value, secrets)
  if (!isPlain(value)) return value
  if (Array.isArray(value)) return value.map((item) => strikeRecord(item, secrets, kept))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      kept.has(key) && typeof item === 'string'
        ? item
        : strikeRecord(item, secrets, records.has(key) ? addresses : noNames),
    ]),
  )
}

function struck(text: string, secrets: ReadonlySet<string>): string {
  let left = text
  // The longest first: what is left of a secret that holds another would still be one.
  for (const secret of [...secrets].sort((a, b) => b.length - a.length))
    left = left.replaceAll(secret, redacted)
  return left
}
