/**
 * The store suite that ships (`backstep/testing`), run on our own stores by Vitest.
 */
import { describe, test } from 'vitest'
import { type StoreCase, type StoreSubject, storeSuite } from '#dist/testing/store-suite/index.js'

/** Other histories in each run, as long as nobody asks for some again: one that fails says its seed. */
export const seed = Number(process.env.BACKSTEP_TEST_SEED ?? Date.now() % 2 ** 31)

export function testStore<Data>(name: string, subject: StoreSubject<Data>, histories: number): void {
  testCases(name, storeSuite(subject, { histories, seed }))
}

/** Its last case alone, for more histories than `testStore` has the time for. */
export function testHistories<Data>(name: string, subject: StoreSubject<Data>, histories: number): void {
  testCases(name, storeSuite(subject, { histories, seed }).slice(-1))
}

function testCases(name: string, cases: readonly StoreCase[]): void {
  describe(`store contract: ${name}`, () => {
    for (const { name, run, timeout } of cases) test(name, run, timeout)
  })
}
