/**
 * Journals that a person can read. Each file in golden/ holds the shape of a saga, what happens to it, and the journal.
 */
import { describe, expect, test } from 'vitest'
import type { Plan } from '#dist/core/plan.js'
import { formatJournal } from './format-entry.js'
import { expectGolden } from './golden.js'
import { planOf } from './plans.js'
import { type Setting, tell } from './story.js'

function golden(name: string, plan: Plan, story: readonly string[], end: string, setting?: Setting): void {
  test(name, () => {
    const moment = tell(plan, story, setting)
    expect(moment.state.status).toBe(end)
    const journal = formatJournal(moment.chunks)
    expectGolden(name.replaceAll(/[^a-z]+/g, '-'), `${plan.shape}\n\n${story.join('\n')}\n\n${journal}\n`)
  })
}

const trip = planOf('flight > hotel > payment')

describe('golden journals', () => {
  golden('committed', trip, ['+120 flight commits', '+80 hotel commits', '+240 payment commits'], 'committed')

  golden(
    'rejected in the middle',
    trip,
    ['+120 flight commits', '+80 hotel is rejected', '+60 flight rolls back'],
    'rolled_back',
  )

  golden(
    'timed out',
    trip,
    ['+120 flight commits', '+3000 hotel times out', '+70 hotel rolls back', '+60 flight rolls back'],
    'rolled_back',
  )

  golden(
    'in doubt, then rejected',
    planOf('flight > hotel', { hotel: { attempts: 2 } }),
    [
      '+120 flight commits',
      '+80 hotel is in doubt, with effect',
      'time passes',
      '+90 hotel is rejected for good',
      '+70 hotel rolls back',
      '+60 flight rolls back',
    ],
    'rolled_back',
  )

  golden(
    'late success',
    trip,
    [
      '+120 flight commits',
      '+3000 hotel times out',
      '+70 hotel rolls back',
      '+60 flight rolls back',
      '+4000 hotel 1 lands late',
      '+5 it looks',
      '+75 hotel rolls back',
    ],
    'rolled_back',
  )

  golden(
    'parallel group half failed',
    planOf('flight > hotel | car > payment'),
    [
      '+120 flight commits',
      '+40 car is rejected for good',
      '+200 hotel commits',
      '+80 hotel rolls back',
      '+60 flight rolls back',
    ],
    'rolled_back',
  )

  golden(
    'pivot passed',
    planOf('flight > payment! > ticket'),
    [
      '+120 flight commits',
      '+3000 payment times out',
      'time passes',
      '+90 payment commits',
      '+50 ticket is rejected for good',
      'the deadline passes',
      '+50 ticket is in doubt, without effect',
      'time passes',
      '+50 ticket is rejected',
      'time passes',
      '+50 ticket commits',
    ],
    'committed',
    { deadline: 3_500 },
  )

  golden(
    'cancel in a commit',
    trip,
    [
      '+120 flight commits',
      '+30 cancelled',
      '+1 it looks',
      '+4 hotel is in doubt, with effect',
      '+70 hotel rolls back',
      '+60 flight rolls back',
    ],
    'rolled_back',
  )

  golden(
    'crash in a rollback',
    trip,
    [
      '+120 flight commits',
      '+80 hotel is rejected',
      '+40 killed, after the rollback of flight',
      '+60 flight rolls back',
    ],
    'rolled_back',
  )

  golden(
    'stuck, then resolved by hand',
    trip,
    [
      '+120 flight commits',
      '+80 hotel is rejected',
      '+60 flight fails to roll back',
      'time passes',
      '+60 flight fails to roll back',
      'time passes',
      '+60 flight fails to roll back',
      '+3600000 flight resolved as rolled_back',
      '+1 it looks',
    ],
    'rolled_back',
  )
})
