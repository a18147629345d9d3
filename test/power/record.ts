/**
 * The run whose power will be cut: two lives of a process (see child.mjs), recorded.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { failingFolder, recordedFolder } from '../support/shim.js'
import { temporaryFolder } from '../support/stores.js'
import { type RawChunk, type Reference, readChunks, referenceOf } from './examine.js'
import { type Operation, readTape } from './tape.js'

export interface Recording {
  readonly folder: string
  readonly tape: readonly Operation[]
  readonly reference: Reference
}

export interface RunOptions {
  /** Set after the product has set and checked its own. Default: none. */
  readonly pragmas?: string
  /** In each life. */
  readonly sagas?: number
  /** Characters that some of the inputs and outputs have. Default: enough for pages of their own. */
  readonly bulk?: number
  /** One sync in so many fails. Default: none. */
  readonly syncFails?: number
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A process that hangs is a failure of its own. */
const patience = 25_000

export async function record({
  pragmas = '',
  sagas = 30,
  bulk = 9_000,
  syncFails = 0,
}: RunOptions): Promise<Recording> {
  const folder = join(temporaryFolder(), 'store')
  mkdirSync(folder)
  const before = join(temporaryFolder(), 'before.json')
  const { env: recorded, tape } = recordedFolder(folder)
  const { env: failing, fault } = failingFolder(folder)
  if (syncFails > 0) fault.order({ kinds: ['sync'], at: syncFails, every: syncFails })
  const env = { ...recorded, ...failing, BACKSTEP_POWER_PRAGMAS: pragmas }
  for (const life of [1, 2]) {
    const config = JSON.stringify({ folder, life, sagas, before, bulk })
    const child = spawn(process.execPath, ['--import', path('pragmas.mjs'), path('child.mjs'), config], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: patience,
    })
    const [complaints, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    if (life === 1 ? signal !== 'SIGKILL' : code !== 0)
      throw new Error(`life ${life} ended with ${signal ?? code}: ${complaints}`)
  }
  const early = JSON.parse(readFileSync(before, 'utf8')) as RawChunk[]
  const reference = referenceOf(...early, ...readChunks(join(folder, 'store.db')))
  return { folder, tape: readTape(tape), reference }
}

/** How long the WAL became, in bytes. */
export function longestWal({ folder, tape }: Recording): number {
  const open = new Set<string>()
  let longest = 0
  for (const operation of tape) {
    if (operation.kind === 'open') {
      if (operation.path === join(folder, 'store.db-wal')) open.add(operation.file)
      else open.delete(operation.file)
    } else if (operation.kind === 'write' && open.has(operation.file)) {
      longest = Math.max(longest, operation.offset + operation.bytes.length)
    }
  }
  return longest
}
