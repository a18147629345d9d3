/**
 * `npm run prove`, as a person uses it: what it prints, what it refuses, and its exit code.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { BadOption, readOptions } from '../../prove/options.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

function prove(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist-prove/main.js', ...args], {
    cwd: root,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

beforeAll(() => {
  const { status } = spawnSync(process.execPath, ['scripts/build.mjs', 'tsconfig.prove.json'], {
    cwd: root,
    stdio: 'inherit',
  })
  expect(status).toBe(0)
}, 120_000)

test('runs many seeds in several processes, and says what they came to', () => {
  const { status, stdout } = prove('--seeds', '50', '--from', '1', '--jobs', '2')
  expect(stdout).toMatch(/^seeds {7}50: 48 in memory, 2 on SQLite; .* in 2 processes$/m)
  for (const line of ['simulated', 'sagas', 'calls', 'crashes', 'failures', 'by hand', 'faults'])
    expect(stdout).toMatch(new RegExp(`^${line} `, 'm'))
  expect(stdout).toContain('every promise held in every history')
  expect(status).toBe(0)
})

test('runs one seed, prints its history, and the same one again', () => {
  const first = prove('--seed', '5', '--trace')
  const again = prove('--seed', '5', '--trace')
  expect(first.stdout).toMatch(/^ +\d+ p\d+ .*submit s\d+/m)
  expect(first.stdout).toMatch(/seed 5 on memory: .* hash [0-9a-f]+$/m)
  expect(again.stdout).toBe(first.stdout)
  const calm = prove('--seed', '5', '--faults', 'none', '--workers', '1', '--sagas', '0,1')
  expect(calm.stdout).toMatch(/2 sagas, .* 1 processes, 0 faults/)
  expect([first.status, calm.status]).toEqual([0, 0])
})

test('--help says what there is', () => {
  const { status, stdout } = prove('--help')
  for (const option of [
    '--seeds',
    '--from',
    '--minutes',
    '--store',
    '--jobs',
    '--seed',
    '--trace',
    '--faults',
  ])
    expect(stdout).toContain(option)
  expect(status).toBe(0)
})

describe('words that make no sense are refused before anything runs', () => {
  test.each([
    [['--seeds', 'many'], '--seeds is "many": it is a whole number'],
    [['--seeds', '0'], '--seeds is "0"'],
    [['--store', 'postgres'], '--store is postgres: it is memory, sqlite or both'],
    [['--minutes', '-1'], '--minutes'],
    [['--minutes', 'soon'], '--minutes is "soon": it is a number above 0'],
    [['--trace'], '--trace is for one history: name it by --seed'],
    [['--seed', '1', '--faults', 'thunder/1/1'], 'thunder/1/1 names no fault'],
    [['--seed', '1', '--sagas', 'a'], '--sagas is "a"'],
    [['--speed'], "Unknown option '--speed'"],
    [['17'], 'A single seed is --seed 17'],
  ])('%j', (args, message) => {
    expect(() => readOptions(args)).toThrow(BadOption)
    expect(() => readOptions(args)).toThrow(message)
  })

  test('with exit code 2', () => {
    const { status, stdout, stderr } = prove('--seeds', 'many')
    expect(stderr).toContain('--seeds is "many"')
    expect([status, stdout]).toEqual([2, ''])
  })
})
