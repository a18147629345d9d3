/**
 * The lint of a saga's own options, reduced to what its plan and definition need of them.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defaultStuck, type StuckPolicy, type ThrowsPolicy } from '../core/plan.js'
import {
  article,
  checkCount,
  checkDuration,
  checkFunction,
  checkOptions,
  checkThrows,
  isName,
  nameProblem,
  type Place,
  quote,
  refuse,
} from './lint.js'

/** A saga without its steps. */
export interface SagaHead {
  readonly name: string
  readonly version: string
  readonly throws: ThrowsPolicy
  readonly stuck: StuckPolicy
  readonly anonymous: boolean
  readonly keys?: (input: never) => unknown
  readonly schema?: StandardSchemaV1
  readonly deadline?: number
}

const sagaOptions = ['input', 'version', 'keys', 'deadline', 'throws', 'stuck']

export function lintSaga(name: unknown, given: unknown): SagaHead {
  const place: Place = { saga: typeof name === 'string' ? name : String(article(name)) }
  if (!isName(name)) return refuse(place, ...nameProblem(name))
  const options = checkOptions(given, 'the options of a saga', sagaOptions, place)
  const keys = checkFunction<(input: never) => unknown>(options, 'keys', place)
  const schema = checkSchema(options['input'], place)
  return {
    name,
    version: checkVersion(options['version'], place),
    throws: checkThrows(options['throws'], 'rejected', place),
    stuck: checkStuck(options['stuck'], place),
    anonymous: false,
    ...(keys === undefined ? {} : { keys }),
    ...(schema === undefined ? {} : { schema }),
    ...(options['deadline'] === undefined
      ? {}
      : { deadline: checkDuration(options['deadline'], 'deadline', place) }),
  }
}

function checkVersion(version: unknown, place: Place): string {
  if (version === undefined) return '1'
  if (isName(version)) return version
  if (typeof version === 'number')
    return refuse(place, `version ${version} is a number`, `write version: '${version}'`)
  return refuse(
    place,
    `version ${article(version)} is none`,
    "a version is text of 1 to 100 letters, digits, _ . or -, such as '2' or '2026-11-22'",
  )
}

/** A schema may be an object (zod, valibot) or a function (arktype). */
function checkSchema(schema: unknown, place: Place): StandardSchemaV1 | undefined {
  if (schema === undefined) return undefined
  const standard = isHolder(schema) ? (schema as unknown as Record<string, unknown>)['~standard'] : undefined
  if (isHolder(standard) && typeof (standard as { validate?: unknown }).validate === 'function')
    return schema as StandardSchemaV1
  return refuse(
    place,
    `input is ${article(schema)}, not a schema`,
    'it takes what speaks Standard Schema, such as a schema of zod, valibot or arktype',
  )
}

const isHolder = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

function checkStuck(given: unknown, place: Place): StuckPolicy {
  if (given === undefined) return defaultStuck
  const { attempts, after } = checkOptions(
    given,
    `the options ${quote('stuck')}`,
    ['attempts', 'after'],
    place,
  )
  return {
    attempts: attempts === undefined ? defaultStuck.attempts : checkCount(attempts, 'stuck.attempts', place),
    after: after === undefined ? defaultStuck.after : checkDuration(after, 'stuck.after', place),
  }
}
