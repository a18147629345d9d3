/**
 * The store does what it was told and its answer is lost, or it does not answer for a while: nothing is forgotten, nothing hangs.
 */
import { saga } from 'backstep'
import { describe, expect, test } from 'vitest'
import type { Write } from '#dist/store/store.js'
import { journalWords, losingAnswers, stage } from '../support/bench.js'
import { wrapStore } from '../support/wrapped-store.mjs'

const plain = saga('plain', { keys: () => [] }).step('one', { commit: () => 'done', rollback: () => {} })

describe('an answer that is lost', () => {
  test('of a submit that had started: the saga runs all the same', async () => {
    let lost = 0
    const { clock, orchestrator } = await stage({
      sagas: [plain],
      wrap: (store) =>
        losingAnswers(store, (writes) => writes.some(({ type }) => type === 'submit') && lost++ === 0),
    })
    const submitted = orchestrator.submit(plain, undefined, { id: 'a' })
    await expect(clock.until(submitted)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(lost).toBe(1)
    await clock.when(async () => (await orchestrator.get('a'))?.status === 'committed')
  })

  test('of each kind of flush in turn: every saga ends', async () => {
    for (const kind of ['join', 'submit', 'append', 'claim', 'renew'] as const) {
      let armed = false
      const { clock, orchestrator } = await stage({
        sagas: [plain],
        concurrency: 2,
        wrap: (store) =>
          losingAnswers(store, (writes) => {
            if (!armed || !writes.some(({ type }) => type === kind)) return false
            armed = false
            return true
          }),
      })
      const ids = ['a', 'b', 'c', 'd', 'e', 'f']
      armed = true
      if (kind === 'join') {
        const other = saga('other', { keys: () => [] }).step('one', { commit: () => 1, rollback: () => {} })
        await clock.until(orchestrator.submit(other, undefined, { id: 'joined' }).catch(() => {}))
      }
      for (const id of ids) await clock.until(orchestrator.submit(plain, undefined, { id }).catch(() => {}))
      await clock.advance(10_000)
      expect([kind, armed]).toEqual([kind, false])
      for (const id of ids)
        expect([kind, id, (await orchestrator.get(id))?.status]).toEqual([kind, id, 'committed'])
    }
  })

  test('of an append: it is sent again unchanged, nothing is called twice, and nobody is blamed for a crash', async () => {
    for (const applied of [true, false]) {
      let lost = 0
      const calls: number[] = []
      const definition = saga('counted')
        .step('one', { commit: ({ attempt }) => void calls.push(attempt), rollback: () => {} })
        .step('two', { commit: ({ attempt }) => void calls.push(attempt), rollback: () => {} })
      const { clock, orchestrator } = await stage({
        sagas: [definition],
        wrap: (store) =>
          wrapStore(store, {
            apply: async (writes: readonly Write[]) => {
              const loses = writes.some(({ type }) => type === 'append') && lost++ < 2
              const results = loses && !applied ? [] : await store.apply(writes)
              if (loses) throw new Error('no answer')
              return results
            },
          }),
      })
      await clock.until(orchestrator.run(definition, undefined, { id: 'a' }))
      expect(lost).toBeGreaterThan(1)
      expect(calls).toEqual([1, 1])
      expect(await journalWords(orchestrator, 'a')).toBe(
        'submitted one:started one:committed two:started two:committed ended',
      )
    }
  })

  test('of the join of a new definition: it is offered again, and its sagas run', async () => {
    let refusals = 0
    const { clock, orchestrator } = await stage({
      sagas: [plain],
      wrap: (store) =>
        wrapStore(store, {
          apply: (writes: readonly Write[]) => {
            const joins = writes.some((write) => write.type === 'join' && write.offers.length > 1)
            if (!joins || refusals++ > 0) return store.apply(writes)
            return Promise.reject(new Error('no answer'))
          },
        }),
    })
    const later = saga('later', { keys: () => [] }).step('one', { commit: () => 'late', rollback: () => {} })
    await clock.until(orchestrator.submit(later, undefined, { id: 'l' }).catch(() => {}))
    await clock.until(orchestrator.submit(later, undefined, { id: 'l' }))
    expect(refusals).toBeGreaterThan(0)
    await clock.when(async () => (await orchestrator.get('l'))?.status === 'committed')
  })

  test('a notice lost with the answer of a claim still reaches the call that it is about', async () => {
    let armed = false
    const seen: string[] = []
    const waiting = saga('waiting').step('hangs', {
      commit: ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            seen.push('aborted')
            reject(new Error('aborted'))
          })
        }),
      rollback: () => {},
      timeout: '1d',
    })
    const one = await stage({
      sagas: [waiting],
      wrap: (store) => losingAnswers(store, (writes) => armed && writes.some(({ type }) => type === 'claim')),
    })
    const { clock, store, orchestrator } = one
    await clock.until(orchestrator.submit(waiting, undefined, { id: 'w' }))
    const beside = await stage({ clock, store, work: false })
    armed = true
    await clock.until(beside.orchestrator.cancel('w', 'not wanted'))
    await clock.advance(1_000)
    armed = false
    await clock.advance(5_000)
    expect(seen).toEqual(['aborted'])
    await clock.when(async () => (await orchestrator.get('w'))?.status === 'rolled_back')
  })

  test('a store whose apply throws instead of rejecting is one that does not answer', async () => {
    let throwing = false
    const { clock, orchestrator } = await stage({
      sagas: [plain],
      wrap: (store) =>
        wrapStore(store, {
          apply: (writes: readonly Write[]) => {
            if (throwing) throw new Error('thrown')
            return store.apply(writes)
          },
        }),
    })
    throwing = true
    await expect(clock.until(orchestrator.submit(plain, undefined, { id: 'a' }))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
    throwing = false
    await clock.until(orchestrator.run(plain, undefined, { id: 'a' }))
  })
})
