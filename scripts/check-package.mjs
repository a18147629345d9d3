/**
 * Checks what npm would publish: packs it, lints the tarball, installs it into an empty project, and uses it there.
 *
 * The project gets a copy of the SQLite binary that this repository's `npm ci` made (the same version for the same Node;
 * else it compiles), so that the check takes seconds. That an install makes a binary is checked by `npm ci` itself.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkAll,
  compileConsumer,
  entries,
  installInto,
  inTempFolder,
  manifest,
  pack,
  root,
  run,
} from './tarball.mjs'

/** What every entry must at least export. */
const expected = {
  backstep: `Orchestrator saga step none pending Rejected InDoubt memoryStore BackstepError BadInputError ClosedError
    DefinitionError SagaConflictError SagaRolledBackError SagaStateError SagaUnfinishedError StoreError`,
  'backstep/sqlite': 'sqliteStore',
  'backstep/postgres': 'postgresStore',
  'backstep/barrier': 'barrier postgresBarrier commitHandler rollbackHandler',
  'backstep/testing': `explore checkStep TestOrchestrator FakeClock expectCommitted expectRolledBack sagaMatchers storeSuite
    ExplorationError StepCheckError`,
  'backstep/http':
    'sagaApp serve remote loadDefinitions parseDefinitions definitionSchema openApi sagaMetrics instrument',
}

const versionIn = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version

function giveSqlite(project) {
  const [ours, theirs] = [root, project].map((folder) => join(folder, 'node_modules/better-sqlite3'))
  const binary = 'build/Release/better_sqlite3.node'
  if (existsSync(join(ours, binary)) && versionIn(ours) === versionIn(theirs)) {
    cpSync(join(ours, binary), join(theirs, binary))
    return "the repository's SQLite binary"
  }
  run('npm', ['rebuild', 'better-sqlite3'], { cwd: project, minutes: 6 })
  return 'SQLite compiled anew'
}

/** The names that Node sees in an entry, imported or required, in the project. */
function names(project, entry, kind) {
  const load = kind === 'esm' ? `await import('${entry}')` : `require('${entry}')`
  const script = `console.log(JSON.stringify(Object.keys(${load})))`
  const type = kind === 'esm' ? 'module' : 'commonjs'
  return JSON.parse(
    run(process.execPath, [`--input-type=${type}`, '--no-warnings', '-e', script], { cwd: project }),
  )
    .filter((name) => name !== 'module.exports' && name !== '__esModule')
    .sort()
}

function checkEntry(project, entry) {
  const imported = names(project, entry, 'esm')
  const required = names(project, entry, 'cjs')
  if (imported.length === 0) throw new Error(`${entry} exports nothing`)
  if (imported.join() !== required.join()) throw new Error(`imported: ${imported}\nrequired: ${required}`)
  const missing = expected[entry].split(/\s+/).filter((name) => !imported.includes(name))
  if (missing.length > 0) throw new Error(`${entry} does not export ${missing.join(', ')}`)
  return `${imported.length} names`
}

/** What is no code. */
function checkFiles(project) {
  const dist = join(project, 'node_modules/backstep/dist')
  const schema = JSON.parse(readFileSync(join(dist, 'definition.schema.json'), 'utf8'))
  if (!schema.$schema) throw new Error('definition.schema.json is no JSON schema')
  const page = readFileSync(join(dist, 'dashboard/index.html'), 'utf8')
  const assets = [...page.matchAll(/(?:src|href)="\.?\/?(assets\/[^"]+)"/g)].map(([, file]) => file)
  if (assets.length < 2) throw new Error(`the page names ${assets.length} assets`)
  for (const file of assets)
    if (!existsSync(join(dist, 'dashboard', file))) throw new Error(`${file} is missing`)
  return `${assets.length} assets`
}

function checkCommand(project) {
  const command = (...args) => run('npx', ['--no-install', 'backstep', ...args], { cwd: project })
  const version = command('--version').trim()
  if (version !== manifest.version)
    throw new Error(`backstep --version says ${version}, not ${manifest.version}`)
  for (const word of ['simulate', 'serve', 'doctor']) {
    if (!command('--help').includes(word)) throw new Error(`backstep --help does not name ${word}`)
  }
}

/** What is served from the tarball: the page with its assets, the API; and a signal to the command itself ends it. */
async function checkServe(project) {
  const command = join(project, 'node_modules/.bin/backstep')
  const server = spawn(command, ['serve', '--port', '0', '--store', 'memory:', '--json'], { cwd: project })
  const exit = once(server, 'exit')
  try {
    const [said] = await Promise.race([once(server.stdout, 'data'), exit.then(() => ['{}'])])
    const { page, api } = JSON.parse(said)
    if (!page) throw new Error('backstep serve ended before it listened')
    const html = await (await fetch(page)).text()
    const asset = /src="\.?\/?(assets\/[^"]+)"/.exec(html)?.[1]
    for (const address of [`${page}${asset}`, api, `${page}readyz`]) {
      const { status } = await fetch(address)
      if (status !== 200) throw new Error(`${address} answered ${status}`)
    }
  } finally {
    server.kill('SIGTERM')
  }
  const [code, signal] = await exit
  if (code !== 0) throw new Error(`SIGTERM ended it with ${signal ?? code}, not 0`)
}

await inTempFolder(async (folder) => {
  const project = join(folder, 'project')
  const bin = (name) => join(root, 'node_modules/.bin', name)
  let tarball
  await checkAll({
    'npm pack': () => {
      tarball = pack(folder)
    },
    publint: () => void run(bin('publint'), ['run', tarball, '--strict']),
    'are the types wrong': () => void run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji']),
    'install into an empty project': () => {
      installInto(project, tarball)
      return giveSqlite(project)
    },
    ...Object.fromEntries(
      entries.map((entry) => [`import and require ${entry}`, () => checkEntry(project, entry)]),
    ),
    'the page and the schema are in it': () => checkFiles(project),
    'a consumer compiles': () => compileConsumer(project),
    'and runs as ESM': () => void run(process.execPath, ['esm.mjs'], { cwd: project }),
    'and runs as CommonJS': () => void run(process.execPath, ['cjs.cjs'], { cwd: project }),
    'the command backstep': () => checkCommand(project),
    'backstep serve': () => checkServe(project),
  })
})
