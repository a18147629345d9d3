/**
 * The store's contract on PostgreSQL, with many random histories.
 */
import { expect, it } from 'vitest'
import { describePostgres } from '../support/postgres.js'
import { makePlace, playOnSmallBudget } from './postgres-histories.js'
import { storeSuite } from './suite.js'

describePostgres('PostgreSQL', () => {
  storeSuite('postgres', makePlace, 150)

  it('work that is put off is done by later claims (a budget of 2 rows)', async () => {
    expect(await playOnSmallBudget(100)).toBeGreaterThan(100)
  })
})
