/**
 * What an object must look like to be a definition: JSON Schema, with errors that a person can use; and schemas for the input of sagas.
 *
 * Invariants
 * - The first mistake is told, at its place, with the remedy that the schema describes.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { article } from '../definition/lint.js'
import { Flaw, type Path, unknownField } from './flaw.js'

/** Throws Flaw. */
export type Check = (value: unknown) => void

export function checkBy(schema: object): Check {
  let validate: ValidateFunction | undefined
  return (value) => {
    // Made when it is first needed: whoever has no definition file does not wait for it.
    validate ??= new Ajv2020({ verbose: true, strict: true, allowUnionTypes: true, logger: false }).compile(
      schema,
    )
    if (!validate(value)) throw flawOf(validate.errors?.[0])
  }
}

interface Described {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Described>>
}

function flawOf(error: ErrorObject | undefined): Flaw {
  if (!error) return new Flaw([], 'is not as it should be', 'compare it with the schema')
  const path = pathOf(error.instancePath, error)
  const schema = (error.parentSchema ?? {}) as Described
  const remedy = schema.description ?? 'compare it with definition.schema.json'
  if (error.keyword === 'additionalProperties') {
    return unknownField(
      String(error.params['additionalProperty']),
      Object.keys(schema.properties ?? {}),
      path,
    )
  }
  if (error.keyword === 'required') {
    const missing = String(error.params['missingProperty'])
    return new Flaw([...path, missing], 'is missing', schema.properties?.[missing]?.description ?? remedy)
  }
  if (error.keyword === 'type') return new Flaw(path, `is ${article(error.data)}`, remedy)
  if (error.propertyName !== undefined)
    return new Flaw([...path, error.propertyName], 'is no name that can be here', remedy)
  const problem =
    error.keyword === 'pattern' || error.keyword === 'enum'
      ? `${article(error.data)} cannot be`
      : error.message
  return new Flaw(path, problem ?? 'cannot be', remedy)
}

/** `/steps/0/commit`, unescaped; numbers where the value is a list cannot be told from names there, and need not be. */
function pathOf(pointer: string, _error?: ErrorObject): Path {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}

/** A JSON Schema as the schema of a saga's input. Formats (`date`, `email` …) are not checked. Throws Flaw. */
export function inputSchema(schema: object | boolean, path: Path): StandardSchemaV1 {
  let validate: ValidateFunction
  try {
    validate = new Ajv2020({
      allErrors: true,
      validateFormats: false,
      allowUnionTypes: true,
      logger: false,
    }).compile(schema)
  } catch (error) {
    throw new Flaw(
      path,
      `is no JSON Schema: ${(error as Error).message}`,
      'write a JSON Schema of draft 2020-12',
    )
  }
  if ('$async' in validate) throw new Flaw(path, 'is asynchronous', 'leave $async out')
  const issues = (value: unknown) =>
    validate(value)
      ? undefined
      : (validate.errors ?? []).map((error) => ({
          message: messageOf(error),
          path: pathOf(error.instancePath),
        }))
  return {
    '~standard': {
      version: 1,
      vendor: 'backstep',
      validate(value) {
        const found = issues(value)
        return found ? { issues: found } : { value }
      },
    },
  }
}

/** ajv says that there must be no other properties, and not which one there is. */
const messageOf = ({ message, keyword, params }: ErrorObject): string =>
  keyword === 'additionalProperties'
    ? `must not have the field ${String(params['additionalProperty'])}`
    : (message ?? 'is not as it should be')
