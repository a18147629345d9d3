/**
 * The options of an orchestrator, checked before anything is opened.
 */
import { type Duration, duration } from '../core/duration.js'
import { BadInputError } from '../core/errors.js'
import type { Logger } from '../definition/context.js'
import type { Definition } from '../definition/definition.js'
import { suggest } from '../definition/suggest.js'
import type { Store } from '../store/store.js'
import { type Clock, systemClock } from './clock.js'
import type { Events } from './events.js'

export interface OrchestratorOptions {
  /** What this process runs. Unfinished sagas of these go on at once. */
  readonly sagas?: readonly Definition[]
  /** How many sagas run at once in this process, where their keys let them. Default 64. */
  readonly concurrency?: number
  /** `false`: submits and looks, but runs nothing. */
  readonly work?: boolean
  /** `false`: a store that is not there yet, or has an older schema, is refused and left as it is. Default true. */
  readonly create?: boolean
  /** Any logger of pino's shape; `false`: silent. Default: JSON lines on stderr. */
  readonly log?: Logger | false
  /** How long a call may take to say how it ended, once its signal was aborted. Default 2 s. */
  readonly grace?: Duration
  /** How long a frozen process keeps its sagas. Default: what the store thinks right (15 s for SQLite). */
  readonly lease?: Duration
  /** Called when a saga is stuck; retries go on. */
  readonly onStuck?: (event: Events['stuck']) => void
  /** Time, chance and ids; for tests. */
  readonly clock?: Clock
}

const known = ['sagas', 'concurrency', 'work', 'create', 'log', 'grace', 'lease', 'onStuck', 'clock'] as const

export interface CheckedOptions {
  readonly sagas: readonly Definition[]
  readonly concurrency: number
  readonly work: boolean
  readonly create: boolean
  readonly log: Logger | false | undefined
  readonly grace: number
  readonly lease: number | undefined
  readonly onStuck: ((event: Events['stuck']) => void) | undefined
  readonly clock: Clock
}

/** Throws BadInputError, naming the option and the remedy. */
export function checkOptions(options: OrchestratorOptions): CheckedOptions {
  checkNames(options, known, 'Orchestrator.open')
  const {
    sagas = [],
    concurrency = 64,
    work = true,
    create = true,
    log,
    grace = 2_000,
    lease,
    onStuck,
    clock,
  } = options
  if (!Array.isArray(sagas)) throw bad('sagas is no array', 'pass the definitions: { sagas: [bookTrip] }')
  sagas.forEach((definition, index) => {
    if (!isDefinition(definition)) throw bad(`sagas[${index}] is no definition`, 'make it with saga(…)')
  })
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw bad(
      'concurrency is no whole number above 0',
      'use 1 or more; sagas without keys run one at a time anyway',
    )
  }
  if (typeof work !== 'boolean')
    throw bad('work is neither true nor false', 'use { work: false } to run nothing here')
  if (typeof create !== 'boolean')
    throw bad('create is neither true nor false', 'use { create: false } to open only what is there')
  if (log !== undefined && log !== false && typeof log?.info !== 'function') {
    throw bad('log is no logger', 'pass a logger of the shape of pino, or false for silence')
  }
  if (onStuck !== undefined && typeof onStuck !== 'function')
    throw bad('onStuck is no function', 'pass a function')
  const leaseMs = lease === undefined ? undefined : duration(lease, 'lease')
  if (leaseMs !== undefined && leaseMs < 100) throw bad('lease is shorter than 100 ms', 'use some seconds')
  return {
    sagas: sagas as readonly Definition[],
    concurrency,
    work,
    create,
    log,
    grace: duration(grace, 'grace'),
    lease: leaseMs,
    onStuck,
    clock: clock ?? systemClock,
  }
}

/** Refuses names that mean nothing here: a misspelt option would silently do nothing. */
export function checkNames(options: unknown, names: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null) {
    throw new BadInputError(`${where}: the options are no object`, `pass an object with: ${names.join(', ')}`)
  }
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue
    const near = suggest(name, names)
    throw new BadInputError(
      `${where} has no option ${name}`,
      near ? `did you mean ${near}?` : `it has: ${names.join(', ')}`,
    )
  }
}

export const isDefinition = (value: unknown): value is Definition =>
  typeof value === 'object' && value !== null && 'plan' in value && 'functions' in value

/** A store object, rather than an address. */
export const isStore = (value: unknown): value is Store =>
  typeof value === 'object' && value !== null && 'apply' in value && 'find' in value

const bad = (message: string, hint: string): BadInputError =>
  new BadInputError(`Orchestrator.open: ${message}`, hint)
