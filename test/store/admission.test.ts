/**
 * The admission rule with a budget so small that its work is always cut into pieces: what is put off must still be done.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { MemoryStore } from '#dist/stores/memory/index.js'
import { anyHistory, History } from './admission-property.js'

for (const budget of [1, 2, 5]) {
  it(`work that is put off is done by later claims (a budget of ${budget} rows)`, async () => {
    let started = 0
    await fc.assert(
      fc.asyncProperty(anyHistory, async (moves) => {
        const history = new History(new MemoryStore(Date.now, 10_000, budget), 'h')
        await history.play(moves)
        started += history.started
      }),
      { numRuns: 400 },
    )
    expect(started).toBeGreaterThan(400)
  })
}
