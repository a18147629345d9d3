/**
 * Breaks the engine on purpose, in each way of test/mutants/list.mjs, and demands that the tests notice.
 *
 *     node scripts/mutants.mjs [name …] [--write] [--json FILE]
 *     node scripts/mutants.mjs --score FILE
 *
 * Each mutant is planted in a private copy of the project, and the tests that should notice it run there, one file after
 * the other until one fails. `--write` renews the table of docs/mutants.md. Ends with 1 if a mutant survives. `--score` renews the score on that
 * page from a report of Stryker's.
 *
 * Invariants
 * - The unbroken copy passes a file of tests before that judges a mutant: a test that fails anyway would kill every one.
 * - A mutant counts as killed only where a test ran and failed: not by a file that did not load, nor by a TypeError of the
 *   broken code, which says nothing about what the tests look at.
 * - The project itself is only read.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import ts from 'typescript'
import { broken, controls, mutants } from '../test/mutants/list.mjs'
import { scoreOf, tableOf } from '../test/mutants/table.mjs'
import { root, run } from './tarball.mjs'

/** A run of one file of tests that takes longer hangs. */
const patience = 300_000

const command = new Command('npm run mutants --')
  .description(
    'Breaks the engine on purpose, in each way of test/mutants/list.mjs, and demands that the tests notice.',
  )
  .argument('[name...]', 'mutants; without any, all of them')
  .option('--write', 'renews the table of docs/mutants.md')
  .option('--json <file>', 'writes what killed each')
  .option('--score <file>', "renews the score on that page from a report of Stryker's, and runs nothing")
  .parse()
const names = command.args
const options = command.opts()

const page = join(root, 'docs/mutants.md')

/** Renews a part of the page. */
const renew = (write) => writeFileSync(page, write(readFileSync(page, 'utf8')))

if (options.score) {
  const report = JSON.parse(readFileSync(options.score, 'utf8'))
  renew((text) => scoreOf(text, report))
  process.exit(0)
}

const known = [...mutants, ...controls]
const unknown = names.filter((name) => !known.some((mutant) => mutant.name === name))
if (unknown.length > 0) {
  console.error(`no such mutant: ${unknown.join(', ')}\nthere are: ${mutants.map((m) => m.name).join(', ')}`)
  process.exit(2)
}
if (options.write && names.length > 0) {
  console.error('--write needs a run of all mutants: name none')
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'backstep-mutants-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/** What git knows of the project, and what is new: no build, no reports. */
function copyProject() {
  const files = run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']).split('\0')
  for (const file of files) if (file !== '') copyFile(file)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  run(process.execPath, ['scripts/build.mjs'], { cwd: folder })
}

/** One that git knows, and that has been deleted since, is gone. */
function copyFile(file) {
  try {
    cpSync(join(root, file), join(folder, file))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
}

const distOf = (file) => join(folder, file.replace(/^src\//, 'dist/').replace(/\.ts$/, '.js'))

/** As tsconfig.json has them, but for the kind of modules: a file by itself does not say that its package is ESM. */
const compilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
}

/** Plants a mutant in dist/, and returns what takes it back. File by file is enough: no type crosses into what runs. */
function plant(mutant) {
  const sources = new Map()
  for (const edit of mutant.edits) {
    const text = sources.get(edit.file) ?? readFileSync(join(folder, edit.file), 'utf8')
    sources.set(edit.file, broken(mutant, edit, text))
  }
  const whole = [...sources.keys()].map((file) => [distOf(file), readFileSync(distOf(file), 'utf8')])
  for (const [file, text] of sources) {
    const { outputText } = ts.transpileModule(text, { compilerOptions, fileName: file })
    writeFileSync(distOf(file), outputText)
  }
  return () => {
    for (const [file, text] of whole) writeFileSync(file, text)
  }
}

/** Runs a test file in the copy; gives what vitest reports, or undefined if it hung or died. */
async function runTests(file) {
  const report = join(folder, 'report.json')
  rmSync(report, { force: true })
  const command = ['vitest', 'run', file, '--bail=1', '--retry=0', '--typecheck.enabled=false']
  const args = [...command, '--reporter=json', `--outputFile=${report}`]
  const { CI: _, BACKSTEP_TEST_REPORT: __, ...env } = process.env
  const child = spawn('npx', ['--no-install', ...args], { cwd: folder, env, stdio: 'ignore', detached: true })
  const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), patience)
  await new Promise((resolve) => child.on('close', resolve))
  clearTimeout(timer)
  try {
    return JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    return undefined
  }
}

/** What the broken code itself throws for being broken tells nothing of the tests. */
const crash = /^(TypeError|ReferenceError|SyntaxError)\b/

function failuresOf(report) {
  return report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ title, failureMessages }) => ({
        file: name.slice(folder.length + 1),
        test: title,
        said: (failureMessages[0] ?? '').split('\n')[0],
      })),
  )
}

const trusted = new Set()

/** Each file once, before it may judge its first mutant. */
async function demandPass(file) {
  if (trusted.has(file)) return
  const report = await runTests(file)
  if (!report?.success) {
    console.error(`the unbroken project does not pass ${file}${report ? '' : ', which hung, or died'}`)
    for (const { test, said } of report ? failuresOf(report) : []) console.error(`  ${test}: ${said}`)
    process.exit(2)
  }
  trusted.add(file)
}

/** The first test that fails as it should, or why there is none. */
async function judgeBy(file, mutant) {
  await demandPass(file)
  const takeBack = plant(mutant)
  const report = await runTests(file)
  takeBack()
  if (!report) return { why: `${file} hung, or died` }
  const failures = failuresOf(report)
  const killer = failures.find(({ said }) => !crash.test(said))
  if (killer) return { killer }
  if (report.success) return { why: `${file} passed` }
  return { why: `${file} failed otherwise: ${failures[0]?.said ?? 'it did not load'}` }
}

async function judge(mutant) {
  const whys = []
  for (const file of mutant.tests) {
    const start = performance.now()
    const { killer, why } = await judgeBy(file, mutant)
    if (killer) return { killer, seconds: (performance.now() - start) / 1_000 }
    whys.push(why)
  }
  return { why: whys.join('; '), seconds: 0 }
}

const chosen = names.length > 0 ? known.filter(({ name }) => names.includes(name)) : mutants
copyProject()

const results = []
for (const mutant of chosen) {
  const { killer, why, seconds } = await judge(mutant)
  const { name, promise, breaks } = mutant
  results.push({ name, promise, breaks, killed: killer !== undefined, ...(killer ?? { why }), seconds })
  const line = killer ? `${killer.file}: ${killer.test}` : `SURVIVED: ${why}`
  console.log(`${promise.padEnd(7)} ${name.padEnd(38)} ${seconds.toFixed(1).padStart(5)} s  ${line}`)
}

const survived = results.filter(({ killed }) => !killed)
console.log(`${results.length - survived.length} of ${results.length} mutants killed`)
if (options.json) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`)
if (options.write) renew((text) => tableOf(text, results))
process.exitCode = survived.length > 0 ? 1 : 0
