/**
 * What can be stored: JSON, and the one copy of it that every store keeps and every later step receives.
 *
 * Invariants
 * - What `storable` accepts reads back from its JSON text exactly as it is returned, on every store alike.
 * - The copy is its own and deeply frozen: nobody can change what has been journaled.
 * - Nothing that a value does (throwing getters, revoked proxies, cycles, depth) makes `storable` throw or overflow the stack.
 *
 * It runs on every input and output, hundreds of thousands of times a second: one walk copies, checks and counts
 * bytes, and the path of an offender is only put together once there is one.
 */
import type { Json } from './entry.js'

/** The most that one value may take, in bytes of UTF-8 JSON. */
export const maxJsonBytes = 1_048_576

/** The deepest nesting. Real payloads stay under 20; each level costs stack here and in every parser that reads it back. */
export const maxJsonDepth = 200

export type Storable =
  /** `value` is undefined only where nothing was given: it is stored as absent. */
  | { readonly ok: true; readonly value: Json | undefined; readonly bytes: number }
  | { readonly ok: false; readonly path: string; readonly reason: string }

const nothing: Storable = { ok: true, value: undefined, bytes: 0 }

/**
 * Says whether `value` can be stored, with a normalised frozen copy of it, or where and why it cannot.
 *
 * `undefined` properties are left out and -0 becomes 0; symbol keys and non-enumerable properties are ignored, as JSON does.
 *
 * @param root what the value is called in the path of an offender, such as `input`
 * @example storable({ born: new Date() }, 'input') // { ok: false, path: 'input.born', reason: 'is a Date; …' }
 */
export function storable(value: unknown, root = 'value'): Storable {
  if (value === undefined) return nothing
  const walk = new Walk()
  try {
    const copy = walk.copy(value)
    return { ok: true, value: copy, bytes: walk.bytes }
  } catch (thrown) {
    return { ok: false, path: root + pathOf(walk.trail), reason: reasonOf(thrown) }
  }
}

/** The JSON text with sorted keys: equal values have equal text. */
export function canonical(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonical).join(',')}]`
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] as Json)}`)
  return `{${members.join(',')}}`
}

/** True for a whole number that would be another one: those of 64 bits, as ids of other languages are, do not all fit into JavaScript's. */
export const isRounded = (digits: string): boolean =>
  /^[-+]?\d{16,}$/.test(digits) && String(Number(digits)) !== digits

/** Array.isArray does not narrow readonly arrays. */
const isArray = (value: Json): value is readonly Json[] => Array.isArray(value)

/** Thrown within a walk and caught at its top, so that the good case pays nothing for the bad one. */
class Unstorable extends Error {}

type Plain = Record<string, unknown>

class Walk {
  bytes = 0
  /** Keys and indexes from the root to where the walk is now. */
  readonly trail: (string | number)[] = []
  /** The objects on that way, to notice a cycle. */
  private readonly parents: object[] = []

  copy(value: unknown): Json {
    switch (typeof value) {
      case 'string':
        this.add(stringBytes(value))
        return value
      case 'number':
        if (!Number.isFinite(value)) throw new Unstorable(`is ${value}`)
        this.add(numberBytes(value))
        return value === 0 ? 0 : value
      case 'boolean':
        this.add(value ? 4 : 5)
        return value
      case 'object':
        if (value === null) {
          this.add(4)
          return null
        }
        return this.descend(value)
      case 'bigint':
        throw new Unstorable('is a BigInt; store it as text')
      default:
        throw new Unstorable(`is a ${typeof value}`)
    }
  }

  private descend(value: object): Json {
    if (this.parents.length >= maxJsonDepth)
      throw new Unstorable(`is nested deeper than ${maxJsonDepth} levels`)
    if (this.parents.includes(value)) throw new Unstorable('refers back to what holds it')
    this.parents.push(value)
    const copy = Array.isArray(value) ? this.copyArray(value) : this.copyObject(value as Plain)
    this.parents.pop()
    return copy
  }

  private copyArray(array: readonly unknown[]): Json {
    // The prototype of arrays is an array itself, in every realm; that of a subclass is not.
    const prototype: unknown = Object.getPrototypeOf(array)
    if (!Array.isArray(prototype))
      throw new Unstorable(`is an instance of ${className(array)}; store a plain array`)
    refuseToJson(array)
    const copy: Json[] = []
    this.add(2)
    for (let index = 0; index < array.length; index++) {
      this.trail.push(index)
      const value = array[index]
      if (value === undefined) {
        throw new Unstorable(
          Object.hasOwn(array, index) ? 'is undefined, in an array' : 'is a hole in an array',
        )
      }
      if (index > 0) this.add(1)
      copy.push(this.copy(value))
      this.trail.pop()
    }
    return Object.freeze(copy)
  }

  private copyObject(object: Plain): Json {
    const prototype: object | null = Object.getPrototypeOf(object)
    if (prototype !== Object.prototype && prototype !== null && !isForeignObjectPrototype(prototype)) {
      throw new Unstorable(instanceReason(object))
    }
    refuseToJson(object)
    const copy: Record<string, Json> = {}
    let count = 0
    for (const key of Object.keys(object)) {
      this.trail.push(key)
      const value = object[key]
      if (value !== undefined) {
        this.add(stringBytes(key) + (count++ === 0 ? 1 : 2))
        const stored = this.copy(value)
        if (key === '__proto__') define(copy, key, stored)
        else copy[key] = stored
      }
      this.trail.pop()
    }
    this.add(2)
    return Object.freeze(copy)
  }

  private add(bytes: number): void {
    this.bytes += bytes
    if (this.bytes > maxJsonBytes) {
      this.trail.length = 0
      throw new Unstorable(
        `takes more than ${maxJsonBytes} bytes of JSON (1 MB); store it elsewhere and keep a reference`,
      )
    }
  }
}

/** Assigning to `__proto__` would set the prototype; this makes it a property like any other, as JSON.parse does. */
function define(target: object, key: string, value: Json): void {
  Object.defineProperty(target, key, { value, enumerable: true })
}

/** Objects of another realm (a vm context, as some test runners use) have another Object.prototype. */
function isForeignObjectPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

function refuseToJson(value: object): void {
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    throw new Unstorable('has a toJSON method')
}

function instanceReason(value: object): string {
  const name = className(value)
  if (name === 'Date') return 'is a Date; store date.toISOString() or date.getTime()'
  if (name === 'Map') return 'is a Map; store Object.fromEntries(map) or [...map]'
  if (name === 'Set') return 'is a Set; store [...set]'
  return `is an instance of ${name}; store a plain object`
}

function className(value: object): string {
  const named: unknown = value.constructor
  return typeof named === 'function' && named.name !== '' ? named.name.slice(0, 100) : 'an unnamed class'
}

/** Small integers are by far the most common number. */
function numberBytes(value: number): number {
  if (value >= 0 && value < 10 && Number.isInteger(value)) return 1
  return String(value).length
}

/** The bytes of the text in JSON, quotes and escapes included. Nearly all text is short and plain: one byte a character. */
function stringBytes(text: string): number {
  const { length } = text
  if (length > maxJsonBytes) return length
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return unusualBytes(text)
  }
  return length + 2
}

/** With the u flag a lone surrogate is a character, and half of a pair is not. */
const loneSurrogate = /[\ud800-\udfff]/u

function unusualBytes(text: string): number {
  if (text.includes('\0')) throw new Unstorable('holds a NUL character')
  if (loneSurrogate.test(text)) throw new Unstorable('holds a lone surrogate, half of a character')
  return Buffer.byteLength(JSON.stringify(text))
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof Unstorable) return thrown.message
  let message = ''
  try {
    if (thrown instanceof Error) message = String(thrown.message).slice(0, 200)
  } catch {
    // A hostile error says nothing.
  }
  return message === '' ? 'cannot be read' : `cannot be read: ${message}`
}

const identifier = /^[A-Za-z_$][\w$]*$/

/** `.passengers[2].born`; keys that are no identifiers are quoted, long ones and long ways cut. */
function pathOf(trail: readonly (string | number)[]): string {
  const shown = trail.length > 20 ? trail.slice(0, 20) : trail
  const text = shown.map((part) => {
    if (typeof part === 'number') return `[${part}]`
    if (identifier.test(part) && part.length <= 100) return `.${part}`
    return `[${JSON.stringify(part.length > 100 ? `${part.slice(0, 100)}…` : part)}]`
  })
  return text.join('') + (shown === trail ? '' : '…')
}
