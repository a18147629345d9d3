/**
 * The sagas whose histories are enumerated, and what may happen in them. Each has a budget of its own: together they meet
 * every outcome of every kind of step, and every kind of crash and wish, without meeting all of them at once. `deep` is the
 * budget of `npm run test:long`.
 */

import type { Scenario } from './explorer.js'
import { planOf } from './plans.js'

const twice = { attempts: 2 }

export const scenarios: readonly Scenario[] = [
  {
    name: 'one step',
    plan: planOf('a'),
    budget: { faults: 2, kills: 2, cancels: 1 },
    deep: { faults: 3, kills: 2, cancels: 1 },
  },
  { name: 'one step that kills its process', plan: planOf('a'), budget: { faults: 1, kills: 4 } },
  {
    name: 'one step, tried twice',
    plan: planOf('a', { a: twice }),
    budget: { faults: 2, kills: 2 },
    deep: { faults: 3, kills: 2, cancels: 1 },
  },
  {
    name: 'one step, each fact a write of its own',
    plan: planOf('a', { a: twice }),
    single: true,
    budget: { faults: 2, kills: 1, cancels: 1 },
    deep: { faults: 2, kills: 2, cancels: 1 },
  },
  {
    name: 'one step, tried for ever, and operators',
    plan: planOf('a', { a: { attempts: Number.POSITIVE_INFINITY } }),
    budget: { faults: 2, cancels: 1, retries: 1, resolves: 1 },
    deep: { faults: 2, kills: 1, cancels: 1, retries: 1, resolves: 1 },
  },
  {
    name: 'one step, and owners that freeze',
    plan: planOf('a', { a: twice }),
    budget: { faults: 1, freezes: 2, cancels: 1 },
    deep: { faults: 2, freezes: 2, cancels: 1 },
  },
  {
    name: 'one step that can be asked about',
    plan: planOf('a', { a: { ...twice, hasVerify: true } }),
    budget: { faults: 2, kills: 1, freezes: 1 },
    deep: { faults: 3, kills: 1, freezes: 1, cancels: 1 },
  },
  {
    name: 'two steps',
    plan: planOf('a > b'),
    budget: { faults: 2, kills: 2 },
    deep: { faults: 2, kills: 2, cancels: 1 },
  },
  {
    name: 'two steps, each fact a write of its own',
    plan: planOf('a > b'),
    single: true,
    budget: { faults: 1, kills: 2, cancels: 1 },
  },
  {
    name: 'two steps, and a deadline',
    plan: planOf('a > b', { b: twice }),
    deadline: true,
    budget: { faults: 1, kills: 1, cancels: 1 },
    deep: { faults: 2, kills: 1, cancels: 1 },
  },
  {
    name: 'two steps, and processes that close down',
    plan: planOf('a > b', { a: twice }),
    budget: { faults: 1, kills: 1, closes: 2 },
    deep: { faults: 2, kills: 1, closes: 1 },
  },
  {
    name: 'two steps, the second conditional',
    plan: planOf('a > b', { b: { conditional: true } }),
    budget: { faults: 1, kills: 1, cancels: 1 },
    deep: { faults: 2, kills: 2, cancels: 1 },
  },
  {
    name: 'two steps, of which the first has nothing to undo',
    plan: planOf('a > b', { a: { hasRollback: false } }),
    budget: { faults: 2, kills: 1, cancels: 1 },
  },
  {
    name: 'two steps, and operators',
    plan: planOf('a > b', { b: twice }),
    budget: { faults: 1, kills: 1, cancels: 1, resolves: 1 },
    deep: { faults: 2, cancels: 1, retries: 1, resolves: 1 },
  },
  {
    name: 'two steps, rebound to three',
    plan: planOf('a > b'),
    next: planOf('a > b > c', {}, '2'),
    budget: { faults: 1, kills: 1, cancels: 1, rebinds: 1 },
  },
  {
    name: 'three steps',
    plan: planOf('a > b > c'),
    budget: { faults: 2, kills: 1 },
    deep: { faults: 2, kills: 2, cancels: 1 },
  },
  {
    name: 'three steps, cancelled, two crashes',
    plan: planOf('a > b > c'),
    budget: { faults: 1, kills: 2, cancels: 1 },
  },
  {
    name: 'a pivot in the middle',
    plan: planOf('a > b! > c'),
    budget: { faults: 2, kills: 1 },
    deep: { faults: 2, kills: 2, cancels: 1 },
  },
  {
    name: 'a pivot and a deadline, and operators',
    plan: planOf('a! > b'),
    deadline: true,
    budget: { faults: 2, resolves: 1 },
    deep: { faults: 2, kills: 1, cancels: 1, resolves: 1 },
  },
  {
    name: 'a pivot and a step behind it, both of which can be asked about',
    plan: planOf('a! > b', { a: { hasVerify: true }, b: { hasVerify: true } }),
    budget: { faults: 2, kills: 1 },
    deep: { faults: 3, kills: 1, cancels: 1 },
  },
  {
    name: 'a conditional step behind the pivot',
    plan: planOf('a! > b', { b: { conditional: true } }),
    budget: { faults: 1, kills: 1 },
    deep: { faults: 2, kills: 1 },
  },
  {
    name: 'a parallel pair',
    plan: planOf('a | b'),
    budget: { faults: 2, kills: 1 },
    deep: { faults: 2, kills: 1, cancels: 1 },
  },
  { name: 'a parallel pair, two crashes', plan: planOf('a | b'), budget: { faults: 1, kills: 2 } },
  {
    name: 'a parallel pair whose calls settle together',
    plan: planOf('a | b'),
    pairs: true,
    budget: { faults: 2 },
    deep: { faults: 2, kills: 1 },
  },
  {
    name: 'a parallel pair, one of them tried twice',
    plan: planOf('a | b', { b: twice }),
    budget: { faults: 1, cancels: 1, closes: 1 },
    deep: { faults: 2, closes: 1 },
  },
  {
    name: 'a parallel pair, conditional and asked about',
    plan: planOf('a | b', { a: { hasVerify: true }, b: { conditional: true } }),
    budget: { faults: 1, freezes: 1 },
    deep: { faults: 2, freezes: 1 },
  },
  {
    name: 'a parallel pair, then a step',
    plan: planOf('a | b > c'),
    budget: { faults: 2 },
    deep: { faults: 2, kills: 1, cancels: 1 },
  },
  {
    name: 'a step, then a parallel pair',
    plan: planOf('a > b | c'),
    budget: { faults: 2 },
    deep: { faults: 2, kills: 1, cancels: 1 },
  },
]
