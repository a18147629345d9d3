/**
 * What the simulator has found, each as the shortest case that shows it.
 */
import { memoryStore, Orchestrator, saga } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { FakeClock } from 'backstep/testing'
import { expect, test } from 'vitest'
import type { Result, SubmitWrite, Write } from '#dist/store/store.js'
import { temporaryFile } from '../support/stores.js'
import { wrapStore } from '../support/wrapped-store.mjs'

test('sqlite: a worker that leaves in one flush with others shifts no answer to a write that is not its own', async () => {
  const store = sqliteStore(temporaryFile(), { thread: false })
  await store.open()
  const definition = { name: 'trip', version: '1', shape: 'a' }
  const submit = (id: string): SubmitWrite => ({
    type: 'submit',
    id,
    uid: `uid-${id}`,
    definition,
    keys: [],
    deadline: null,
    at: 1,
    entries: [{ type: 'submitted', uid: `uid-${id}`, keys: [] }],
  })
  const writes: readonly Write[] = [
    { type: 'leave', worker: 'former' },
    { type: 'join', worker: 'present', lease: 10_000, offers: [definition] },
    { type: 'leave', worker: 'another' },
    submit('a'),
    submit('b'),
    { type: 'claim', worker: 'present', limit: 2 },
  ]
  const results = await store.apply(writes)
  await store.close()
  expect(results.map(({ type }) => type)).toEqual([
    'applied',
    'applied',
    'applied',
    'applied',
    'applied',
    'claimed',
  ])
  expect(results.slice(3, 5)).toEqual([
    { type: 'applied', n: 1 },
    { type: 'applied', n: 2 },
  ])
})

test('a worker that begins anew while its former beginning is still unanswered has one lease, and leaves no timer', async () => {
  const clock = new FakeClock()
  const memory = memoryStore({ now: clock.now })
  let gate: Promise<void> | undefined
  let isDown = false
  const store = wrapStore(memory, {
    apply: async (writes: readonly Write[]): Promise<readonly Result[]> => {
      await gate
      if (isDown) throw new Error('the store does not answer')
      return memory.apply(writes)
    },
  })
  const sagas = [saga('trip').step('a', { commit: () => {}, rollback: () => {} })]
  const orchestrator = await clock.until(Orchestrator.open(store, { sagas, clock, lease: 900, log: false }))
  await clock.advance(1_000)
  // Long enough for two leases to be lost, each with a join that is not answered.
  let open = (): void => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  await clock.advance(2_500)
  isDown = true
  open()
  await clock.advance(700)
  isDown = false
  await clock.advance(5_000)
  expect((await orchestrator.health()).workers.filter(({ alive }) => alive)).toHaveLength(1)
  await clock.until(orchestrator.close({ drain: 0 }))
  expect(clock.timers).toBe(0)
})
