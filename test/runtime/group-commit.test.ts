/**
 * Group commit on its own, over a store whose flushes are answered by hand.
 */
import { describe, expect, test } from 'vitest'
import { systemClock } from '#dist/runtime/clock.js'
import { GroupCommit } from '#dist/runtime/group-commit.js'
import type { Result, Store, Write } from '#dist/store/store.js'

const quiet = { unavailable: () => {}, available: () => {} }

/** Each call of `apply` waits here for its answer. */
class Flushes {
  readonly sent: { readonly limits: readonly number[]; answer(): void; lose(): void }[] = []

  get store(): Store {
    const apply = (writes: readonly Write[]) =>
      new Promise<readonly Result[]>((resolve, reject) => {
        this.sent.push({
          limits: writes.map(labelOf),
          answer: () => resolve(writes.map((write): Result => ({ type: 'applied', n: labelOf(write) }))),
          lose: () => reject(new Error('the answer was lost')),
        })
      })
    return { apply } as Partial<Store> as Store
  }
}

/** A write is known by a number: the limit of a claim, the `n` of an append. */
const labelOf = (write: Write): number =>
  write.type === 'claim' ? write.limit : write.type === 'append' ? write.n : -1
const claim = (label: number): Write => ({ type: 'claim', worker: 'w', limit: label })
const append = (label: number): Write => ({
  type: 'append',
  n: label,
  token: 1,
  seq: 1,
  at: 0,
  entries: [],
  replace: false,
})

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)

describe('group commit', () => {
  test('what is ready goes down together, in order, and is answered only after its flush', async () => {
    const flushes = new Flushes()
    const commits = new GroupCommit(flushes.store, systemClock, quiet)
    const answered: number[] = []
    for (const i of numbers(0, 5))
      commits.add(claim(i), (result) => answered.push((result as { n: number }).n))
    await turn()
    for (const i of numbers(5, 3)) commits.add(claim(i), () => answered.push(i))
    await turn()
    expect(flushes.sent.map(({ limits }) => limits)).toEqual([[0, 1, 2, 3, 4]])
    expect(answered).toEqual([])
    flushes.sent[0]?.answer()
    await turn()
    await turn()
    expect(answered).toEqual([0, 1, 2, 3, 4])
    expect(flushes.sent[1]?.limits).toEqual([5, 6, 7])
  })

  test('large flushes overlap: one sets off amidst the answers, another while that is under way, and never a third', async () => {
    const flushes = new Flushes()
    const commits = new GroupCommit(flushes.store, systemClock, quiet)
    const underWay: number[] = []
    for (const i of numbers(0, 256)) {
      commits.add(claim(i), () => {
        underWay.push(flushes.sent.length)
        commits.add(claim(1_000 + i), () => commits.add(claim(2_000 + i), () => {}))
      })
    }
    await turn()
    flushes.sent[0]?.answer()
    await turn()
    await turn()
    expect(underWay.filter((sent) => sent === 2)).toHaveLength(128)
    expect(flushes.sent.slice(1).map(({ limits }) => limits)).toEqual([
      numbers(1_000, 128),
      numbers(1_128, 128),
    ])
    for (const i of numbers(0, 100)) commits.add(claim(5_000 + i), () => {})
    await turn()
    expect(flushes.sent).toHaveLength(3)
    flushes.sent[1]?.answer()
    await turn()
    await turn()
    expect(flushes.sent[3]?.limits).toEqual([...numbers(5_000, 100), ...numbers(2_000, 128)])
    expect(flushes.sent).toHaveLength(4)
  })

  test('a flush that fails while another is under way keeps its appends for when the store answers again', async () => {
    const flushes = new Flushes()
    const heard: string[] = []
    const commits = new GroupCommit(flushes.store, systemClock, {
      unavailable: () => heard.push('unavailable'),
      available: () => heard.push('available'),
    })
    commits.add(append(1), (result) => heard.push(`append ${result?.type}`))
    await turn()
    for (const i of numbers(0, 64)) commits.add(claim(i), () => {})
    await turn()
    expect(flushes.sent).toHaveLength(2)
    flushes.sent[0]?.lose()
    await turn()
    flushes.sent[1]?.answer()
    await turn()
    await turn()
    expect(flushes.sent[2]?.limits).toEqual([1])
    flushes.sent[2]?.answer()
    await turn()
    expect(heard).toEqual(['unavailable', 'available', 'append applied'])
  })

  test('small flushes are not split', async () => {
    const flushes = new Flushes()
    const commits = new GroupCommit(flushes.store, systemClock, quiet)
    for (const i of numbers(0, 63)) commits.add(claim(i), () => commits.add(claim(1_000 + i), () => {}))
    await turn()
    flushes.sent[0]?.answer()
    await turn()
    await turn()
    expect(flushes.sent[1]?.limits).toEqual(numbers(1_000, 63))
  })

  test('a flush whose answer was lost: appends go down again before anything newer, others hear of it', async () => {
    const flushes = new Flushes()
    const commits = new GroupCommit(flushes.store, systemClock, quiet)
    const heard: string[] = []
    commits.add(append(1), (result) => heard.push(`append ${result?.type}`))
    commits.add(claim(7), (_, error) => heard.push(`claim: ${error?.message.slice(0, 24)}`))
    await turn()
    commits.add(append(2), () => {})
    flushes.sent[0]?.lose()
    await turn()
    expect(heard).toEqual(['claim: the store did not answer'])
    await expect.poll(() => flushes.sent[1]?.limits).toEqual([1, 2])
    flushes.sent[1]?.answer()
    await turn()
    expect(heard).toEqual(['claim: the store did not answer', 'append applied'])
  })
})
