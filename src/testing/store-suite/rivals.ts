/**
 * The store's contract as cases: what happens at the same moment, through one client and through two (points 5, 7 and 14).
 */
import type { Result } from '../../store/store.js'
import type { Groups } from './bench.js'
import { committedEntry, Desk, submission } from './desk.js'
import { above, same } from './judge.js'

const numberOf = (results: readonly Result[]): number => {
  const [result] = results
  return result?.type === 'applied' ? (result.n ?? 0) : 0
}

const hasStarted = ([result]: readonly Result[]): boolean =>
  result?.type === 'applied' && result.token !== undefined

export const rivals: Groups = {
  '14: calls that overlap': {
    'are applied in the order in which they came': async ({ store }) => {
      const calls = Array.from({ length: 40 }, () => store.apply([submission()]))
      const numbers = (await Promise.all(calls)).map(numberOf)
      same(
        numbers,
        [...numbers].sort((a, b) => a - b),
      )
      same(new Set(numbers).size, 40)
    },

    'each sees those before it: of appends at one place the first lands': async ({ store, desk }) => {
      await desk.join('w')
      const saga = await desk.submit({ start: 'w' })
      const calls = ['first', 'second', 'third'].map((step) =>
        store.apply([desk.appendOf(saga, [committedEntry(step)])]),
      )
      same(
        (await Promise.all(calls)).map(([result]) => result?.type),
        ['applied', 'conflict', 'conflict'],
      )
      same((await desk.find(saga)).chunks[1]?.entries, [committedEntry('first')])
    },
  },

  '5 and 7: two clients at the same moment': {
    'of those that submit with a shared key one starts, and they are all there': async ({
      store,
      desk,
      open,
    }) => {
      const other = await open()
      await desk.join('a')
      await new Desk(other).join('b')
      for (let round = 0; round < 5; round++) {
        const keys = [`k${round}`, `l${round}`]
        const calls = [store, other, store, other].map((client) =>
          client.apply([submission({ keys, start: client === store ? 'a' : 'b' })]),
        )
        const results = await Promise.all(calls)
        same(results.filter(hasStarted).length, 1, `round ${round}`)
        same(new Set(results.map(numberOf)).size, 4)
      }
      same((await store.list({ order: 'oldest', limit: 100 })).length, 20)
    },

    'no saga is given to both, and none is left out': async ({ store, open, desk }) => {
      const other = new Desk(await open())
      await desk.join('a')
      await other.join('b')
      await store.apply(Array.from({ length: 60 }, (_, i) => submission({ id: `s${i}`, keys: [`k${i}`] })))
      const given: string[] = []
      for (let round = 0; round < 20 && given.length < 60; round++) {
        const both = await Promise.all([desk.claimIds('a', 4), other.claimIds('b', 4)])
        given.push(...both.flat())
      }
      same(given.length, 60)
      same(new Set(given).size, 60)
      const owners = [...(await store.owned('a')), ...(await store.owned('b'))]
      same(owners.length, 60)
      above(new Set(owners.map(({ token }) => token)).size, 59)
    },
  },
}
