/**
 * Mutation testing of the pure core: `npx stryker run`, or `npx stryker run --mutate src/core/fold.ts` for one file.
 *
 * Stryker breaks src/core in every small way that it knows, one at a time, and the tests in test/core must notice. It copies
 * the project, plants all of the breaks there behind switches, builds once, and runs the tests that reach a break with that one
 * switched on.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export default {
  mutate: ['src/core/**/*.ts'],
  // All that the build and test/core need; the rest would only be copied.
  ignorePatterns: [
    '**',
    '!src/**',
    '!test/core/**',
    '!test/mutants/**',
    '!scripts/**',
    '!package*.json',
    '!tsconfig.json',
  ],
  // Below the project, where the build finds node_modules; outside of it, it would have none.
  tempDirName: '.stryker',
  buildCommand: 'node scripts/build.mjs',
  testRunner: 'vitest',
  // Tests import dist/, which vite does not follow: it would find no test that is related to src/.
  vitest: { configFile: 'test/mutants/core.config.ts', related: false },
  coverageAnalysis: 'perTest',
  // Tables and constants are what they are from the moment they are loaded: broken, they must be noticed as well.
  ignoreStatic: false,
  concurrency: 2,
  // Generous: on a busy machine, a mutant that is merely slow must not count as one that was noticed.
  timeoutMS: 40_000,
  timeoutFactor: 4,
  reporters: ['clear-text', 'json', 'progress-append-only'],
  // For `node scripts/mutants.mjs --score`.
  jsonReporter: { fileName: join(tmpdir(), 'backstep-stryker.json') },
  clearTextReporter: { allowColor: false, reportTests: false, logTests: false },
  thresholds: { high: 95, low: 90, break: 90 },
}
