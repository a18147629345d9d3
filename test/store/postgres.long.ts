/**
 * The store's contract on PostgreSQL, with many random histories.
 */
import { expect, it } from 'vitest'
import { describePostgres } from '../support/postgres.js'
import { playOnSmallBudget, subject } from './postgres-histories.js'
import { testHistories } from './suite.js'

describePostgres('PostgreSQL', () => {
  testHistories('postgres', subject, 150)

  it('work that is put off is done by later claims (a budget of 2 rows)', async () => {
    expect(await playOnSmallBudget(100)).toBeGreaterThan(100)
  })
})
