/**
 * Runs at the end of `npm ci` in this repository, never in an install of the package: gives a Node that can run it the
 * SQLite driver that npm gives users there, better-sqlite3 13.
 *
 * The lockfile can name only one version, and no version runs everywhere. 13 crashes on Node 20; so 12 is locked. But 12, built
 * with the headers of Node 24.19 or later, aborts the process when a statement or a database is garbage-collected. Not a
 * second dependency: every machine would carry both drivers, and every user too.
 *
 * Invariants
 * - What is put in place has just the pinned content, and has opened a database on this machine.
 * - A machine that has no binary of 13 keeps what was locked.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const version = '13.2.0'
const integrity =
  'sha512-Z8Q/9x/uNyKxA1v4FNodyItRVRw1TeKBrmj32JhxhR0ceNcBY+wMobt/Bv7M7TzwPAXjnZRtNaEsATnUZSKWZQ=='

const driver = fileURLToPath(new URL('../node_modules/better-sqlite3', import.meta.url))
const locked = () => JSON.parse(readFileSync(join(driver, 'package.json'), 'utf8')).version

function opens(folder) {
  try {
    const script = "new (require(process.argv[1]))(':memory:').close()"
    execFileSync(process.execPath, ['-e', script, folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Fetches the driver into the folder; returns where it lies. */
function fetch(folder) {
  const run = (command, args) => execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 2] })
  const windows = process.platform === 'win32'
  run(windows ? 'npm.cmd' : 'npm', ['pack', `better-sqlite3@${version}`, '--ignore-scripts'])
  const tarball = `better-sqlite3-${version}.tgz`
  const content = readFileSync(join(folder, tarball))
  const actual = `sha512-${createHash('sha512').update(content).digest('base64')}`
  if (actual !== integrity) throw new Error(`${tarball} has the integrity ${actual}, not ${integrity}`)
  run('tar', ['-xzf', tarball])
  return join(folder, 'package')
}

// Node-API 10 (Node 22.14, 24 and later) is what 13 needs.
if (Number(process.versions.napi) >= 10 && existsSync(driver) && locked() !== version) {
  const folder = mkdtempSync(join(tmpdir(), 'backstep-driver-'))
  try {
    const fetched = fetch(folder)
    if (opens(fetched)) {
      rmSync(driver, { recursive: true })
      cpSync(fetched, driver, { recursive: true })
      console.error(
        `better-sqlite3 ${version}, which suits Node ${process.version}, took the place of the locked version`,
      )
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
