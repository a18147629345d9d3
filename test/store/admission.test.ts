/**
 * The admission rule with a budget so small that its work is always cut into pieces: what is put off must still be done.
 */
import { expect, it } from 'vitest'
import { MemoryStore } from '#dist/stores/memory/index.js'
import { playHistories } from '#dist/testing/store-suite/histories.js'
import { History } from '#dist/testing/store-suite/history.js'
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

it('a write that has spent its budget hides from no reader what a saga waits for', async () => {
  const submit = (definition: number, keys: readonly string[], start = false) =>
    ({ do: 'submit', definition, keys, start }) as const
  const history = new History(new MemoryStore(Date.now, 10_000, 1))
  await history.play([
    submit(0, ['q', 'p']),
    submit(2, ['p']),
    submit(0, ['q']),
    submit(0, ['p', 'q'], true),
    { do: 'join', worker: 0, offers: [2] },
    { do: 'settle' },
    { do: 'join', worker: 1, offers: [2, 0] },
    submit(2, ['q']),
  ])
  expect(history.waited).toBe(1)
})
