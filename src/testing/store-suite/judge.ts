/**
 * What the cases of the suite say of an answer: plain assertions, the same under every test runner.
 *
 * Invariants
 * - They throw AssertionErrors of node:assert, with `actual` and `expected`: every runner shows those as a difference.
 * - Values are compared as JSON would have them: a property that is `undefined` is absent, and prototypes do not count. A runner may
 *   give its tests a realm of their own (Jest does), whose objects node:assert would never take for equal to those of a driver.
 */
import { AssertionError } from 'node:assert/strict'

type Fields = Readonly<Record<string, unknown>>
type Rule = (actual: unknown, expected: unknown) => boolean

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null

function isSame(actual: unknown, expected: unknown): boolean {
  return compare(actual, expected, isSame, true)
}

/** As `isSame`, but of an object only the fields that are expected. */
function isLike(actual: unknown, expected: unknown): boolean {
  return compare(actual, expected, isLike, false)
}

function compare(actual: unknown, expected: unknown, rule: Rule, whole: boolean): boolean {
  if (!isFields(actual) || !isFields(expected)) return Object.is(actual, expected)
  if (Array.isArray(actual) !== Array.isArray(expected)) return false
  const names = new Set(Object.keys(expected))
  if (whole || Array.isArray(expected)) for (const name of Object.keys(actual)) names.add(name)
  return [...names].every((name) => rule(actual[name], expected[name]))
}

/** Only what is worth a look where a part was expected. */
function partOf(actual: unknown, expected: unknown): unknown {
  if (!isFields(actual) || !isFields(expected)) return actual
  if (Array.isArray(actual)) return actual.map((item, i) => partOf(item, expected[i]))
  return Object.fromEntries(Object.keys(expected).map((name) => [name, partOf(actual[name], expected[name])]))
}

// biome-ignore lint/complexity/noBannedTypes: it is what AssertionError takes
type Caller = Function

function fail(what: string | undefined, actual: unknown, expected: unknown, caller: Caller): never {
  const details = { actual, expected, stackStartFn: caller }
  const plain = new AssertionError({ ...details, operator: 'deepStrictEqual' })
  if (what === undefined) throw plain
  throw new AssertionError({ ...details, message: `${what}\n${plain.message}` })
}

export function same(actual: unknown, expected: unknown, what?: string): void {
  if (!isSame(actual, expected)) fail(what, actual, expected, same)
}

/** Of an object, only the fields that are expected count; of an array, every item. */
export function like(actual: unknown, expected: unknown, what?: string): void {
  if (!isLike(actual, expected)) fail(what, partOf(actual, expected), expected, like)
}

export function holds(fact: boolean | undefined, what: string): asserts fact {
  if (fact !== true) {
    throw new AssertionError({ message: what, actual: fact, expected: true, stackStartFn: holds })
  }
}

export function differs(actual: unknown, from: unknown, what = 'it is the same'): void {
  holds(!isSame(actual, from), `${what}: ${JSON.stringify(actual)}`)
}

export function has(value: object | undefined, field: string): void {
  holds(value && field in value, `no ${field} in ${JSON.stringify(value)}`)
}

export function lacks(value: object | undefined, field: string): void {
  holds(value && !(field in value), `there is a ${field} in ${JSON.stringify(value)}`)
}

export function contains(list: readonly unknown[], item: unknown): void {
  holds(
    list.some((one) => isSame(one, item)),
    `no ${JSON.stringify(item)} in ${JSON.stringify(list)}`,
  )
}

type Measured = number | null | undefined

export function above(actual: Measured, than: number): void {
  holds((actual ?? Number.NaN) > than, `${actual} is not above ${than}`)
}

export function atLeast(actual: Measured, least: number): void {
  holds((actual ?? Number.NaN) >= least, `${actual} is less than ${least}`)
}

export function atMost(actual: Measured, most: number): void {
  holds((actual ?? Number.NaN) <= most, `${actual} is more than ${most}`)
}
