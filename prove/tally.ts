/**
 * What many histories come to, in numbers and in words.
 */
import { kinds } from './faults.js'
import type { Report } from './history.js'

export interface Failure {
  readonly seed: number
  readonly store: Report['store']
  readonly wrong: readonly string[]
}

export interface Tally {
  memory: number
  sqlite: number
  ms: number
  turns: number
  readonly counts: Record<string, number>
  readonly failures: Failure[]
}

export const emptyTally = (): Tally => ({ memory: 0, sqlite: 0, ms: 0, turns: 0, counts: {}, failures: [] })

export function addReport(tally: Tally, { seed, store, wrong, ms, turns, counts }: Report): void {
  tally[store]++
  tally.ms += ms
  tally.turns += turns
  for (const [what, count] of Object.entries(counts)) tally.counts[what] = (tally.counts[what] ?? 0) + count
  if (wrong.length > 0) tally.failures.push({ seed, store, wrong })
}

export function addTally(tally: Tally, more: Tally): void {
  tally.memory += more.memory
  tally.sqlite += more.sqlite
  tally.ms += more.ms
  tally.turns += more.turns
  for (const [what, count] of Object.entries(more.counts))
    tally.counts[what] = (tally.counts[what] ?? 0) + count
  tally.failures.push(...more.failures)
}

const n = (value: number): string => Math.round(value).toLocaleString('en-US')

/** `seconds`: how long it took. */
export function summaryOf(tally: Tally, seconds: number, jobs: number): string {
  const { counts, memory, sqlite } = tally
  const of = (what: string): number => counts[what] ?? 0
  const seeds = memory + sqlite
  const faults = kinds.filter((kind) => of(kind) > 0)
  const causes = ['thrown', 'timeout', 'aborted', 'crash', 'unstorable', 'condition']
  const people = ['cancel', 'retry', 'resolve', 'rebind'].map((what) => `${what} ${n(of(`${what}: done`))}`)
  return [
    `seeds       ${n(seeds)}: ${n(memory)} in memory, ${n(sqlite)} on SQLite; ${n(seconds)} s, ${n(seeds / seconds)} histories/s in ${jobs} process${jobs === 1 ? '' : 'es'}`,
    `simulated   ${(tally.ms / 3_600_000).toFixed(1)} hours, ${n(tally.turns)} turns`,
    `sagas       ${n(of('sagas'))}: ${n(of('sagas committed'))} committed, ${n(of('sagas rolled back'))} rolled back; ${n(of('sagas reopened'))} came back late, ${n(of('sagas pruned'))} pruned`,
    `calls       ${n(of('calls'))} of steps, ${n(of('wasted calls'))} by superseded owners; ${n(of('excused effects'))} effects landed unseen at services without a barrier`,
    `crashes     ${n(of('crashes'))}; attempts open at a crash ${n(of('failed by crash'))}`,
    `failures    ${causes.map((cause) => `${cause} ${n(of(`failed by ${cause}`))}`).join(', ')}`,
    `by hand     ${people.join(', ')}`,
    ...columns(faults.map((kind) => `${kind} ${n(of(kind))}`)),
  ].join('\n')
}

function columns(items: readonly string[]): string[] {
  const lines: string[] = []
  for (let i = 0; i < items.length; i += 5) {
    const head = i === 0 ? 'faults      ' : '            '
    lines.push(`${head}${items.slice(i, i + 5).join(', ')}`)
  }
  return lines
}
