/**
 * Faults from below, by a small library in C that is put in front of the C library of a process (see shim.c, shim-files.c).
 *
 * Invariants
 * - It is compiled where it is used. Where that is not possible, the tests are skipped, and the reason is printed.
 * - Only processes that are started with the given environment are touched, and those that they start.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'
import { FaultFile } from './shim-fault.mjs'
import { temporaryFolder } from './stores.js'

const sources = ['shim.c', 'shim-files.c'].map((name) => fileURLToPath(new URL(name, import.meta.url)))

interface Library {
  readonly file?: string
  readonly whyNot?: string
}

let library: Library | undefined

function compile(): Library {
  if (process.platform !== 'linux') return { whyNot: 'LD_PRELOAD is used on Linux only' }
  const file = join(temporaryFolder(), 'shim.so')
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-o', file, ...sources], { stdio: 'pipe' })
    return { file }
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer }
    // A compiler that refuses the source is a failure, not a reason to skip.
    if (code !== 'ENOENT') throw new Error(`cc: ${stderr ?? error}`)
    return { whyNot: 'there is no C compiler (cc)' }
  }
}

/** `describe` for tests that need the shim. */
export function describeShim(name: string, tests: () => void): void {
  library ??= compile()
  if (library.whyNot) console.warn(`skipped: ${name}: ${library.whyNot}`)
  describe.skipIf(library.whyNot !== undefined)(name, tests)
}

/** The environment that loads the shim into a process, with `settings` for its sections. */
export function shimEnvironment(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  library ??= compile()
  const { file, whyNot } = library
  if (file === undefined) throw new Error(whyNot)
  const others = process.env.LD_PRELOAD
  return { ...process.env, LD_PRELOAD: others ? `${file} ${others}` : file, ...settings }
}

export interface ShiftedClock {
  /** For the processes whose clock it is. */
  readonly env: NodeJS.ProcessEnv
  /** Sets their clock to so many ms ahead of this machine's; negative: behind. Takes effect at once. */
  set(ms: number): void
}

/** A wall clock that is `ms` ahead of this machine's. Timers and monotonic clocks are as ever. */
export function shiftedClock(ms: number): ShiftedClock {
  const file = join(temporaryFolder(), 'clock')
  const set = (shift: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(Math.round(shift * 1e6)))
    // In place: the file is mapped.
    writeFileSync(file, bytes, { flag: 'r+' })
  }
  writeFileSync(file, Buffer.alloc(8))
  set(ms)
  return { env: shimEnvironment({ BACKSTEP_SHIM_CLOCK: file }), set }
}

/** Records what processes do to the files in `folder`: they append it to `tape` (see power/tape.ts). */
export function recordedFolder(folder: string): { readonly env: NodeJS.ProcessEnv; readonly tape: string } {
  const tape = join(temporaryFolder(), 'tape')
  return { env: shimEnvironment({ BACKSTEP_SHIM_FILES: folder, BACKSTEP_SHIM_RECORD: tape }), tape }
}

/** Lets what processes do to the files in `folder` fail, as `fault` is told. */
export function failingFolder(folder: string): {
  readonly env: NodeJS.ProcessEnv
  readonly fault: FaultFile
} {
  const fault = new FaultFile(join(temporaryFolder(), 'fault'))
  return { env: shimEnvironment({ BACKSTEP_SHIM_FILES: folder, BACKSTEP_SHIM_FAULT: fault.path }), fault }
}
