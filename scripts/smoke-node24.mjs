/**
 * Runs Backstep under Node 24, whatever Node this is: the packed tarball as a user would, and the repository as a newcomer.
 *
 * The binary comes from npm (`node-<platform>-<arch>`, which the package `node` would install by a script). It is no
 * devDependency, because that would put another Node first on the PATH of every npm script.
 *
 * Invariant: both use better-sqlite3 13: npm picks it for a user on Node 24, and scripts/prepare.mjs for the repository.
 * So SQLite need not compile here: 13 brings its binaries.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { checkAll, compileConsumer, installInto, inTempFolder, pack, root, run } from './tarball.mjs'

/** Installs Node 24: its binary, and the environment in which `node` and `npm` are of it. */
function installNode(folder) {
  const { platform, arch } = process
  const kind = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'
  const name = `${kind}-${platform}-${arch}`
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const flags = ['--no-audit', '--no-fund', '--prefer-offline']
  run('npm', ['install', ...flags, `${name}@24`], { cwd: folder, minutes: 5 })
  const binary = join(folder, 'node_modules', name, 'bin/node')
  return { binary, env: { PATH: [dirname(binary), process.env.PATH].join(delimiter) } }
}

function demandDriver(folder, { binary }) {
  const script =
    "new (require('better-sqlite3'))(':memory:'); console.log(require('better-sqlite3/package.json').version)"
  const version = run(binary, ['-e', script], { cwd: folder }).trim()
  if (!version.startsWith('13.')) throw new Error(`better-sqlite3 is ${version}`)
  return `better-sqlite3 ${version}`
}

/** The last line of a simulation's output, judged. */
function judge(said, sagas) {
  const result = JSON.parse(said.trim().split('\n').at(-1))
  const { committed, rolledBack, unfinished, violations } = result
  const whole =
    result.sagas === sagas && committed + rolledBack === sagas && unfinished === 0 && violations === 0
  if (!whole) throw new Error(`not every saga ended well: ${JSON.stringify(result)}`)
  return `${committed} committed, ${rolledBack} rolled back`
}

await inTempFolder(async (folder) => {
  const project = join(folder, 'project')
  const clone = join(folder, 'clone')
  let node
  await checkAll({
    'install Node 24': () => {
      node = installNode(join(folder, 'node'))
      const version = run(node.binary, ['--version']).trim()
      if (!version.startsWith('v24.')) throw new Error(`npm gave Node ${version}`)
      return version
    },
    'a user installs the tarball': () => {
      installInto(project, pack(folder), { env: node.env })
      compileConsumer(project)
      return demandDriver(project, node)
    },
    'an ESM program': () => void run(node.binary, ['esm.mjs'], { cwd: project }),
    'a CommonJS program': () => void run(node.binary, ['cjs.cjs'], { cwd: project }),
    'backstep simulate --sagas 50': () => {
      const command = join(project, 'node_modules/backstep/dist/cli/main.js')
      const args = [command, 'simulate', '--sagas', '50', '--json']
      return judge(run(node.binary, args, { cwd: project, minutes: 3 }), 50)
    },
    'a newcomer installs the repository': () => {
      run('git', ['clone', '--quiet', '--no-local', '--depth', '1', root, clone])
      // Without scripts, because the locked driver would compile for minutes, only to be replaced.
      run('npm', ['ci', '--ignore-scripts', '--prefer-offline'], { cwd: clone, env: node.env, minutes: 5 })
      run('npm', ['run', 'prepare'], { cwd: clone, env: node.env })
      return demandDriver(clone, node)
    },
    'the tests of stores and barrier': () => {
      run('npm', ['test', '--', 'test/store', 'test/barrier'], { cwd: clone, env: node.env, minutes: 5 })
    },
    'npm start -- --sagas 200 --kill 2': () => {
      const args = ['start', '--', '--sagas', '200', '--kill', '2', '--json']
      return judge(run('npm', args, { cwd: clone, env: node.env, minutes: 3 }), 200)
    },
  })
})
