/**
 * The desk: a command's view of one store, opened to look and to step in.
 *
 * Invariants
 * - It never claims a saga (`work: false`), and never makes a store: what is not there is an error.
 * - SIGINT and SIGTERM close the store and end the command; a second one ends the process at once.
 */
import { statSync } from 'node:fs'
import { Orchestrator, shownAddress } from '../index.js'
import { systemClock, type Timer } from '../runtime/clock.js'
import { Interrupted, NoStoreError, type Signal, UsageError } from './failure.js'
import { shellWord, type Terminal } from './terminal.js'

export const defaultStore = 'sqlite:backstep.db'

/** Options that every command has. */
export interface Shared {
  readonly store?: string
  readonly json?: boolean
}

/** Where a command works. */
export interface Place {
  readonly address: string
  /** The address without its password: the one to print. */
  readonly shown: string
  /** For commands that it tells to type: ['--store', address], where that was given on the command line. */
  readonly storeOption: readonly string[]
  readonly terminal: Terminal
  readonly signal: AbortSignal
}

export interface Desk extends Place {
  readonly orchestrator: Orchestrator
}

export function placeOf({ store }: Shared, terminal: Terminal, signal: AbortSignal): Place {
  const address = store ?? (process.env['BACKSTEP_STORE'] || defaultStore)
  const storeOption = store === undefined ? [] : ['--store', shellWord(shownAddress(store))]
  return { address, shown: shownAddress(address), storeOption, terminal, signal }
}

const howToName = 'name another with --store sqlite:FILE or BACKSTEP_STORE'

/** The path of a store's file, which is there. Undefined for stores that are no file. Throws UsageError, NoStoreError. */
export function fileOf(address: string): string | undefined {
  if (address === 'memory:') {
    throw new UsageError('memory: holds nothing here: such a store lives in its own process', howToName)
  }
  if (!/^[a-z]+:/i.test(address)) {
    throw new UsageError(`${JSON.stringify(address)} is no address of a store`, `write sqlite:${address}`)
  }
  if (!address.startsWith('sqlite:')) return undefined
  const path = address.slice('sqlite:'.length)
  const file = statSync(path, { throwIfNoEntry: false })
  if (!file) {
    const where = path.startsWith('/') ? '' : ` in ${process.cwd()}`
    throw new NoStoreError(`there is no store ${address}${where}`, howToName)
  }
  if (file.isDirectory()) throw new NoStoreError(`${path} is a folder`, howToName)
  const isBlank = file.size === 0 && !statSync(`${path}-wal`, { throwIfNoEntry: false })?.size
  if (isBlank) throw new NoStoreError(`${path} is empty: no process has made a store of it`, howToName)
  return path
}

/** Opens the store of a place, hands it to `use`, and closes it. */
export async function atDesk<T>(place: Place, use: (desk: Desk) => Promise<T>): Promise<T> {
  fileOf(place.address)
  const orchestrator = await Orchestrator.open(place.address, { work: false, create: false, log: false })
  const close = () => orchestrator.close({ drain: 0 })
  // Whatever it still waits for is rejected; that the command was interrupted is said by `interruptible`.
  const closeSoon = () => void close().catch(() => {})
  place.signal.addEventListener('abort', closeSoon)
  try {
    return await use({ ...place, orchestrator })
  } finally {
    place.signal.removeEventListener('abort', closeSoon)
    await close()
  }
}

/** How long a store that is busy may take to close once a signal came, ms. */
const patience = 1_000

/** Runs a command. After a signal the store is closed, and it rejects (Interrupted), unless the command was done by then. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let interrupted: Interrupted | undefined
  let stop: (name: NodeJS.Signals) => void = () => {}
  let timer: Timer | undefined
  const outOfPatience = new Promise<never>((_, reject) => {
    stop = (name) => {
      interrupted = new Interrupted(name as Signal, false)
      timer = systemClock.timer(patience, () => reject(new Interrupted(name as Signal, true)))
      controller.abort()
    }
  })
  for (const name of signals) process.once(name, stop)
  try {
    return await Promise.race([run(controller.signal), outOfPatience])
  } catch (error) {
    // What is under way fails as its store closes.
    throw error instanceof Interrupted ? error : (interrupted ?? error)
  } finally {
    timer?.cancel()
    for (const name of signals) process.off(name, stop)
  }
}

const signals: readonly Signal[] = ['SIGINT', 'SIGTERM']
