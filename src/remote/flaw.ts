/**
 * What is wrong with a remote step or a definition file, and where in it: thrown while one is being made, before anything runs.
 *
 * Invariants
 * - `path` leads from the object that the user wrote to the place of the mistake, so that a file can name line and column.
 */
import type { Json } from '../core/entry.js'
import { DefinitionError } from '../core/errors.js'
import { storable } from '../core/json.js'
import { suggest } from '../definition/suggest.js'

export type Path = readonly (string | number)[]

export class Flaw extends Error {
  override readonly name = 'Flaw'

  constructor(
    readonly path: Path,
    message: string,
    readonly hint: string,
  ) {
    super(message)
  }
}

/** `steps[1].commit.url` */
export const pathText = (path: Path): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part.slice(0, 60)}`))
    .join('')
    .replace(/^\./, '')

/** `commit.url is missing`; what does not begin with a verb follows a colon. */
export const sentence = (where: string, message: string): string =>
  `${where}${/^(is|has) /.test(message) ? '' : ':'} ${message}`

/** Runs `make`, and turns a flaw that it finds into the error that users see. */
export function orDefinitionError<T>(what: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof Flaw)) throw error
    const where = error.path.length === 0 ? what : `${what}: ${pathText(error.path)}`
    throw new DefinitionError(sentence(where, error.message), error.hint)
  }
}

/** What is JSON as it stands: no NaN, nothing that refers back to what holds it. Throws Flaw. */
export function plain(value: unknown, path: Path): Json {
  const stored = storable(value, pathText(path.slice(-1)))
  if (stored.ok) return stored.value ?? null
  throw new Flaw(path, `${stored.path} ${stored.reason}`, 'write plain JSON')
}

export type Fields = Readonly<Record<string, unknown>>

/** An object with no other fields than these. Throws Flaw. */
export function checkFields(value: unknown, known: readonly string[], path: Path): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Flaw(path, 'is no object', `write an object with ${known.join(', ')}`)
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown === undefined) return value as Fields
  throw unknownField(unknown, known, path)
}

export function unknownField(name: string, known: readonly string[], path: Path): Flaw {
  const near = suggest(name, known)
  return new Flaw(
    [...path, name],
    `there is no field '${name.slice(0, 60)}' here`,
    near === undefined ? `known are ${known.join(', ')}` : `did you mean '${near}'?`,
  )
}
