/**
 * What the doctor looks at, each check by itself: the file, what is in it, the disk, the processes, the sagas.
 *
 * Invariant: a check never throws for what it is there to find; it answers with what is wrong, and what to do.
 */
import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Health } from '../index.js'
import { processOf } from '../runtime/why.js'
import { safe } from './terminal.js'

export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  /** What to do. */
  readonly hint?: string
}

/** Below this a checkpoint of a full WAL (64 MB), and what is submitted meanwhile, may not fit. */
const leastSpace = 256 * 1024 * 1024

const bytes = (count: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [value, unit] = [count, 0]
  while (value >= 1_000 && unit < units.length - 1) [value, unit] = [value / 1_000, unit + 1]
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

export function fileCheck(path: string): Check {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  return {
    name: 'file',
    ok: true,
    detail: `${path}, ${bytes(size)}${wal > 0 ? ` and ${bytes(wal)} of WAL` : ''}`,
  }
}

export function storeCheck({ engine, schema, problems }: Health): Check {
  const detail = [`schema ${schema}`, engine, ...problems].join('; ')
  return { name: 'store', ok: problems.length === 0, detail }
}

const run = promisify(execFile)
const checker = fileURLToPath(new URL('./integrity.js', import.meta.url))

export async function integrityCheck(path: string, signal: AbortSignal): Promise<Check> {
  const name = 'integrity'
  const hint = 'keep a copy of the file and its -wal, then restore a backup or try `sqlite3 FILE .recover`'
  try {
    const { stdout } = await run(process.execPath, [checker, path], { signal, killSignal: 'SIGKILL' })
    const wrong = JSON.parse(stdout) as string[]
    if (wrong.length === 0) return { name, ok: true, detail: 'every page is sound' }
    return { name, ok: false, detail: wrong.slice(0, 3).join('; '), hint }
  } catch (error) {
    return { name, ok: false, detail: `the check failed: ${lastLine(error)}`, hint }
  }
}

/** Of what the checker said on stderr: the error's message. */
function lastLine(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error)
  return said.split('\n').find((line) => /error/i.test(line) && !line.startsWith('Command')) ?? said
}

export async function diskCheck(path: string): Promise<Check> {
  const { bavail, bsize } = await statfs(dirname(path))
  const free = bavail * bsize
  const detail = `${bytes(free)} free`
  if (free >= leastSpace) return { name: 'disk', ok: true, detail }
  return { name: 'disk', ok: false, detail, hint: 'free some space: when the disk is full nothing goes on' }
}

/** Nobody there is no mistake by itself: what waits for a process is blocked, and counted there. */
export function processCheck({ workers }: Health): Check {
  const alive = workers.filter((worker) => worker.alive)
  const dead = workers.length - alive.length
  const each = alive.slice(0, 5).map(({ worker, offers }) => {
    const names = offers.slice(0, 5).map(({ name, version }) => `${name}@${version}`)
    return safe(`${processOf(worker)} (${names.join(', ') || 'nothing'}${offers.length > 5 ? ', …' : ''})`)
  })
  const more = alive.length > each.length ? ` and ${alive.length - each.length} more` : ''
  const gone =
    dead > 0 ? `; ${dead} died, and others take over what ${dead === 1 ? 'it' : 'they'} left unfinished` : ''
  const detail =
    alive.length === 0 ? 'none runs sagas now' : `${alive.length} alive: ${each.join(', ')}${more}`
  return { name: 'processes', ok: true, detail: detail + gone }
}

export function sagaCheck(name: 'stuck' | 'blocked', { counts }: Health): Check {
  const count = counts[name]
  const detail = count === 0 ? 'none' : `${count} ${count === 1 ? 'saga' : 'sagas'}`
  return { name, ok: count === 0, detail }
}
