/**
 * The store's contract on PostgreSQL, with it scenarios 16, 21, 22, 38, 39 and 40. Many more random histories are in postgres.long.ts.
 */
import { expect, it } from 'vitest'
import { describePostgres } from '../support/postgres.js'
import { playOnSmallBudget, subject } from './postgres-histories.js'
import { testStore } from './suite.js'

describePostgres('PostgreSQL', () => {
  testStore('postgres', subject, 15)

  it('work that is put off is done by later claims (a budget of 2 rows)', async () => {
    expect(await playOnSmallBudget(10)).toBeGreaterThan(5)
  })
})
