/**
 * Bugs planted in the product itself, in a copy of it: the fleet simulator must find each within some hundreds of seeds.
 *
 * Invariant: a mutant whose text is not found in the product fails, so that the list cannot go stale in silence.
 */
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/stores.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const most = 1_500

interface Mutant {
  readonly name: string
  readonly file: string
  readonly text: string
  readonly instead: string
  /** What is broken first. */
  readonly breaks: RegExp
  readonly store?: 'sqlite'
}

const mutants: readonly Mutant[] = [
  {
    name: 'rollbacks run in order instead of in reverse',
    file: 'core/decide.js',
    text: 'for (let position = state.cursor; position >= 0; position--)',
    instead: 'for (let position = 0; position <= state.cursor; position++)',
    breaks: /^P3/,
  },
  {
    name: 'a step in doubt is not rolled back',
    file: 'core/evolve.js',
    text: 'return step.doubt && !step.spared',
    instead: 'return false',
    breaks: /^P4|^P3/,
  },
  {
    name: 'an attempt open at a crash counts as rejected',
    file: 'core/settle.js',
    text: "const crashed = { is: 'failed', outcome: 'in_doubt'",
    instead: "const crashed = { is: 'failed', outcome: 'rejected'",
    breaks: /^P4|^P3/,
  },
  {
    name: 'a doubt is forgotten at the next rejection',
    file: 'core/step-changes.js',
    text: 'next.doubt = step.doubt || entry.doubt',
    instead: "next.doubt = entry.outcome === 'in_doubt'",
    breaks: /^P4/,
  },
  {
    name: 'a failed rollback counts as done',
    file: 'core/settle.js',
    text: "const { round } = step;\n    if (result.is === 'returned') {",
    instead: "const { round } = step;\n    if (result.is === 'returned' || result.is === 'failed') {",
    breaks: /^P4|^P3/,
  },
  {
    name: 'attempts are numbered from 1 again',
    file: 'core/decide.js',
    text: 'attempt: step.attempts + 1',
    instead: 'attempt: 1',
    breaks: /^P5|^P2|^P8/,
  },
  {
    name: 'a rollback that must run again has its old key',
    file: 'core/step-changes.js',
    text: 'round: step.round + 1',
    instead: 'round: step.round',
    breaks: /^P4|^P3|^P5/,
  },
  {
    name: 'a late success is told to nobody',
    file: 'runtime/late.js',
    text: 'this.#untold.add(success);',
    instead: 'return;',
    breaks: /^P4|^close/,
  },
  {
    name: 'a cancel behind the pivot is accepted',
    file: 'core/summary.js',
    text: 'if (state.pastPivot)',
    instead: 'if (false)',
    breaks: /^P9/,
  },
  {
    name: 'calls are made past the lease',
    file: 'runtime/calls.js',
    text: '!this.#host.mayCall()',
    instead: 'false',
    breaks: /^P6/,
  },
  {
    name: 'what a claim gave is forgotten if its answer was lost',
    file: 'runtime/worker.js',
    text: 'if (this.#adopt)\n            void this.#adoptOwn();',
    instead: '',
    breaks: /^P2|^P8/,
  },
  {
    name: 'the token is not checked',
    file: 'stores/memory/writes.js',
    text: 'if (token !== null && token !== saga.token)',
    instead: 'if (false)',
    breaks: /^P6/,
  },
  {
    name: 'a waiting saga starts whoever holds its keys',
    file: 'store/admission.js',
    text: "judgeKeys(saga) {\n        let verdict = 'start';",
    instead: "judgeKeys(saga) {\n        return 'start';\n        let verdict = 'start';",
    breaks: /^P7/,
  },
  {
    name: 'nobody is woken when keys are released',
    file: 'store/admission.js',
    text: 'released(keys) {',
    instead: 'released(keys) {\n        return;',
    breaks: /^P2|^P8/,
  },
  {
    name: 'a pruned saga runs again when it is submitted again',
    file: 'stores/memory/writes.js',
    text: 'if (state.tombstones.has(id))',
    instead: 'if (false)',
    breaks: /^P1/,
  },
  {
    name: 'one process is blamed for the poison of another saga',
    file: 'core/settle.js',
    text: 'export function suspected(state) {',
    instead: 'export function suspected(state) {\n    return false;',
    breaks: /^P8/,
  },
  {
    name: 'sqlite: a leave shifts the answers of its flush',
    file: 'stores/sqlite/wire.js',
    text: 'this.#number(kinds.leave);\n                return this.#string(write.worker);',
    instead: 'return this.#short(kinds.leave, write.worker, 0);',
    // What is seen first depends on which write the answer of another hits: a promise broken, or a claim that gives what no journal holds.
    breaks: /^P|^journal/,
    store: 'sqlite',
  },
]

const script = `
import { simulate } from './dist-prove/history.js'
for (let seed = 1; seed <= ${most}; seed++) {
  const { wrong } = await simulate(seed, { store: process.argv[2] })
  if (wrong.length === 0) continue
  console.log(seed + ' ' + wrong[0].split('\\n')[0])
  break
}
process.exit(0)
`

beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), 'tsconfig.prove.json'], {
    stdio: 'inherit',
  })
}, 120_000)

function copyWith({ file, text, instead }: Mutant): string {
  const folder = temporaryFolder()
  for (const part of ['dist', 'dist-prove', 'package.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true })
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(join(root, 'node_modules', 'better-sqlite3'), join(folder, 'node_modules', 'better-sqlite3'))
  const path = join(folder, 'dist', file)
  const source = readFileSync(path, 'utf8')
  expect(source.split(text), `${file} has the text once`).toHaveLength(2)
  writeFileSync(
    path,
    source.replace(text, () => instead),
  )
  writeFileSync(join(folder, 'run.mjs'), script)
  return folder
}

test.concurrent.each(mutants)('$name', async (mutant) => {
  const folder = copyWith(mutant)
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', 'run.mjs', mutant.store ?? 'memory'],
    { cwd: folder },
  )
  const [, seed, wrong] = /^(\d+) (.*)/.exec(stdout) ?? []
  expect(wrong, `${mutant.name} is not found in ${most} seeds`).toMatch(mutant.breaks)
  expect(Number(seed)).toBeLessThanOrEqual(most)
})

test('a run that fails says which seed, makes it small, and its exit code says so, too; the small one fails again', async () => {
  const [, mutant] = mutants
  if (!mutant) throw new Error('there is no mutant')
  const folder = copyWith(mutant)
  const run = (args: readonly string[]) =>
    promisify(execFile)(process.execPath, ['dist-prove/main.js', ...args], { cwd: folder }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
    )
  const { code, stdout } = await run(['--seeds', '100', '--jobs', '1'])
  expect(code).toBe(1)
  expect(stdout).toMatch(/of these seeds broke a promise/)
  const replay = /npm run prove -- (.*)$/m.exec(stdout)?.[1]?.split(' ') ?? []
  const again = await run(replay)
  expect(again.code).toBe(1)
  expect(again.stdout).toMatch(/WRONG P/)
})
