/**
 * Scenario 43, the short way: half a minute of what `npm run soak` does for an hour.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

beforeAll(() => {
  const built = spawnSync(process.execPath, ['scripts/build.mjs', 'tsconfig.bench.json'], { cwd: root })
  expect(built.status).toBe(0)
}, 120_000)

test('scenario 43: at half load under seeded faults memory, descriptors, WAL and timers stay flat, and every saga ends', () => {
  const args = ['--expose-gc', 'dist-bench/soak/main.js', '--minutes', '0.5']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  expect(status, stdout + stderr).toBe(0)
  for (const what of ['heapMb', 'rssMb', 'descriptors', 'walMb', 'timers'])
    expect(stdout).toMatch(new RegExp(`^flat +${what} `, 'm'))
}, 180_000)
