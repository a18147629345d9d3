/**
 * Templates: text with placeholders, such as `/flights/{output.id ?? commitKey}`, and JSON whose strings are templates.
 *
 * Invariants
 * - A template is checked when it is made: an unknown placeholder is found before any saga runs.
 * - Only what a value holds itself is looked up, never what it inherits.
 * - Where a value is absent, nothing is made up: text that needs it cannot be rendered, a property that is it is left out.
 */
import type { Json } from '../core/entry.js'
import { suggest } from '../definition/suggest.js'
import { Flaw, type Path } from './flaw.js'

/** What placeholders can name. */
export interface Scope {
  readonly input: Json | undefined
  readonly outputs: Readonly<Record<string, Json>>
  /** In a rollback: what the commit answered. Absent where it is in doubt. */
  readonly output: Json | undefined
  readonly idempotencyKey: string
  readonly commitKey: string
  readonly sagaId: string
  readonly step: string
  readonly attempt: number
  readonly token: number
  /** Only where the author of the template may see the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

export type Root = keyof Scope

/** What a placeholder may begin with. */
export interface Names {
  readonly roots: readonly Root[]
  /** The steps whose outputs are there, where they are known: those of the positions before. */
  readonly steps?: ReadonlySet<string> | undefined
}

/** A template that cannot be rendered with what there is. Nothing was sent. */
export class Unrenderable extends Error {
  override readonly name = 'Unrenderable'
}

/** A way into the scope: `['outputs', 'flight', 'id']`. */
export type Way = readonly [root: Root, ...names: string[]]

/** A placeholder: the first of its ways that leads to something. */
interface Reference {
  readonly text: string
  readonly ways: readonly Way[]
}

type Part = string | Reference

const segment = /\.([A-Za-z0-9_$-]+)|\[(?:(\d{1,9})|"([^"\\]{1,200})")\]/y

/** Reads `outputs.flight.id`, `input.seats[0]`, `outputs["my.step"]`. Throws Flaw. */
export function parseWay(text: string, { roots, steps }: Names, path: Path): Way {
  const root = /^[A-Za-z_$][\w$]*/.exec(text)?.[0] ?? ''
  if (!roots.includes(root as Root)) {
    const near = suggest(root, roots)
    const meant =
      near === undefined
        ? `known are ${roots.join(', ')}`
        : `did you mean {${near}${text.slice(root.length)}}?`
    throw new Flaw(path, `unknown placeholder {${text.slice(0, 60)}}`, meant)
  }
  const names: string[] = []
  segment.lastIndex = root.length
  while (segment.lastIndex < text.length) {
    const found = segment.exec(text)
    if (!found) {
      throw new Flaw(
        path,
        `the placeholder {${text.slice(0, 60)}} cannot be read`,
        'write it like {input.seats[0].row}, or {outputs["my.step"].id}',
      )
    }
    names.push(found[1] ?? found[2] ?? found[3] ?? '')
  }
  const [step] = names
  if (root === 'outputs' && steps && step !== undefined && !steps.has(step))
    throw noStep(text, step, steps, path)
  return [root as Root, ...names]
}

function noStep(text: string, step: string, steps: ReadonlySet<string>, path: Path): Flaw {
  const near = suggest(step, [...steps])
  const known = steps.size === 0 ? 'there is none' : `there are ${[...steps].join(', ')}`
  return new Flaw(
    path,
    `{${text.slice(0, 60)}}: no step before this one is called '${step.slice(0, 60)}'`,
    near === undefined ? known : `did you mean '${near}'?`,
  )
}

export function lookUp(way: Way, scope: Scope): Json | undefined {
  const [root, ...names] = way
  let value: unknown = scope[root]
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value as Json | undefined
}

/** `null` counts as absent: the next way is tried, as `??` does. */
function resolve({ ways }: Reference, scope: Scope): Json | undefined {
  let value: Json | undefined
  for (const way of ways) {
    value = lookUp(way, scope)
    if (value !== undefined && value !== null) return value
  }
  return value
}

/** How a value becomes part of a text. `before` is what has been rendered so far. */
export type Encode = (text: string, placeholder: string, before: string) => string

const asItIs: Encode = (text) => text

export class Template {
  readonly #parts: readonly Part[]

  private constructor(parts: readonly Part[]) {
    this.#parts = parts
  }

  /** `{{` and `}}` stand for the signs themselves. Throws Flaw. */
  static parse(text: string, names: Names, path: Path): Template {
    const parts: Part[] = []
    let literal = ''
    for (const [token] of text.matchAll(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g)) {
      if (token === '{{' || token === '}}') literal += token[0]
      else if (token === '{' || token === '}') {
        throw new Flaw(path, `a lone ${token}`, `write ${token}${token} for the sign itself`)
      } else if (token.startsWith('{')) {
        if (literal !== '') parts.push(literal)
        literal = ''
        parts.push(parseReference(token.slice(1, -1), names, path))
      } else literal += token
    }
    if (literal !== '' || parts.length === 0) parts.push(literal)
    return new Template(parts)
  }

  /** The text before the first placeholder. */
  get beginning(): string {
    const [first] = this.#parts
    return typeof first === 'string' ? first : ''
  }

  /** One placeholder and nothing else: where it is absent, so is the whole. */
  get isPlaceholder(): boolean {
    return this.#parts.length === 1 && typeof this.#parts[0] !== 'string'
  }

  get isLiteral(): boolean {
    return this.#parts.length === 1 && typeof this.#parts[0] === 'string'
  }

  /** Every placeholder that may come to nothing, because all of its ways begin at `root`. */
  dependingOn(root: Root): string[] {
    return this.#parts
      .filter((part) => typeof part !== 'string')
      .filter(({ ways }) => ways.every(([first]) => first === root))
      .map(({ text }) => text)
  }

  /** As text. Throws Unrenderable where a value is absent, or no text. */
  render(scope: Scope, encode: Encode = asItIs): string {
    let text = ''
    for (const part of this.#parts) {
      text += typeof part === 'string' ? part : encode(textOf(resolve(part, scope), part), part.text, text)
    }
    return text
  }

  /** As JSON: a template that is one placeholder gives the value itself, of whatever type; undefined where it is absent. */
  value(scope: Scope): Json | undefined {
    const [only] = this.#parts
    return this.#parts.length === 1 && typeof only === 'object' ? resolve(only, scope) : this.render(scope)
  }
}

function parseReference(text: string, names: Names, path: Path): Reference {
  const ways = text.split('??').map((way) => parseWay(way.trim(), names, path))
  return { text: text.trim(), ways }
}

function textOf(value: Json | undefined, { text }: Reference): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const what = value === undefined || value === null ? 'is absent' : 'is no text'
  throw new Unrenderable(`{${text}} ${what}`)
}

/** Renders a value of JSON; undefined: it is left out. */
export type Body = (scope: Scope) => Json | undefined

/** JSON whose strings are templates, at any depth; names of properties are not. Throws Flaw. */
export function compileBody(value: unknown, names: Names, path: Path): Body {
  if (typeof value === 'string') {
    const template = Template.parse(value, names, path)
    return (scope) => template.value(scope)
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) => compileBody(item, names, [...path, index]))
    // An absent item is null, as in JSON: the others keep their places.
    return (scope) => items.map((item) => item(scope) ?? null)
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([name, member]) => [name, compileBody(member, names, [...path, name])] as const,
    )
    return (scope) =>
      Object.fromEntries(
        members
          .map(([name, member]) => [name, member(scope)] as const)
          .filter((member): member is readonly [string, Json] => member[1] !== undefined),
      )
  }
  return () => value as Json
}
