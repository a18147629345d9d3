/**
 * `backstep/testing` as its users run it: under Vitest, Jest and node:test, each in a process of its own, in a project that has
 * installed it. What must pass passes, and what must fail says in its output what a person needs.
 */
import { storeSuite } from 'backstep/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Project } from './project.js'

let project: Project
beforeAll(async () => {
  project = await Project.create(['vitest', 'jest'])
})
afterAll(() => project.remove())

const storeCases = storeSuite({ create: () => {}, store: () => undefined as never }).length

interface Runner {
  readonly args: readonly string[]
  /** How its summary says that so many tests have passed and failed. */
  readonly summary: (passed: number, failed: number) => RegExp
  readonly hasMatchers: boolean
}

const runners: Readonly<Record<string, Runner>> = {
  vitest: {
    args: ['../node_modules/vitest/vitest.mjs', 'run', '--root', '.'],
    summary: (passed, failed) => new RegExp(`Tests +${failed} failed \\| ${passed} passed`),
    hasMatchers: true,
  },
  jest: {
    args: ['--experimental-vm-modules', '--no-warnings', '../node_modules/jest/bin/jest.js', '--no-cache'],
    summary: (passed, failed) => new RegExp(`Tests: +${failed} failed, ${passed} passed`),
    hasMatchers: true,
  },
  node: {
    args: ['--test', '--test-reporter=spec', 'good.test.mjs', 'bad.test.mjs'],
    summary: (passed, failed) => new RegExp(`pass ${passed}\\n[\\s\\S]*fail ${failed}\\n`),
    hasMatchers: false,
  },
}

/** What each output must hold of the tests that fail. */
const failures = {
  expectCommitted: [
    'expected saga order-7 to be committed, and it was rolled back: step payment was rejected: card declined',
    'journal:',
    'commit of payment, attempt 1 rejected, Rejected: card declined',
    'flight rolled back',
  ],
  explore: [
    'a history of trip breaks the invariant',
    '1 seats are taken, not 0',
    'look at rollback 1 of flight, which was called without an output: PROJECT/trips.mjs:16:20',
  ],
  'the store suite': ['a superseded owner writes nothing', 'superseded'],
}

const failuresOfMatchers = [
  'expected the rollback of flight to have been called twice, and it was called once',
  'rollback of flight, attempt 1 started',
]

describe.concurrent('backstep/testing', () => {
  test.each(Object.entries(runners))(
    'under %s',
    async (name, { args, summary, hasMatchers }) => {
      const { status, text: printed } = await project.node(name, args)
      const text = printed.replaceAll(project.folder, 'PROJECT')
      // Committed, rolled back, explored; and with matchers.
      const passed = storeCases + 3 + Number(hasMatchers)
      const expected = hasMatchers ? { ...failures, matchers: failuresOfMatchers } : failures
      const missing = Object.values(expected).flatMap((lines) => lines.filter((line) => !text.includes(line)))
      expect(missing, text).toEqual([])
      expect(text).toMatch(summary(passed, Object.keys(expected).length))
      expect(status).toBe(1)
    },
    60_000,
  )
})
