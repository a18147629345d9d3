/**
 * The admission rule with a budget so small that its work is always cut into pieces: what is put off must still be done.
 */
import { expect, it } from 'vitest'
import { MemoryStore } from '#dist/stores/memory/index.js'
import { playHistories } from '#dist/testing/store-suite/histories.js'
import { seed } from './suite.js'

for (const budget of [1, 2, 5]) {
  it(`work that is put off is done by later claims (a budget of ${budget} rows)`, async () => {
    const { started } = await playHistories((run) => run(new MemoryStore(Date.now, 10_000, budget)), {
      histories: 400,
      seed,
    })
    expect(started).toBeGreaterThan(400)
  })
}
