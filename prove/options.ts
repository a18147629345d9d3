/**
 * The words of `npm run prove -- …`.
 *
 * Invariant: whatever is wrong with them is said before anything runs, with what to write instead.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { kindOf, kinds } from './faults.js'
import type { Smaller } from './setting.js'
import type { StoreKind } from './stores.js'

export class BadOption extends Error {}

export interface Options {
  readonly help: boolean
  readonly from: number
  /** How many; Infinity: until `minutes` are over. */
  readonly seeds: number
  readonly minutes: number
  readonly store: StoreKind | 'both'
  readonly jobs: number
  /** Only this one. */
  readonly seed: number | undefined
  readonly trace: boolean
  readonly smaller: Smaller
}

export const help = `npm run prove -- [options]

Runs seeded histories of a whole fleet under faults, in virtual time, and holds every promise against each of them.

  --seeds N      how many (default 2000)
  --from N       the first one (default 1)
  --minutes N    as many as fit into so many minutes
  --store S      memory, sqlite, or both (default: mostly memory, every 25th on SQLite)
  --jobs N       processes (default: one for each core)

  --seed N       only this one
  --trace        prints its history, line by line
  --sagas 1,3    only these of its sagas
  --workers N    at most so many processes in it
  --faults a,b   only these of its faults; none: no fault at all

A seed that fails is printed, and the first one is made small. The exit code is 0 only if every promise held.
`

const words = {
  help: { type: 'boolean', short: 'h', default: false },
  seeds: { type: 'string' },
  from: { type: 'string', default: '1' },
  minutes: { type: 'string' },
  store: { type: 'string', default: 'both' },
  jobs: { type: 'string' },
  seed: { type: 'string' },
  trace: { type: 'boolean', default: false },
  sagas: { type: 'string' },
  workers: { type: 'string' },
  faults: { type: 'string' },
} as const

export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args)
  if (positionals.length > 0)
    throw new BadOption(`what is ${positionals[0]}? A single seed is --seed ${positionals[0]}`)
  const { store } = values
  if (store !== 'memory' && store !== 'sqlite' && store !== 'both')
    throw new BadOption(`--store is ${store}: it is memory, sqlite or both`)
  const seed = values.seed === undefined ? undefined : whole('seed', values.seed, 0)
  for (const name of ['trace', 'sagas', 'workers', 'faults'] as const) {
    if (values[name] && seed === undefined)
      throw new BadOption(`--${name} is for one history: name it by --seed`)
  }
  const minutes =
    values.minutes === undefined ? Number.POSITIVE_INFINITY : positive('minutes', values.minutes)
  const seeds =
    values.seeds === undefined
      ? minutes === Number.POSITIVE_INFINITY
        ? 2_000
        : Number.POSITIVE_INFINITY
      : whole('seeds', values.seeds, 1)
  return {
    help: values.help,
    from: whole('from', values.from, 0),
    seeds,
    minutes,
    store,
    jobs: values.jobs === undefined ? availableParallelism() : whole('jobs', values.jobs, 1),
    seed,
    trace: values.trace,
    smaller: {
      sagas: values.sagas?.split(',').map((number) => whole('sagas', number, 0)),
      workers: values.workers === undefined ? undefined : whole('workers', values.workers, 1),
      faults: values.faults === undefined ? undefined : faultsOf(values.faults),
    },
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: words })
  } catch (error) {
    throw new BadOption(
      `${error instanceof Error ? error.message.split('. ')[0] : String(error)}; see --help`,
    )
  }
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= 0xffffffff) return value
  throw new BadOption(
    `--${name} is ${JSON.stringify(text)}: it is a whole number from ${least} to 4294967295`,
  )
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value > 0 && Number.isFinite(value)) return value
  throw new BadOption(`--${name} is ${JSON.stringify(text)}: it is a number above 0`)
}

function faultsOf(text: string): string[] {
  if (text === 'none') return []
  const names = text.split(',')
  for (const name of names) {
    if (!/^[a-z-]+\/[^/]+\/\d+$/.test(name) || !kinds.includes(kindOf(name)))
      throw new BadOption(`--faults: ${name} names no fault; one is called such as answer-lost/3/17`)
  }
  return names
}

/** Of the seeds that run on both, every 25th is one for SQLite: it is slower by so much that this is a third of the time. */
export const storeOf = (seed: number, store: StoreKind | 'both'): StoreKind =>
  store === 'both' ? (seed % 25 === 0 ? 'sqlite' : 'memory') : store
