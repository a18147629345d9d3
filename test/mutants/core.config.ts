/**
 * How Stryker runs the tests of the core.
 *
 * Invariant
 * - Each test stands alone: Stryker runs only those that reach a mutant, and no other may be missed by them.
 */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/core/plan.test.ts', 'test/mutants/core.tests.ts'],
    // On a busy machine too, a test that is merely slow must not kill a mutant.
    testTimeout: 60_000,
    env: { BACKSTEP_TEST_SHARE: '0.05' },
    setupFiles: ['test/mutants/core.setup.ts'],
    server: { deps: { external: [/\/dist\//] } },
  },
})
