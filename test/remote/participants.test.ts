/**
 * Participants in JavaScript, Python and Go, each a process of its own with its own database, held to one contract.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, describe } from 'vitest'
import { contract, type Running } from './contract.js'

const ends: (() => void)[] = []
afterAll(() => {
  for (const end of ends.splice(0).reverse()) end()
})

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** Starts a participant once it is asked for; its command gets the file of its database and a port. */
function starting(command: () => readonly [string, ...string[]]): () => Promise<Running> {
  let started: Promise<Running> | undefined
  return () => {
    started ??= start(command())
    return started
  }
}

async function start([program, ...args]: readonly [string, ...string[]]): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'backstep-participant-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 9 }))
  let child: ChildProcess | undefined
  ends.push(() => child?.kill('SIGKILL'))
  const up = async (port: string): Promise<string> => {
    const running = spawn(program, [...args, join(folder, 'flights.db'), port], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = running
    for await (const line of createInterface({ input: running.stdout })) {
      const address = /http:\S+/.exec(line)?.[0]
      if (address !== undefined) return address
    }
    throw new Error(`${program} ended without an address`)
  }
  const url = await up('0')
  return {
    url,
    async restart() {
      const killed = new Promise((resolve) => child?.once('exit', resolve))
      child?.kill('SIGKILL')
      await killed
      return up(new URL(url).port)
    },
  }
}

function explain(what: string, reason: string | undefined): boolean {
  if (reason !== undefined) console.warn(`skipped: ${what}: ${reason}`)
  return reason !== undefined
}

describe('JavaScript', () => {
  contract(starting(() => [process.execPath, path('flights.mjs')]))
})

const noPython = (): string | undefined => {
  const found = spawnSync('python3', ['-c', 'import sqlite3; print(sqlite3.sqlite_version)'], {
    encoding: 'utf8',
  })
  if (found.error || found.status !== 0) return 'there is no python3 with sqlite3'
  const [major = 0, minor = 0] = found.stdout.trim().split('.').map(Number)
  return major > 3 || minor >= 37
    ? undefined
    : `its SQLite is ${found.stdout.trim()}, STRICT tables need 3.37`
}

describe.skipIf(explain('the participant in Python', noPython()))('Python', () => {
  contract(starting(() => ['python3', path('../../examples/participants/python/flights.py')]))
})

/** Built from a copy, and only with what is on this machine (`go mod download`, or Debian's package of the driver): tests load nothing. */
const goFolder = mkdtempSync(join(tmpdir(), 'backstep-go-'))
ends.push(() => rmSync(goFolder, { recursive: true, force: true }))
const debian = '/usr/share/gocode/src/github.com/mattn/go-sqlite3'
const noGo = (): string | undefined => {
  cpSync(path('../../examples/participants/go'), goFolder, { recursive: true })
  const env = { ...process.env, GOPROXY: 'off', GOTOOLCHAIN: 'local' }
  const go = (...args: string[]) => spawnSync('go', args, { cwd: goFolder, env, encoding: 'utf8' })
  const packaged = existsSync(debian)
  if (packaged) go('mod', 'edit', `-replace=github.com/mattn/go-sqlite3=${debian}`)
  const built = go('build', ...(packaged ? ['-tags', 'libsqlite3'] : []), '-o', 'flights', '.')
  if (built.error) return 'there is no go'
  return built.status === 0 ? undefined : `go build: ${built.stderr.trim().split('\n').at(-1)}`
}

describe.skipIf(explain('the participant in Go', noGo()))('Go', () => {
  contract(starting(() => [join(goFolder, 'flights')]))
})
