/** The list of protocol mutants cannot rot: each still finds what it breaks, and the tests that are to notice. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { broken, controls, mutants } from './list.mjs'

const root = new URL('../../', import.meta.url)

test('scenario 51: at least forty breaks of the engine, each under a name of its own', () => {
  expect(mutants.length).toBeGreaterThanOrEqual(40)
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
})

test.each([...mutants, ...controls].map((mutant) => [mutant.name, mutant] as const))('%s', (_, mutant) => {
  expect(mutant.promise).toMatch(/^(P[1-9]|barrier)$/)
  expect(mutant.tests.filter((file) => !existsSync(new URL(file, root)))).toEqual([])
  expect(mutant.tests).not.toEqual([])
  expect(mutant.edits).not.toEqual([])
  for (const edit of mutant.edits) {
    const text = broken(mutant, edit, readFileSync(new URL(edit.file, root), 'utf8'))
    const { diagnostics } = ts.transpileModule(text, { reportDiagnostics: true })
    expect(diagnostics?.map(({ messageText }) => messageText)).toEqual([])
  }
})

test('a text that is gone, or no longer the only one, is said so', () => {
  const edit = { file: 'x.ts', from: 'a', to: 'b' }
  expect(broken({ name: 'm' }, edit, 'cad')).toBe('cbd')
  expect(() => broken({ name: 'm' }, edit, 'none: A')).toThrow('mutant m: x.ts holds 0 times')
  expect(() => broken({ name: 'm' }, edit, 'aa')).toThrow('mutant m: x.ts holds 2 times')
})

test('mutation testing of the core runs every test of it, but for those that core.tests.ts names', () => {
  const said = readFileSync(new URL('core.tests.ts', import.meta.url), 'utf8')
  const files = readdirSync(new URL('test/core', root)).filter((file) => file.endsWith('.test.ts'))
  expect(files.length).toBeGreaterThan(10)
  expect(files.filter((file) => !said.includes(`'../core/${file.replace(/ts$/, 'js')}'`))).toEqual([
    'histories.test.ts',
    'plan.test.ts',
    'planted.test.ts',
  ])
  expect(said).toContain('plan.test.ts')
})
