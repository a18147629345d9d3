/**
 * The lint's tools: what makes a definition one that cannot work is found when it is made, before any effect.
 *
 * Invariants
 * - Every refusal is a DefinitionError that names the saga, the step and the remedy.
 * - The lint trusts no type: definitions are written in JavaScript too.
 */
import { duration, type Refuse } from '../core/duration.js'
import { DefinitionError } from '../core/errors.js'
import type { ThrowsPolicy } from '../core/plan.js'
import { suggest } from './suggest.js'

/** What is being checked, for the error. */
export interface Place {
  readonly saga: string
  readonly step?: string
}

export type Options = Readonly<Record<string, unknown>>

export function refuse(place: Place, message: string, hint: string): never {
  const where =
    place.step === undefined
      ? `saga ${quote(place.saga)}`
      : `saga ${quote(place.saga)}, step ${quote(place.step)}`
  throw new DefinitionError(`${where}: ${message}`, hint, place.step)
}

/**
 * Names go into shapes, keys of outputs, log records, command lines: so no signs that mean something there, and
 * nothing that every object has already.
 */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/

/** True for a name that may be used. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' && plainName.test(value) && !isReserved(value)

const isReserved = (name: string): boolean => name === 'prototype' || name in Object.prototype

/** Why `value` is no name, and the remedy. */
export function nameProblem(value: unknown): readonly [message: string, hint: string] {
  const rule = '1 to 100 letters, digits, _ . or -, beginning with a letter, a digit or _'
  if (typeof value !== 'string') return [`its name is ${article(value)}`, `a name is text: ${rule}`]
  if (value === '') return ['its name is empty', `a name has ${rule}`]
  if (value.length > 100) return [`its name has ${value.length} characters`, `a name has ${rule}`]
  if (isReserved(value))
    return [`its name ${quote(value)} is one that every object has`, 'choose another name']
  const plain = value.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[.-]+|-+$/g, '')
  return [
    `its name ${quote(value)} has signs that a name cannot have`,
    isName(plain) ? `write ${quote(plain)}` : `a name has ${rule}`,
  ]
}

/** An object of options, none of them unknown. An instance of a class may have fields of its own. */
export function checkOptions(value: unknown, what: string, known: readonly string[], place: Place): Options {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(
      place,
      `${what} must be an object, not ${article(value)}`,
      `it may have ${known.join(', ')}`,
    )
  }
  for (const key of isInstance(value) ? [] : Object.keys(value)) {
    if (known.includes(key)) continue
    const meant = suggest(key, known)
    refuse(
      place,
      `${what} have no ${quote(key)}`,
      meant === undefined ? `there are ${known.join(', ')}` : `did you mean '${meant}'?`,
    )
  }
  return value as Options
}

function isInstance(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype !== Object.prototype && prototype !== null
}

export function checkDuration(value: unknown, what: string, place: Place): number {
  const fail: Refuse = (message, hint) => refuse(place, message, hint)
  const ms = duration(value, what, fail)
  return ms > 0 ? ms : refuse(place, `${what} is 0`, 'it must be at least 1 ms')
}

const originals = new WeakMap<object, object>()

/** The function as the user wrote it, for those who show its source. */
export const asWritten = (bound: object): object => originals.get(bound) ?? bound

/** A function, bound to the object it was found in so that `this` works in a class. Undefined if there is none. */
export function checkFunction<F>(options: Options, key: string, place: Place): F | undefined {
  const value = options[key]
  if (value === undefined) return undefined
  if (typeof value !== 'function') {
    return refuse(place, `${key} is ${article(value)}, not a function`, `write ${key}: (context) => …`)
  }
  const bound: object = value.bind(options)
  originals.set(bound, value)
  return bound as F
}

export function checkThrows(value: unknown, fallback: ThrowsPolicy, place: Place): ThrowsPolicy {
  if (value === undefined) return fallback
  if (value === 'rejected' || value === 'in_doubt') return value
  return refuse(place, `throws is ${article(value)}`, "write throws: 'rejected' or throws: 'in_doubt'")
}

/** How many times: a whole number from 1, or Infinity. */
export function checkCount(value: unknown, what: string, place: Place): number {
  if (
    typeof value === 'number' &&
    value >= 1 &&
    (Number.isInteger(value) || value === Number.POSITIVE_INFINITY)
  )
    return value
  return refuse(place, `${what} is ${article(value)}`, 'write a whole number from 1, or Infinity')
}

export function quote(text: string): string {
  return `'${text.length > 60 ? `${text.slice(0, 60)}…` : text}'`
}

/** A value as one would say it: `undefined`, `5`, `'fast'`, `an object`. */
export function article(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  if (typeof value === 'function') return 'a function'
  return typeof value === 'symbol' ? 'a symbol' : String(value)
}
