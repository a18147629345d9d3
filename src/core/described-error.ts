/**
 * Errors as they are kept: any thrown value becomes a StoredError, and a StoredError becomes an Error again.
 *
 * Invariants
 * - `describe` never throws, whatever the value does when it is looked at, and its work is bounded.
 * - What it returns can be stored: no NUL, no lone surrogates, at most about 100 kB whatever was thrown.
 *   (A rollback that fails for ever keeps two of these, and a journal is meant to be read by people.)
 */
import type { StoredError } from './entry.js'
import { isRejected } from './errors.js'
import { read, readItems } from './hostile.js'
import { storable } from './json.js'

/** Characters. Longer messages are response bodies, pasted into an error by a client library. */
export const maxMessage = 2_000
export const maxStack = 4_000
/** How far `cause` is followed. */
export const maxCauses = 5
const maxName = 100
const maxCode = 100
/** Members of an AggregateError that its message names. */
const maxErrors = 3

/** Describes a thrown value, so that it can be stored. Never throws. */
export function describe(thrown: unknown): StoredError {
  return describeWithin(thrown, [])
}

/** Makes an error that a person can read: name, message, code, stack and causes as they were. */
export function rebuild(stored: StoredError): Error {
  const { name, message, code, stack, cause } = stored
  const error = new Error(message, cause === undefined ? undefined : { cause: rebuild(cause) })
  hide(error, 'name', name)
  hide(error, 'stack', stack ?? `${name}: ${message}`)
  return code === undefined ? error : Object.assign(error, { code })
}

/** An error's own `name` and `stack` are not enumerable; printing one would show them twice. */
function hide(error: Error, key: 'name' | 'stack', value: string): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: false })
}

function describeWithin(thrown: unknown, holders: readonly object[]): StoredError {
  if (typeof thrown !== 'object' || thrown === null)
    return { name: 'NonError', message: describePrimitive(thrown) }
  const name = nameOf(thrown)
  const message = messageOf(thrown)
  const code = codeOf(thrown)
  const stack = isRejected(thrown) ? undefined : stackOf(thrown, name, message)
  const cause = causeOf(thrown, [...holders, thrown])
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined ? {} : { cause }),
  }
}

function describePrimitive(thrown: unknown): string {
  if (typeof thrown === 'string') return clean(thrown, maxMessage)
  if (typeof thrown === 'function') return 'a function was thrown'
  return clean(`${String(thrown)} was thrown`, maxMessage)
}

/** `class SoldOut extends Error {}` leaves `name` at 'Error'; its class says more. */
function nameOf(thrown: object): string {
  const name = read(thrown, 'name')
  if (typeof name === 'string' && name !== '' && name !== 'Error') return clean(name, maxName)
  const made = read(thrown, 'constructor')
  const className = typeof made === 'function' ? read(made, 'name') : undefined
  if (typeof className !== 'string' || className === '') return name === 'Error' ? 'Error' : 'NonError'
  return className === 'Object' ? 'NonError' : clean(className, maxName)
}

function messageOf(thrown: object): string {
  const message = read(thrown, 'message')
  const text = typeof message === 'string' ? message : preview(thrown)
  return clean(`${text.slice(0, maxMessage + 1)}${membersOf(read(thrown, 'errors'))}`, maxMessage)
}

/** What a thrown object holds is often all that there is to know, such as `{ status: 409 }`. */
function preview(thrown: object): string {
  const stored = storable(thrown)
  return stored.ok ? JSON.stringify(stored.value) : 'an object was thrown that cannot be described'
}

/** Of an AggregateError: ` [first; second; third; and 7 more]` */
function membersOf(errors: unknown): string {
  const { items, length } = readItems(errors, maxErrors)
  if (length === 0) return ''
  const texts = items.map((item) => {
    const message = typeof item === 'object' ? read(item, 'message') : item
    return typeof message === 'string' ? message.slice(0, maxMessage / 5) : 'an error without a message'
  })
  if (length > maxErrors) texts.push(`and ${length - maxErrors} more`)
  return ` [${texts.join('; ')}]`
}

function codeOf(thrown: object): string | undefined {
  const code = read(thrown, 'code')
  if (typeof code === 'number') return String(code)
  return typeof code === 'string' && code !== '' ? clean(code, maxCode) : undefined
}

/**
 * Name and message as described (the engine's own header repeats all 50 MB of a message), then the frames.
 * A Rejected has none: it is an answer, not a fault, and making the text of a stack costs more than the rest of the step.
 */
function stackOf(thrown: object, name: string, message: string): string | undefined {
  const stack = read(thrown, 'stack')
  if (typeof stack !== 'string') return undefined
  const frames = stack.indexOf('\n    at ')
  return frames < 0
    ? undefined
    : clean(`${name}: ${message}${stack.slice(frames, frames + maxStack)}`, maxStack)
}

function causeOf(thrown: object, holders: readonly object[]): StoredError | undefined {
  if (holders.length > maxCauses) return undefined
  const cause = read(thrown, 'cause')
  if (cause === undefined || holders.includes(cause as object)) return undefined
  return describeWithin(cause, holders)
}

/** With the u flag a lone surrogate is a character, and half of a pair is not. */
const unstorable = /[\0\ud800-\udfff]/gu

/** Cuts the text and replaces what cannot be stored. */
function clean(text: string, max: number): string {
  if (text.length <= max) return text.replace(unstorable, '\ufffd')
  // Through bytes: a slice would keep all 50 MB of the original alive, and this also replaces a pair that was cut in two.
  return `${Buffer.from(text.slice(0, max - 1))
    .toString()
    .replaceAll('\0', '\ufffd')}…`
}
