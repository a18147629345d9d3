/**
 * The table that a person reads: one line a case, then one line for each of its bars.
 */
import pico from 'picocolors'
import type { Bar, Result } from './result.js'

const columns = [
  ['sagas/s', 10],
  ['p50 ms', 9],
  ['p99 ms', 9],
  ['limit/s', 10],
  ['of limit', 9],
  ['cpu s/1000', 11],
  ['RSS MB', 8],
] as const
const nameWidth = 24

export function header(): string {
  const titles = columns.map(([title, width]) => title.padStart(width)).join('')
  return pico.bold('case'.padEnd(nameWidth) + titles)
}

export function lines(result: Result): string {
  const { sagasPerSecond, p50Ms, p99Ms, limitPerSecond, ofLimit, cpuSecondsPer1000, rssMb } = result
  const figures = [sagasPerSecond, p50Ms, p99Ms, limitPerSecond, ofLimit, cpuSecondsPer1000, rssMb]
  const cells = columns.map(([, width], i) => cell(figures[i] ?? null).padStart(width)).join('')
  return [result.name.padEnd(nameWidth) + cells, ...result.bars.map(verdict)].join('\n')
}

function verdict({ bar, value, met }: Bar): string {
  const word = met ? pico.green('met   ') : pico.red('MISSED')
  return `  ${word} ${bar}: ${cell(value)}`
}

function cell(value: number | null): string {
  if (value === null) return '–'
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)))
}
