/**
 * What TypeScript makes of `backstep/testing` in a user's project: without a test runner, and with the matchers told to Vitest
 * and to Jest.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import ts from 'typescript'
import { afterAll, expect, test } from 'vitest'
import { Project } from './project.js'

const projects: Project[] = []
afterAll(() => Promise.all(projects.map((project) => project.remove())))

/** Writes files into a project that has installed these packages, and returns their paths. */
async function files(packages: string[], sources: Record<string, string>): Promise<string[]> {
  const project = await Project.create(['@types/node', ...packages])
  projects.push(project)
  return Object.entries(sources).map(([name, text]) => {
    const file = join(project.folder, name)
    writeFileSync(file, text)
    return file
  })
}

/** What the compiler has to say, of all of them in one go: most of its time goes into what they share. */
function complaints(files: readonly string[]): string[] {
  const program = ts.createProgram(files, {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    types: [],
  })
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, '\n').split('\n')[0]
    return `${basename(file?.fileName ?? '')}: ${text}`
  })
}

const common = `
import { Orchestrator, memoryStore, saga } from 'backstep'
import { expectCommitted, expectRolledBack, sagaMatchers, storeSuite } from 'backstep/testing'

const trip = saga<{ to: string }>('trip').step('flight', { commit: () => ({ seat: 1 }), rollback: () => {} })
export async function all(orchestrator: Orchestrator) {
  const handle = await orchestrator.submit(trip, { to: 'LIS' })
  const { flight } = await expectCommitted(handle)
  const seat: number = flight.seat
  const run = await expectCommitted(orchestrator.run(trip, { to: 'LIS' }))
  const again: number = run.flight.seat
  const submitted: number = (await expectCommitted(orchestrator.submit(trip, { to: 'LIS' }))).flight.seat
  const outcome: number = (await expectCommitted(handle.outcome())).flight.seat
  const { rolledBack } = await expectRolledBack(orchestrator, 'order-7', { reason: 'timeout', within: '1s' })
  const first: string | undefined = rolledBack[0]
  return [seat, again, submitted, outcome, first]
}
for (const { name, run, timeout } of storeSuite({ create: () => memoryStore(), store: (store) => store })) {
  const text: string = name, ms: number = timeout, promise: Promise<void> = run()
  void [text, ms, promise]
}
`

const wrong = "\nexpectCommitted(42)\nexpectRolledBack(Promise.resolve(), { reason: 'bored' })\n"

const matchers = (expectAndModule: string) => `${expectAndModule}
import type { SagaMatchers } from 'backstep/testing'
expect.extend(sagaMatchers)
export async function use(orchestrator: Orchestrator) {
  const handle = await orchestrator.submit(trip, { to: 'LIS' })
  await expect(handle).toBeCommitted()
  await expect(handle).not.toBeRolledBack({ step: 'flight', reason: 'rejected' })
  await expect(handle).toHaveCalled('rollback', 'flight', 1)
  // @ts-expect-error no direction
  await expect(handle).toHaveCalled('undo', 'flight')
  // @ts-expect-error no matcher
  await expect(handle).toBeCommited()
}
`
const vitest = `import { expect } from 'vitest'
declare module 'vitest' { interface Matchers<T> extends SagaMatchers {} }`
const jest = `import { expect } from '@jest/globals'
declare module 'expect' { interface Matchers<R, T> extends SagaMatchers {} }`

test('it compiles without any runner, and with the matchers told to Vitest and to Jest', async () => {
  const without = await files([], { 'plain.mts': common, 'wrong.mts': common + wrong })
  const both = await files(['vitest', '@jest/globals', 'expect'], {
    'vitest.mts': common + matchers(vitest),
    'jest.mts': common + matchers(jest),
  })
  expect(complaints([...without, ...both])).toEqual([
    'wrong.mts: No overload matches this call.',
    'wrong.mts: No overload matches this call.',
  ])
}, 60_000)

test('its types name no package but Backstep: what a project lacks would be any, without a word', () => {
  const folder = new URL('../../../dist/testing/', import.meta.url)
  const types = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.d\.ts$/.test(file),
  )
  expect(types.length).toBeGreaterThan(10)
  const named = types.flatMap((file) =>
    [...readFileSync(new URL(file, folder), 'utf8').matchAll(/(?:from|import\() ?['"]([^.'"][^'"]*)/g)].map(
      ([, name]) => `${file}: ${name}`,
    ),
  )
  expect(named).toEqual([])
})
