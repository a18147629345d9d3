/**
 * Holds src/ to the rules of the house, and each rule to a planted violation: a rule that cannot fail is no rule.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { posix, sep } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  arrows,
  badFiles,
  brokenArrows,
  clocks,
  cycles,
  impurities,
  loadedBy,
  longestFile,
  roomOf,
} from './rules.js'

const src = new URL('../../src/', import.meta.url)

function readSources(): Map<string, string> {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((file) => file.split(sep).join(posix.sep))
    .filter((file) => file.endsWith('.ts'))
  return new Map(files.sort().map((file) => [file, readFileSync(new URL(file, src), 'utf8')]))
}

const sources = readSources()
const planted = (files: Record<string, string>) => new Map(Object.entries(files))

describe('src/', () => {
  test('arrows point one way: each file imports only what its room may', () => {
    expect(sources.size).toBeGreaterThan(5)
    expect(brokenArrows(sources)).toEqual([])
  })

  test('no file is in a cycle of imports', () => {
    expect(cycles(sources)).toEqual([])
  })

  test('time, chance and ids are read in one place', () => {
    expect(impurities(sources)).toEqual([])
  })

  test('every exception for time and chance is still needed', () => {
    for (const file of Object.keys(clocks)) {
      const copy = new Map([[`elsewhere/${file}`, sources.get(file) ?? '']])
      expect(impurities(copy), file).not.toEqual([])
    }
  })

  test('every room and file that the rule names is there', () => {
    const there = new Set([...sources.keys()].flatMap((file) => [file, roomOf(file)]))
    expect(Object.keys(arrows).filter((name) => !there.has(name))).toEqual([])
  })

  test.each(['index.ts', 'barrier/index.ts'])('%s loads no database driver', (entry) => {
    expect(sources.has(entry)).toBe(true)
    expect(loadedBy(entry, sources).get('better-sqlite3')).toBeUndefined()
  })

  test('every file opens by saying what it is for, and is short enough to hold in mind', () => {
    expect(badFiles(sources)).toEqual([])
  })
})

describe('the import rule finds a planted violation:', () => {
  const good = {
    'core/plan.ts': `import type { Json } from './entry.js'`,
    'core/entry.ts': '',
    'store/store.ts': `import { plan } from '../core/plan.js'`,
    'runtime/worker.ts': `import { store } from '../store/store.js'`,
    'simulation/run.ts': `import { barrier } from '../barrier/index.js'`,
    'barrier/index.ts': '',
    'barrier/inner.ts': '',
  }

  test('none in sources that keep it', () => {
    expect(brokenArrows(planted(good))).toEqual([])
  })

  test.each([
    ['an arrow that points up', 'core/plan.ts', `import { store } from '../store/store.js'`],
    ['an arrow of types only', 'core/plan.ts', `import type { Store } from '../store/store.js'`],
    ['a re-export', 'core/plan.ts', `export { store } from '../store/store.js'`],
    ['an import()', 'core/plan.ts', `const s = await import('../store/store.js')`],
    ['a type import()', 'core/plan.ts', `type S = import('../store/store.js').Store`],
    ['a thread of another room', 'core/plan.ts', `new Worker(new URL('../store/store.js', import.meta.url))`],
    ['a computed name', 'core/plan.ts', `await import('../store/' + name)`],
    ['a simulation that looks behind the face', 'simulation/run.ts', `import '../barrier/inner.js'`],
    ['node: in core', 'core/plan.ts', `import { readFile } from 'node:fs'`],
    ['a builtin without node:', 'runtime/worker.ts', `import { readFile } from 'fs'`],
    ['the package by its own name', 'runtime/worker.ts', `import { saga } from 'backstep'`],
    ['a file that is not there', 'runtime/worker.ts', `import { x } from './x.js'`],
    ['a folder', 'simulation/run.ts', `import { x } from '../barrier'`],
    ['a new room', 'utils/index.ts', ''],
  ])('%s', (_, file, text) => {
    expect(brokenArrows(planted({ ...good, [file]: text }))).toHaveLength(1)
  })

  test('a cycle of three files, said once', () => {
    const a = `import './b.js'`
    const b = `import type { C } from './c.js'`
    const c = `export * from './a.js'`
    const found = cycles(planted({ 'core/a.ts': a, 'core/b.ts': b, 'core/c.ts': c, 'core/d.ts': a }))
    expect(found).toEqual([['core/a.ts', 'core/b.ts', 'core/c.ts', 'core/a.ts']])
  })

  test('a driver behind two files, but not behind an import() or a type', () => {
    const through = (text: string) =>
      loadedBy(
        'index.ts',
        planted({
          'index.ts': `export { b } from './b.js'`,
          'b.ts': text,
          'c.ts': `import D from 'better-sqlite3'`,
        }),
      ).get('better-sqlite3')
    expect(through(`import './c.js'`)).toBe('c.ts')
    expect(through(`import type { C } from './c.js'`)).toBeUndefined()
    expect(through(`const c = () => import('./c.js')`)).toBeUndefined()
  })
})

describe('the rule on time and chance finds a planted violation:', () => {
  test.each([
    'Date.now()',
    'const clock = Date.now',
    'new Date()',
    'Math.random()',
    'performance.now()',
    'setTimeout(f, 1)',
    'globalThis.setTimeout(f, 1)',
    'setInterval(f, 1)',
    'AbortSignal.timeout(5)',
    'crypto.randomUUID()',
    `import { randomUUID as id } from 'node:crypto'`,
    `import * as crypto from 'node:crypto'`,
    `import { setTimeout } from 'node:timers/promises'`,
    `import { uuidv7 } from 'uuidv7'`,
  ])('%s', (text) => {
    expect(impurities(planted({ 'runtime/worker.ts': text }))).toHaveLength(1)
    expect(impurities(planted({ 'runtime/clock.ts': text }))).toEqual([])
  })

  test.each([
    'new Date(at)',
    'clock.setTimeout(f)',
    '// Date.now() in a comment',
    `import { createHash } from 'node:crypto'`,
  ])('but not %s', (text) => {
    expect(impurities(planted({ 'runtime/worker.ts': text }))).toEqual([])
  })
})

describe('the rule on files finds a planted violation:', () => {
  test.each([
    ['no comment', 'export {}\n'],
    ['a line comment', '// what it is for\nexport {}\n'],
    ['an empty one', '/** */\nexport {}\n'],
    ['too many lines', `/** What it is for. */\n${'\n'.repeat(longestFile)}`],
  ])('%s', (_, text) => {
    expect(badFiles(planted({ 'core/a.ts': text }))).toHaveLength(1)
  })

  test('but not a comment after #!, nor a file of just the length', () => {
    const text = `#!/usr/bin/env node\n/**\n * What it is for.\n */\n${'\n'.repeat(longestFile - 4)}`
    expect(badFiles(planted({ 'cli/main.ts': text }))).toEqual([])
  })
})
