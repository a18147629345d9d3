/**
 * Two runs: `npm test` holds on every change, in about five minutes on two cores; `npm run test:long` (mode `long`)
 * holds the proofs that enumerate or kill for longer.
 *
 * Invariants
 * - Tests run against dist/, which is what ships, loaded by Node itself: vite transforms the tests, never the product.
 * - Each file has a process of its own. Tests open SQLite files, start threads and send signals.
 */
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Begun last, one of these would keep the others' cores idle for minutes; by default the largest file is first. */
const slowest = [
  'crash/crash.long',
  'power/power.long',
  'core/histories.long',
  'store/postgres.long',
  'simulation/command.test',
  'cli/operate.test',
  'scenarios/processes.test',
  'core/histories.test',
  'crash/crash.test',
  'barrier/postgres-concurrency.test',
  'simulation/simulate.test',
]
const rank = ({ moduleId }: TestSpecification): number => {
  const found = slowest.findIndex((name) => moduleId.endsWith(`${name}.ts`))
  return found < 0 ? slowest.length : found
}

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

/** .ci/run reads the numbers from here, so that it can call the README's command as it stands. */
const report = process.env.BACKSTEP_TEST_REPORT

export default defineConfig(({ mode }) => {
  const long = mode === 'long'
  return {
    test: {
      include: [long ? 'test/**/*.long.ts' : 'test/**/*.test.ts'],
      pool: 'forks',
      sequence: { sequencer: SlowestFirst },
      globalSetup: 'test/support/postgres-setup.ts',
      // By default one core is left idle. Twice as many as there are: most files wait for disks, processes, or leases to run out.
      maxWorkers: 2 * availableParallelism(),
      // Short: enough for a child process on a busy machine, and a hang is still found soon.
      testTimeout: long ? 600_000 : 30_000,
      // Only where nobody looks on: a machine that others use, too, may stop for seconds. What needed a second try is named in the output.
      retry: process.env.CI ? 1 : 0,
      hookTimeout: 30_000,
      server: { deps: { external: [/\/dist\//] } },
      reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
      typecheck: {
        enabled: !long,
        include: ['test/types/**/*.test-d.ts'],
        // Only what the type tests import, a third of the work. Errors outside of them are found by `npm run check`.
        tsconfig: 'tsconfig.types.json',
        ignoreSourceErrors: true,
      },
    },
  }
})
