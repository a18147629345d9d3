/**
 * What the checks of the packed tarball share: pack it, install it into an empty project, compile a consumer against it.
 *
 * Invariants
 * - The project lies outside of the repository, so that nothing resolves through the repository's own node_modules.
 * - No dependency's install script runs here: the caller says which SQLite binary the project gets.
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Every import path of the package that is code. */
export const entries = Object.keys(manifest.exports)
  .filter((entry) => !entry.endsWith('.json'))
  .map((entry) => entry.replace(/^\./, manifest.name))

/** Runs a command and returns its stdout; a failure throws all that it said. */
export function run(command, args, { cwd = root, env = {}, minutes = 2 } = {}) {
  try {
    return execFileSync(command, args, {
      cwd,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: minutes * 60_000,
      maxBuffer: 64 * 1024 * 1024,
    })
  } catch (error) {
    const said = [error.stdout, error.stderr]
      .filter(Boolean)
      .join('\n')
      .trim()
      .split('\n')
      .slice(-40)
      .join('\n')
    const why = error.code === 'ETIMEDOUT' ? ` (over ${minutes} min)` : ''
    throw new Error(`${command} ${args.join(' ')}${why}\n${said || error.message}`)
  }
}

/** Calls `use` with a new folder, which is gone afterwards. */
export async function inTempFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'backstep-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Builds and packs; returns the path of the tarball. */
export function pack(folder) {
  run(process.execPath, ['scripts/build.mjs'])
  // The build is done: prepack would only mix npm's own lines into the output.
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder])
  return join(
    folder,
    readdirSync(folder).find((file) => file.endsWith('.tgz')),
  )
}

/**
 * An empty project with the tarball installed. Install scripts do not run, so a SQLite driver that has to compile has no
 * binary yet: `npm rebuild better-sqlite3` makes it.
 */
export function installInto(project, tarball, { env } = {}) {
  mkdirSync(project, { recursive: true })
  const consumer = { name: 'consumer', private: true, allowScripts: { 'better-sqlite3': true } }
  writeFileSync(join(project, 'package.json'), JSON.stringify(consumer))
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  run('npm', ['install', ...flags, tarball], { cwd: project, env })
}

/** Compiles scripts/consumer/ in the project, against the package's own types and nothing but Node's beside them. */
export function compileConsumer(project) {
  cpSync(join(root, 'scripts/consumer'), project, { recursive: true })
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
  for (const types of ['@types/node', 'undici-types']) {
    symlinkSync(join(root, 'node_modules', types), join(project, 'node_modules', types))
  }
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], { cwd: project })
}

/** Runs named checks one after the other; each prints one line. Ends the process with 1 if any failed. */
export async function checkAll(checks) {
  let failed = 0
  for (const [name, check] of Object.entries(checks)) {
    try {
      const note = await check()
      console.log(`ok      ${name}${note ? ` (${note})` : ''}`)
    } catch (error) {
      failed++
      console.log(`FAILED  ${name}\n${error.message.replace(/^/gm, '        ')}`)
    }
  }
  process.exitCode = failed > 0 ? 1 : 0
}
