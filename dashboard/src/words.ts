/**
 * Times, durations and states in words. Pure: time is given.
 */
import type { SagaSummary, Status } from 'backstep'
import { safe } from '#dist/runtime/text.js'

/** A state as the page shows it: each has a shape, a colour and a word of its own. */
export type Kind = Status | 'stuck' | 'blocked'

export const kindWords: Readonly<Record<Kind, string>> = {
  stuck: 'Stuck',
  blocked: 'Blocked',
  queued: 'Queued',
  running: 'Running',
  rolling_back: 'Rolling back',
  committed: 'Committed',
  rolled_back: 'Rolled back',
}

export const isEnded = ({ status }: Pick<SagaSummary, 'status'>): boolean =>
  status === 'committed' || status === 'rolled_back'

/** What an operator must know first. */
export const kindOf = (saga: Pick<SagaSummary, 'status' | 'stuck' | 'blocked'>): Kind =>
  isEnded(saga) ? saga.status : saga.blocked ? 'blocked' : saga.stuck ? 'stuck' : saga.status

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** As the sentences of Backstep write it: `850ms`, `4.2s`, `12s`, `3m 20s`, `2d 4h` */
export function lasting(ms: number): string {
  if (ms < 0) return `-${lasting(-ms)}`
  if (ms < 1_000) return `${Math.round(ms)}ms`
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1).replace('.0', '')}s`
  const seconds = Math.round(ms / 1_000) * 1_000
  const first = units.findIndex(([, size]) => seconds >= size)
  const [big, small] = [units[first], units[first + 1]]
  if (!big) return '0s'
  const rest = small ? Math.floor((seconds % big[1]) / small[1]) : 0
  return `${Math.floor(seconds / big[1])}${big[0]}${small && rest > 0 ? ` ${rest}${small[0]}` : ''}`
}

/** In one unit, for columns: `now`, `12s`, `3m`, `2h`, `5d` */
export function ageOf(ms: number): string {
  if (ms < 1_000) return 'now'
  const [unit, size] = units.find(([, least]) => ms >= least) ?? units[3]
  return `${Math.floor(ms / size)}${unit}`
}

const two = (number: number): string => String(number).padStart(2, '0')

/** The local time of day; with the date where it is not that of `now`. */
export function timeText(at: number, now: number, precise = false): string {
  const date = new Date(at)
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  const exact = precise ? `${time}.${String(date.getMilliseconds()).padStart(3, '0')}` : time
  if (date.toDateString() === new Date(now).toDateString()) return exact
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${exact}`
}

/** `12,345` whatever the browser's language: as the command line writes it. */
export const count = (number: number): string => number.toLocaleString('en-US')

/** `1.2 k`, for places that have no room. */
export function brief(number: number): string {
  if (number < 10_000) return count(number)
  if (number < 999_500) return `${(number / 1_000).toFixed(number < 99_950 ? 1 : 0)} k`
  return `${(number / 1_000_000).toFixed(1)} M`
}

export const plural = (number: number, one: string): string =>
  `${count(number)} ${one}${number === 1 ? '' : 's'}`

/** JSON as it is read best, without signs that turn its direction. */
export const pretty = (value: unknown): string =>
  JSON.stringify(value, null, 2).split('\n').map(safe).join('\n')
