/**
 * What a submit says, checked and made storable before anything is written.
 *
 * Invariants
 * - Bad input is refused here, before any effect, naming the path of the offending value.
 * - What is handed on is a frozen copy: the caller may change his own afterwards.
 */
import { type Duration, duration } from '../core/duration.js'
import type { Json, Submitted } from '../core/entry.js'
import { BadInputError } from '../core/errors.js'
import { storable } from '../core/json.js'
import type { Definition } from '../definition/definition.js'
import type { Queryable } from '../store/store.js'
import type { Clock } from './clock.js'
import { checkNames } from './options.js'

export interface SubmitOptions extends SagaOptions {
  /**
   * A transaction of yours on the same database (PostgreSQL): the saga exists exactly if it commits, and starts then.
   * Ask for the outcome after the commit. It cannot be prepared for a two-phase commit (`PREPARE TRANSACTION`), since it
   * tells the workers by NOTIFY.
   */
  readonly tx?: Queryable
}

export interface SagaOptions {
  /** The saga's own id; the same id and input again finds the same saga. Default: a new random one. */
  readonly id?: string
  /** From now; overrides the definition's. */
  readonly deadline?: Duration
  /** A `traceparent` (W3C Trace Context) of yours: kept with the saga, and given to its steps. */
  readonly trace?: string
}

const maxId = 256
const maxKey = 512
const maxKeys = 100

/** Control characters would break logs and command lines; a lone surrogate is not found again in any store. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unfit = /[\u0000-\u001f\u007f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/** Throws BadInputError. */
export function checkId(id: unknown): string {
  if (typeof id !== 'string')
    throw new BadInputError('the id is no text', 'pass a text such as order-7, or none')
  if (id.length === 0 || id.length > maxId || id.trim() !== id || unfit.test(id)) {
    throw new BadInputError(
      `the id ${JSON.stringify(id.slice(0, 40))} cannot be used`,
      `use 1 to ${maxId} characters, without control characters, and no blank at either end`,
    )
  }
  return id
}

/** Validates the input by the definition's schema, if it has one. A promise only where the schema is asynchronous. */
export function validate(definition: Definition, input: unknown): unknown {
  const { schema } = definition
  if (!schema) return input
  const result = schema['~standard'].validate(input)
  return result instanceof Promise
    ? result.then((r) => accepted(definition, r))
    : accepted(definition, result)
}

type SchemaResult = Awaited<ReturnType<NonNullable<Definition['schema']>['~standard']['validate']>>

function accepted(definition: Definition, result: SchemaResult): unknown {
  if (!result.issues) return result.value
  const issues = result.issues.slice(0, 5).map(({ message, path }) => `${pathOf(path)}: ${message}`)
  throw new BadInputError(
    `${definition.plan.name} refuses its input: ${issues.join('; ')}`,
    'send input that its schema accepts',
  )
}

type Path = NonNullable<NonNullable<SchemaResult['issues']>[number]['path']>

const pathOf = (path: Path | undefined): string =>
  ['input', ...(path ?? []).map((part) => String(typeof part === 'object' ? part.key : part))].join('.')

/** The first entry of the journal. Throws BadInputError for what cannot be stored, and for bad keys. */
export function submittedOf(
  definition: Definition,
  input: unknown,
  options: SubmitOptions | undefined,
  uid: string,
  clock: Clock,
): Submitted {
  const stored = storable(input, 'input')
  if (!stored.ok)
    throw new BadInputError(`${stored.path} ${stored.reason}`, 'input must be JSON: convert it first')
  const { value } = stored
  const keys = definition.keys ? keysOf(definition, value) : null
  const wait = options?.deadline === undefined ? definition.deadline : duration(options.deadline, 'deadline')
  const deadline = wait === undefined ? undefined : Math.min(8.64e15, clock.now() + wait)
  const submitted: Submitted =
    value === undefined ? { type: 'submitted', uid, keys } : { type: 'submitted', uid, input: value, keys }
  const trace = options?.trace
  if (deadline === undefined && trace === undefined) return submitted
  return {
    ...submitted,
    ...(deadline === undefined ? {} : { deadline }),
    ...(trace === undefined ? {} : { trace }),
  }
}

export const isTraceparent = (value: unknown): boolean =>
  typeof value === 'string' &&
  /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(value)

export function checkSubmitOptions(options: SubmitOptions | undefined, where: 'run' | 'submit'): void {
  if (options === undefined) return
  checkNames(options, ['id', 'deadline', 'trace', where === 'run' ? 'wait' : 'tx'], where)
  if (options.id !== undefined) checkId(options.id)
  if (options.trace !== undefined && !isTraceparent(options.trace)) {
    throw new BadInputError(
      `${where}: trace is no traceparent`,
      'pass 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, or nothing',
    )
  }
  const { tx } = options
  if (tx !== undefined && typeof tx?.query !== 'function') {
    throw new BadInputError(
      'submit: tx has no query function',
      'pass the pg client that holds your transaction',
    )
  }
}

function keysOf(definition: Definition, input: Json | undefined): readonly string[] {
  const { name } = definition.plan
  let keys: unknown
  try {
    keys = definition.keys?.(input as never)
  } catch (cause) {
    throw new BadInputError(`the keys of ${name} threw`, 'mend keys(input); nothing was submitted', { cause })
  }
  if (!Array.isArray(keys)) throw badKeys(name, 'returned no array', 'return an array of texts; [] for none')
  if (keys.length > maxKeys) throw badKeys(name, `returned ${keys.length} keys`, `return at most ${maxKeys}`)
  for (const key of keys) {
    if (typeof key !== 'string' || key.length === 0 || key.length > maxKey || unfit.test(key)) {
      throw badKeys(
        name,
        `returned a bad key`,
        `a key is a text of 1 to ${maxKey} characters such as account:42`,
      )
    }
  }
  return keys.length < 2 ? (keys as string[]).slice() : [...new Set(keys as string[])].sort()
}

const badKeys = (name: string, what: string, hint: string): BadInputError =>
  new BadInputError(`the keys of ${name} ${what}`, hint)
