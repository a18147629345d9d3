/**
 * The store's contract on PostgreSQL. Many more random histories are in postgres.long.ts.
 */
import { expect, it } from 'vitest'
import { describePostgres } from '../support/postgres.js'
import { makePlace, playOnSmallBudget } from './postgres-histories.js'
import { storeSuite } from './suite.js'

describePostgres('PostgreSQL', () => {
  storeSuite('postgres', makePlace, 15)

  it('work that is put off is done by later claims (a budget of 2 rows)', async () => {
    expect(await playOnSmallBudget(10)).toBeGreaterThan(5)
  })
})
