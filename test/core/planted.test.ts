/**
 * The checker checked: each planted bug must be found, by the law that it breaks.
 */
import { expect, test } from 'vitest'
import { explore, type Scenario } from './explorer.js'
import { planOf } from './plans.js'
import {
  attemptsReset,
  commitAfterDecision,
  crashMeansRejected,
  foldForgets,
  lateIgnored,
  lateWithoutNewRound,
  rejectionClearsDoubt,
  rejectionSpares,
  rollbackGivenUp,
  rollbacksSwapped,
  siblingsNotAwaited,
  unknownSpares,
} from './planted.js'

const twice = { attempts: 2 }
const one: Scenario = { name: 'one', plan: planOf('a', { a: twice }), budget: { faults: 2, kills: 1 } }
const cancelled: Scenario = {
  name: 'cancelled',
  plan: planOf('a', { a: twice }),
  budget: { faults: 1, cancels: 1 },
}
const two: Scenario = { name: 'two', plan: planOf('a > b', { b: twice }), budget: { faults: 2, cancels: 1 } }
const asked: Scenario = {
  name: 'asked',
  plan: planOf('a', { a: { hasVerify: true } }),
  budget: { faults: 2 },
}
const pair: Scenario = { name: 'pair', plan: planOf('a | b', { a: twice, b: twice }), budget: { faults: 2 } }
const failing: Scenario = { name: 'failing', plan: planOf('a'), budget: { faults: 3 } }

test.each([
  ['a clean rejection that clears an earlier doubt', rejectionClearsDoubt, one, 'P4: a doubt was taken back'],
  ['a clean rejection that spares a step in doubt', rejectionSpares, one, 'P4: the effect of a stands'],
  ['a swapped order of rollbacks', rollbacksSwapped, two, 'P3: a is rolled back before b'],
  [
    'a commit after the decision to roll back',
    commitAfterDecision,
    cancelled,
    'P3: a is committed after the decision',
  ],
  ['a late success that is ignored', lateIgnored, one, 'P4: the effect of a stands'],
  [
    'a late success that is rolled back under the old key',
    lateWithoutNewRound,
    one,
    'P4: the effect of a stands',
  ],
  ['a crash that counts as a rejection', crashMeansRejected, one, 'P4: a may stand'],
  ['attempts that are counted anew', attemptsReset, one, 'is used twice'],
  ['a service that does not know, believed', unknownSpares, asked, 'P4: the effect of a stands'],
  ['a fold that loses a failure', foldForgets, pair, 'gives another state'],
  ['a rollback that is given up', rollbackGivenUp, failing, 'P4: the effect of a stands'],
  ['siblings that are not awaited', siblingsNotAwaited, pair, 'P3: a is rolled back beside a commit'],
] as const)('finds %s', (_, bug, scenario, law) => {
  expect(() => explore(scenario)).not.toThrow()
  expect(() => explore(scenario, bug)).toThrow(law)
})

test('says which moves led to it, and the journal that they left', () => {
  expect(() => explore(one, rejectionSpares)).toThrow(
    /one: when: yes > it looks > a is in doubt, with effect > .*\nP4: .*\n#0 .*submitted/,
  )
})
