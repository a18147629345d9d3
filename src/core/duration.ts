/**
 * Durations: how users write them, and how they are shown.
 *
 * Invariants
 * - What comes out is a whole number of ms from 0 to 2^53-1, kept exactly. It may be far above 2^31-1, where timers
 *   fire at once: whoever sets a timer must cut it into pieces.
 * - A duration above zero never rounds down to zero, so that no wait turns into "at once".
 */
import { BadInputError } from './errors.js'

/** A number of ms, or text such as `'250ms'`, `'1.5s'`, `'2m'`, `'1h'`, `'1d'`. */
export type Duration = number | string

/** Throws what suits the place where the mistake was made. */
export type Refuse = (message: string, hint: string) => never

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const written = /^(\d{1,16}(?:\.\d{1,16})?) ?(ms|s|m|h|d)$/
const howTo = "write a number of ms, or text such as '250ms', '1.5s', '2m', '1h', '1d'"

/**
 * Reads a duration, in ms. `what` names it in the error, such as `timeout of step 'flight'`.
 *
 * @throws what `refuse` throws, by default BadInputError (`BAD_INPUT`), for anything that is not a duration
 */
export function duration(value: unknown, what: string, refuse: Refuse = refuseInput): number {
  const ms = typeof value === 'string' ? parse(value) : value
  if (typeof ms !== 'number' || Number.isNaN(ms))
    return refuse(`${what} is no duration: ${show(value)}`, howTo)
  if (ms < 0) return refuse(`${what} is negative: ${show(value)}`, howTo)
  if (ms > Number.MAX_SAFE_INTEGER) {
    return refuse(
      `${what} is too long: ${show(value)}`,
      'the longest duration is 2^53-1 ms, about 285,000 years',
    )
  }
  return ms === 0 ? 0 : Math.max(1, Math.round(ms))
}

/** For people: `250ms`, `1.5s`, `2m 5s`, `3d 4h`; never more than two units. */
export function formatDuration(ms: number): string {
  if (!(ms >= 0)) return `${ms}ms`
  const whole = Math.round(ms)
  if (whole < 1_000) return `${whole}ms`
  // 59.95 s and more would read "60s".
  if (whole < 59_950) return `${Number((whole / 1_000).toFixed(whole < 10_000 ? 2 : 1))}s`
  const seconds = Math.round(whole / 1_000)
  if (seconds < 3_600) return pair(seconds, 60, 'm', 's')
  const minutes = Math.round(whole / 60_000)
  if (minutes < 1_440) return pair(minutes, 60, 'h', 'm')
  return pair(Math.round(whole / 3_600_000), 24, 'd', 'h')
}

function parse(text: string): number {
  const [, amount, unit] = written.exec(text.trim()) ?? []
  return amount === undefined || unit === undefined
    ? Number.NaN
    : Number(amount) * (units[unit] ?? Number.NaN)
}

function pair(value: number, big: number, bigUnit: string, smallUnit: string): string {
  const rest = value % big
  return `${Math.floor(value / big)}${bigUnit}${rest === 0 ? '' : ` ${rest}${smallUnit}`}`
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number' || value === null || value === undefined) return String(value)
  return `a ${typeof value}`
}

function refuseInput(message: string, hint: string): never {
  throw new BadInputError(message, hint)
}
