/**
 * A logger that repeats nothing of what a saga was given: for where errors and keys may quote what must not be shown.
 */
import type { Logger } from '../index.js'

/** Records keep what happened, to which step, with which error's name and code; no message of an error, no key. */
export function withoutPayloads(logger: Logger): Logger {
  const level =
    (name: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message?: string): void =>
      logger[name](bare(fields), message)
  return { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') }
}

const bare = (fields: object): object =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([name]) => name !== 'keys')
      .map(([name, value]) => [name, isError(value) ? named(value) : value]),
  )

interface ErrorLike {
  readonly name: string
  readonly message: string
  readonly code?: unknown
}

const isError = (value: unknown): value is ErrorLike =>
  typeof value === 'object' && value !== null && 'message' in value && 'name' in value

const named = ({ name, code }: ErrorLike): object => ({ name, ...(code === undefined ? {} : { code }) })
