/**
 * The options of a simulation: what they mean, their defaults, and what is refused before any effect.
 */
import { BadInputError } from '../index.js'
import { randomSeed } from './clock.js'

export interface SimulationOptions {
  /** How many trips to book. */
  readonly sagas: number
  /** The chance of each call, of either direction, to fail. */
  readonly failureRate: number
  /** The same seed books the same trips and draws the same faults. */
  readonly seed: number
  /** How many trips may be under way at a time. 1: one after the other, in order of submission. */
  readonly concurrency: number
  /** Travellers as keys: the trips of one traveller never overlap. 0: each trip has a key of its own, if any may overlap. */
  readonly keys: number
  /** Address of the orchestrator's store; undefined: a new SQLite file in the run's folder. */
  readonly store: string | undefined
  /** How many processes share the store, each with its own orchestrator. */
  readonly workers: number
  /** How often one of these processes is killed. With one worker and no kill the orchestrator runs in this process. */
  readonly kill: number
  /** The services run in this process instead of in three of their own: faster, and less like life. */
  readonly inProcess: boolean
}

/** As they come from a command line or a caller: text or numbers, absent for the default. */
export type GivenOptions = {
  readonly [Name in Exclude<keyof SimulationOptions, 'inProcess'>]?: string | number | undefined
} & { readonly inProcess?: boolean | undefined }

export interface SimulateFlags extends GivenOptions {
  readonly json?: boolean | undefined
  readonly keep?: boolean | undefined
}

/** A database server that lives as long as one run. */
export interface Throwaway extends AsyncDisposable {
  readonly address: string
}

interface Rule {
  readonly flag: string
  readonly least: number
  readonly most: number
  readonly whole: boolean
  readonly why: string
}

const rules = {
  sagas: {
    flag: '--sagas',
    least: 1,
    most: 1_000_000,
    whole: true,
    why: 'it is the number of trips; a million take hours',
  },
  failureRate: {
    flag: '--failure-rate',
    least: 0,
    most: 0.9,
    whole: false,
    why: 'where every rollback fails, no trip ever ends',
  },
  seed: {
    flag: '--seed',
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
    whole: true,
    why: 'any whole number will do',
  },
  concurrency: { flag: '--concurrency', least: 1, most: 1_024, whole: true, why: '1 books trip after trip' },
  keys: { flag: '--keys', least: 1, most: 1_000_000, whole: true, why: 'it is the number of travellers' },
  workers: { flag: '--workers', least: 1, most: 64, whole: true, why: 'each is a process of its own' },
  kill: { flag: '--kill', least: 0, most: 1_000, whole: true, why: '0 kills nobody' },
} as const satisfies Record<string, Rule>

/** Reads and checks all of them. Throws BadInputError (`BAD_INPUT`) naming the flag, what was wrong with it, and what would do. */
export function readOptions(given: GivenOptions): SimulationOptions {
  const kill = read(given.kill, 0, rules.kill)
  const workers = read(given.workers, 1, rules.workers)
  return {
    sagas: read(given.sagas, 1_000, rules.sagas),
    failureRate: read(given.failureRate, 0.05, rules.failureRate),
    seed: read(given.seed, randomSeed, rules.seed),
    concurrency: read(given.concurrency, 1, rules.concurrency),
    keys: read(given.keys, () => 0, rules.keys),
    store: readStore(given.store, kill, workers),
    workers,
    kill,
    inProcess: given.inProcess === true,
  }
}

function read(given: string | number | undefined, fallback: number | (() => number), rule: Rule): number {
  if (given === undefined) return typeof fallback === 'number' ? fallback : fallback()
  const value = typeof given === 'string' && /^\d+(\.\d+)?$/.test(given.trim()) ? Number(given) : given
  if (typeof value === 'number' && value >= rule.least && value <= rule.most) {
    if (!rule.whole || Number.isInteger(value)) return value
  }
  const kind = rule.whole ? 'a whole number' : 'a number'
  throw new BadInputError(
    `${rule.flag} ${JSON.stringify(given)}: not ${kind} from ${rule.least} to ${rule.most}`,
    rule.why,
  )
}

function readStore(given: string | number | undefined, kill: number, workers: number): string | undefined {
  if (given === undefined) return undefined
  if (typeof given !== 'string' || given.trim() === '') {
    throw new BadInputError('--store: empty', 'name a store, such as sqlite:trips.db, or leave it out')
  }
  if (given.startsWith('memory:') && (kill > 0 || workers > 1)) {
    const [flag, why] =
      kill > 0
        ? [`--kill ${kill}`, 'nothing survives in memory']
        : [`--workers ${workers}`, 'memory is not shared']
    throw new BadInputError(`--store ${given} ${flag}: ${why}`, 'use sqlite:trips.db or postgres:')
  }
  return given
}
