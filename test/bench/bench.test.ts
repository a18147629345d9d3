/**
 * The benchmarks run, and say what they promise to say. Their figures are not looked at: the slices are far too short.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'backstep-bench-'))

beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), 'tsconfig.bench.json'])
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function bench(...args: string[]): Promise<string> {
  const main = join(root, 'dist-bench/main.js')
  // Where CI is set, a terminal is taken for granted, and colours with it.
  const env = { ...process.env, NO_COLOR: '1' }
  const words = [main, '--quick', '--dir', folder, ...args]
  const { stdout } = await promisify(execFile)(process.execPath, words, { env })
  return stdout
}

const figures = ['sagasPerSecond', 'p50Ms', 'p99Ms', 'limitPerSecond', 'ofLimit', 'cpuSecondsPer1000']

test('--json prints one object a line, with every field of a case that has a limit', async () => {
  const lines = (await bench('--json', 'sqlite-1-inline', 'sqlite-256')).trim().split('\n')
  const results = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(results.map(({ name }) => name)).toEqual(['sqlite-1-inline', 'sqlite-256'])
  for (const result of results) {
    for (const figure of [...figures, 'rssMb']) {
      expect(result[figure], figure).toSatisfy((value: unknown) => Number(value) > 0)
    }
    expect(result['bar']).toMatch(/^of the limit ≥ 0\.\d+$/)
    const [bar] = result['bars'] as { value: number; met: boolean }[]
    expect(result['met']).toBe(bar?.met)
    expect(bar?.value).toBe(result['ofLimit'])
  }
}, 60_000)

test('a killed process leaves its sagas running, and all of them are drained', async () => {
  const result = JSON.parse(await bench('--json', 'sqlite-recovery')) as {
    bars: { what: string; value: number }[]
  }
  expect(result.bars.find(({ what }) => what === 'sagas ended')?.value).toBe(500)
}, 60_000)

test('the table shows each bar as met or missed, and nothing where a case has no limit', async () => {
  const [head, row, bar] = (await bench('memory-256')).split('\n')
  expect(head).toMatch(/^case .*sagas\/s .*limit\/s/)
  expect(row).toMatch(/^memory-256 .* – +– /)
  const [, verdict, value = ''] =
    bar?.match(/^ {2}(met|MISSED) +sagas per second ≥ 100,000: ([\d,.]+)$/) ?? []
  expect(verdict).toBe(Number(value.replaceAll(',', '')) >= 100_000 ? 'met' : 'MISSED')
}, 60_000)

test('an unknown case is refused, and the known ones are named', async () => {
  const refused = bench('sqlite-2')
  await expect(refused).rejects.toMatchObject({ code: 2 })
  await expect(refused).rejects.toThrow(/sqlite-256-rollback/)
})
