/**
 * The store's contract as tests: every store passes all of them. Numbers in the names are the points of the contract in
 * src/store/store.ts, or scenarios.
 */
import { afterEach, beforeEach, describe } from 'vitest'
import { type Bench, Desk, type Place } from './desk.js'
import { admissionSuite } from './suite-admission.js'
import { claimsSuite } from './suite-claims.js'
import { readingSuite } from './suite-reading.js'
import { writesSuite } from './suite-writes.js'

/** `runs`: how many random histories. */
export function storeSuite(name: string, makePlace: () => Promise<Place>, runs = 60): void {
  describe(`store contract: ${name}`, () => {
    const bench: Bench = {} as Bench

    beforeEach(async () => {
      bench.place = await makePlace()
      bench.store = await bench.place.open()
      bench.desk = new Desk(bench.store)
    })
    afterEach(async () => {
      await bench.place.close()
      await bench.place.remove()
    })

    writesSuite(bench)
    admissionSuite(bench, makePlace, runs)
    claimsSuite(bench)
    readingSuite(bench)
  })
}
