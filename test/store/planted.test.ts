/**
 * The suite suited: each planted bug must fail it, by a case whose name tells what is wrong; without a bug all cases pass.
 */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Admission } from '#dist/store/admission.js'
import { MemoryLines } from '#dist/stores/memory/lines.js'
import { type StoreSubject, storeSuite } from '#dist/testing/store-suite/index.js'
import { altered, breaksNothing, type Place, planted } from './planted.js'

const subject = (create: () => Place): StoreSubject<Place> => ({
  create,
  store: ({ store }) => store,
  wait: (place, ms) => {
    place.ahead += ms
  },
})

/** The messages of the cases that fail, by name. */
async function failures(create: () => Place, histories = 3, seed = 1): Promise<Map<string, string>> {
  const failed = new Map<string, string>()
  for (const { name, run } of storeSuite(subject(create), { histories, seed })) {
    await run().catch((error: Error) => failed.set(name, error.message))
  }
  return failed
}

afterEach(() => {
  vi.restoreAllMocks()
})

test('a store without a bug passes all cases, behind the same wrapping', async () => {
  expect(await failures(breaksNothing, 50)).toEqual(new Map())
})

describe('the suite finds a store in which', () => {
  test.each(planted)('%s', async (_, place, name) => {
    expect([...(await failures(place)).keys()].filter((failed) => failed.includes(name))).toHaveLength(1)
  })

  test('a waiting saga reserves nothing', async () => {
    const right = MemoryLines.prototype.next
    vi.spyOn(MemoryLines.prototype, 'next').mockImplementation(function (this: MemoryLines, key, place, n) {
      const spot = right.call(this, key, place, n)
      return spot?.place === 0 ? spot : undefined
    })
    expect([...(await failures(breaksNothing)).keys()]).toContain(
      '5 and 6: who may start > a waiting saga reserves its free keys against later ones: no starvation',
    )
  })
})

describe('a random history that fails', () => {
  const wakesOnlyOne = () => {
    const right = Admission.prototype.released
    vi.spyOn(Admission.prototype, 'released').mockImplementation(function (this: Admission, keys) {
      right.call(this, keys.slice(0, 1))
    })
  }
  const failureOf = async (seed: number, histories: number) => {
    const failed = await failures(breaksNothing, histories, seed)
    return [...failed].find(([name]) => name.includes('random histories'))?.[1] ?? ''
  }

  test('is short, says what is wrong, and is found again by the seed that it names', async () => {
    wakesOnlyOne()
    const message = await failureOf(1, 60)
    expect(message).toMatch(/seed \d+ breaks the contract: saga \d+ may start, and no claim gives it/)
    const [, seed = ''] = /storeSuite\(subject, \{ seed: (\d+), histories: 1 \}\)/.exec(message) ?? []
    expect(message.match(/^ +\d+\. /gm)?.length).toBeLessThan(10)
    expect(await failureOf(Number(seed), 1)).toBe(message)
  })
})

describe('what a store does not offer', () => {
  const names = (of: StoreSubject<Place>) => storeSuite(of).map(({ name }) => name)
  const without = subject(breaksNothing)
  const begin = () => Promise.reject(new Error('never called'))

  test('is said by the name of a case', () => {
    expect(names(without)).toContain(
      'submitIn: not offered by this store, so 5 cases are left out > there is none',
    )
    expect(names({ ...without, begin }).filter((name) => name.startsWith('submitIn:'))).toHaveLength(5)
  })

  test('must really not be offered', async () => {
    const offers = () =>
      altered(
        () => (write, right) => right(write),
        () => ({ submitIn: () => Promise.reject(new Error('not called')) }),
      )
    const failed = await failures(offers, 0)
    expect([...failed.keys()]).toEqual([expect.stringContaining('submitIn')])
    expect([...failed.values()][0]).toContain('give the subject `begin`')
  })
})

test('cases have names of their own', () => {
  const names = storeSuite(subject(breaksNothing)).map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})
