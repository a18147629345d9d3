/** Holds package.json and its lockfile to what an install on any machine needs. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly hasInstallScript?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const read = (file: string) => JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'))
const manifest = read('package.json')
const packages = Object.entries<Locked>(read('package-lock.json').packages).filter(([path]) => path !== '')

test('the lockfile names no registry', () => {
  expect(packages.length).toBeGreaterThan(50)
  expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([])
})

test('the lockfile holds the binaries of every platform, not only of the one it was made on', () => {
  const locked = new Set(packages.map(([path]) => path.split('node_modules/').at(-1)))
  const wanted = packages.flatMap(([, { optionalDependencies }]) => Object.keys(optionalDependencies ?? {}))
  expect(wanted).toContain('@biomejs/cli-darwin-arm64')
  expect(wanted.filter((name) => !locked.has(name))).toEqual([])
})

test('every package that runs a script when it is installed is one that we let (npm 12 asks)', () => {
  const scripted = packages.filter(([, { hasInstallScript }]) => hasInstallScript)
  const names = scripted.map(([path]) => path.split('node_modules/').at(-1))
  expect(names).toEqual(Object.keys(manifest.allowScripts))
})

test('the SQLite that is locked runs on the oldest Node that we promise', () => {
  const { version } = packages.find(([path]) => path === 'node_modules/better-sqlite3')?.[1] ?? {}
  // 13 crashes on Node 20; a lockfile made anew under a later Node would pick it.
  expect(version).toMatch(/^12\./)
})
