/**
 * A few of the protocol mutants, one of each part, and the controls; `node scripts/mutants.mjs` runs them all, for ten minutes.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { controls, mutants } from './list.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const few = [
  'rollback-order-swapped',
  'doubt-forgotten',
  'late-success-not-heard',
  'append-dropped-after-a-lost-answer',
  'keys-not-all-at-once',
  'token-unchecked-sqlite',
  'believes-after-a-failed-fsync',
  'barrier-lets-a-late-commit-in',
]

async function run(names: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = promisify(execFile)
  return command(process.execPath, ['scripts/mutants.mjs', ...names], { cwd: root }).then(
    (said) => ({ code: 0, ...said }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )
}

test('scenario 51: a few of them, planted and killed', async () => {
  expect(mutants.filter(({ name }) => few.includes(name))).toHaveLength(few.length)
  const { code, stdout, stderr } = await run(few)
  expect(stderr).toBe('')
  expect(stdout).toContain(`${few.length} of ${few.length} mutants killed`)
  expect(code).toBe(0)
})

test('what is not broken, does not load or crashes does not count as killed', async () => {
  const { code, stdout } = await run(controls.map(({ name }) => name))
  expect(stdout).toContain(`0 of ${controls.length} mutants killed`)
  expect(stdout.match(/SURVIVED/g)).toHaveLength(controls.length)
  expect(code).toBe(1)
})

test('a name that is none is said so', async () => {
  expect(await run(['nobody'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no such mutant: nobody'),
  })
})
