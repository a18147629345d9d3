/**
 * Idempotency keys: `<saga uid>:<step>:commit`, `<saga uid>:<step>:rollback`, and `…:rollback:2` and up for
 * a rollback that runs again because its commit landed late.
 *
 * Invariants
 * - A commit and all its rollbacks lead to one commit key: the barrier keeps its records under that.
 * - The uid of a saga is a UUIDv7: it begins with the time of its birth, so uids sort by age.
 */
import { BadInputError } from '../core/errors.js'

/** What a call says about itself: the context that a step receives, or the same three taken from the headers of a request. */
export interface BarrierCall {
  readonly idempotencyKey: string
  /** Of a rollback: the key of the commit to undo. Follows from `idempotencyKey` where it is absent. */
  readonly commitKey?: string | undefined
  /** The fencing token; a header's decimal text will do. Absent: this call is not fenced. */
  readonly token?: number | string | undefined
}

/** A call whose key and token have been read. */
export interface ReadCall {
  readonly key: string
  readonly commitKey: string
  readonly saga: string
  readonly step: string
  readonly token: number | undefined
}

const form = /^([^:\s]{1,64}):([^:\s]{1,100}):(?:(commit)|rollback(?::([2-9]|[1-9]\d{1,8}))?)$/
const hint = 'pass on what the step received: idempotencyKey, commitKey and token, unchanged'

/** Throws BadInputError when a key has another form, is one of the other direction, or names another commit. */
export function readCall(call: BarrierCall, direction: 'commit' | 'rollback'): ReadCall {
  const key: unknown = call?.idempotencyKey
  const match = typeof key === 'string' ? form.exec(key) : null
  if (typeof key !== 'string' || !match) {
    throw new BadInputError(`idempotencyKey: ${describe(key)} is not a key of Backstep`, hint)
  }
  const [, saga = '', step = '', commit] = match
  if ((commit !== undefined) !== (direction === 'commit')) {
    throw new BadInputError(`idempotencyKey: ${describe(key)} is not the key of a ${direction}`, hint)
  }
  const commitKey = `${saga}:${step}:commit`
  if (call.commitKey !== undefined && call.commitKey !== commitKey) {
    throw new BadInputError(
      `commitKey: ${describe(call.commitKey)} is not what ${describe(key)} undoes`,
      hint,
    )
  }
  return { key, commitKey, saga, step, token: readToken(call.token) }
}

function readToken(token: unknown): number | undefined {
  if (token === undefined) return undefined
  const number = typeof token === 'string' && /^\d{1,16}$/.test(token) ? Number(token) : token
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number
  throw new BadInputError(`token: ${describe(token)} is not a whole number`, hint)
}

function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 200)) : `a value of type ${typeof value}`
}

/** The least uid that a saga born at `at` (ms since 1970) can have: older uids sort before it. */
export function leastUidOf(at: number): string {
  const hex = Math.max(0, at).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7`
}

/** Of a uid, or of a key that begins with one, which tells the time of its birth: as SQLite's GLOB. */
export const dated = `${'[0-9a-f]'.repeat(8)}-${'[0-9a-f]'.repeat(4)}-7*`

/** The same as `dated`. */
export const isDated = (uid: string): boolean => /^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(uid)
