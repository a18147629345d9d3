/** What the docs show that a program computes: they show what it says now. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('the plan in docs/scaling.md is what scripts/scaling.mjs computes', () => {
  const plan = execFileSync(process.execPath, ['scripts/scaling.mjs'], { cwd: root, encoding: 'utf8' })
  expect(plan.split('\n').length).toBeGreaterThan(8)
  expect(readFileSync(`${root}/docs/scaling.md`, 'utf8')).toContain(plan.trim())
})

test('docs/guarantees.md is what the names of the tests say, and every scenario has one', () => {
  const args = ['scripts/guarantees.mjs', '--check']
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})
