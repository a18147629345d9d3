/**
 * The sentence that says why a saga waits, for every reason there is.
 */
import type { Health, SagaView, StepView } from 'backstep'
import { describe, expect, test } from 'vitest'
import { errorLine, why } from '#dist/runtime/why.js'

const now = 1_000_000

const step = (name: string, change: Partial<StepView> = {}): StepView => ({
  name,
  position: 0,
  pivot: false,
  commit: 'idle',
  rollback: 'idle',
  commitAttempts: 0,
  rollbackAttempts: 0,
  round: 1,
  inDoubt: false,
  stuck: false,
  ...change,
})

const saga = (change: Partial<SagaView> = {}): SagaView => ({
  id: 'order-7',
  name: 'book-trip',
  version: '2',
  status: 'running',
  stuck: false,
  blocked: false,
  late: false,
  submittedAt: 0,
  endedAt: null,
  dueAt: null,
  owner: null,
  cursor: '7',
  input: undefined,
  keys: ['account:42'],
  shape: 'flight > refund',
  deadline: null,
  seq: 0,
  steps: [],
  outputs: {},
  wayBack: null,
  waitsFor: [],
  ...change,
})

const worker = (
  name: string,
  alive: boolean,
  version: string,
  shape = 'flight > refund',
): Health['workers'][number] => ({ worker: name, alive, offers: [{ name: 'book-trip', version, shape }] })

const obstacle = (change: Partial<SagaView['waitsFor'][number]> = {}): SagaView['waitsFor'][number] => ({
  id: 'order-6',
  key: 'account:42',
  stuck: false,
  blocked: false,
  stage: 'holding',
  ...change,
})

const error = { name: 'Error', message: 'refunds answer 503' }

describe('an attempt that is waited for', () => {
  const refund = { commit: 'committed', rollback: 'waiting', rollbackAttempts: 4, error } as const

  test('the rollback that failed, with its last error', () => {
    const view = saga({
      status: 'rolling_back',
      steps: [step('flight'), step('refund', { ...refund, nextAt: now + 12_000 })],
    })
    expect(why(view, now)).toBe(
      'waiting 12s for attempt 5 of the rollback of refund; last error: Error: refunds answer 503',
    )
  })

  test('stuck is said first, and a stuck step goes before one that is due earlier', () => {
    const view = saga({
      status: 'rolling_back',
      stuck: true,
      steps: [
        step('hotel', { ...refund, nextAt: now + 1_000 }),
        step('refund', { ...refund, stuck: true, nextAt: now + 40_000 }),
      ],
    })
    expect(why(view, now)).toMatch(/^stuck, waiting 40s for attempt 5 of the rollback of refund; last error/)
  })

  test('the commit, on the way forward', () => {
    const flight = step('flight', { commit: 'waiting', commitAttempts: 1, nextAt: now + 500 })
    expect(why(saga({ steps: [flight] }), now)).toBe('waiting 500ms for attempt 2 of the commit of flight')
  })

  test('due, but no process has taken it yet', () => {
    const view = saga({ steps: [step('refund', { ...refund, nextAt: now })] })
    expect(why(view, now)).toMatch(
      /^attempt 5 of the rollback of refund is due: the next process with room makes it/,
    )
  })

  test('a commit that says itself that it is still going on', () => {
    const flight = step('flight', { commit: 'waiting', pending: true, nextAt: now + 30_000 })
    expect(why(saga({ steps: [flight] }), now)).toBe(
      'the commit of flight says that it is still going on: it is asked again in 30s',
    )
  })
})

describe('queued', () => {
  const queued = (waitsFor: SagaView['waitsFor'], change: Partial<SagaView> = {}) =>
    why(saga({ status: 'queued', waitsFor, ...change }), now)

  test('behind a saga that holds a key and is stuck', () => {
    expect(queued([obstacle({ stuck: true })])).toBe(
      'queued behind saga order-6, which holds key account:42 and is stuck',
    )
  })

  test('behind a saga that waits itself, and others', () => {
    const waitsFor = [
      obstacle({ stage: 'waiting' }),
      obstacle({ id: 'order-5' }),
      obstacle({ id: 'order-4' }),
    ]
    expect(queued(waitsFor)).toBe(
      'queued behind saga order-6, which stands before it in line for key account:42; and behind 2 more',
    )
  })

  test('behind a blocked one', () => {
    expect(queued([obstacle({ blocked: true })])).toMatch(/which holds key account:42 and is blocked$/)
  })

  test('where one of them has no keys', () => {
    expect(queued([obstacle({ key: null })])).toBe(
      'queued behind saga order-6: a saga without keys overlaps with no other',
    )
    expect(queued([obstacle({ key: null, stuck: true })], { keys: null })).toBe(
      'queued behind saga order-6, which is stuck: a saga without keys overlaps with no other',
    )
  })

  test('a late saga that waits for its keys again is not called queued', () => {
    const view = saga({ status: 'rolling_back', late: true, waitsFor: [obstacle()] })
    expect(why(view, now)).toBe('waiting for its keys again behind saga order-6, which holds key account:42')
  })

  test('behind nothing', () => {
    expect(queued([])).toBe('queued: nothing is in its way, and the next process with room takes it')
  })
})

describe('blocked', () => {
  const blocked = (workers: Health['workers'] = []) =>
    why(saga({ blocked: true, waitsFor: [obstacle()] }), now, workers)

  test('nobody offers it', () => {
    expect(blocked()).toBe('blocked: no live process offers book-trip@2')
    expect(blocked([worker('1@a/x', false, '2')])).toBe('blocked: no live process offers book-trip@2')
  })

  test('another version is offered', () => {
    expect(blocked([worker('1@a/x', true, '3'), worker('2@a/y', true, '3')])).toBe(
      'blocked: no live process offers book-trip@2; offered is book-trip@3',
    )
  })

  test('the same version is offered with other steps', () => {
    expect(blocked([worker('1@a/x', true, '2', 'flight > pay')])).toBe(
      'blocked: book-trip@2 is offered with other steps (flight > pay) than those it follows (flight > refund)',
    )
  })
})

describe('running', () => {
  const open = step('flight', { commit: 'open', commitAttempts: 1, since: now - 3_000 })
  const owner = '4321@web-1/0199'

  test('nothing to wait for: in which process, and at what', () => {
    expect(why(saga({ owner, steps: [open] }), now, [worker(owner, true, '2')])).toBe(
      'nothing to wait for: it runs in process 4321@web-1: attempt 1 of the commit of flight, for 3s',
    )
    expect(why(saga({ owner }), now)).toBe('nothing to wait for: it runs in process 4321@web-1')
  })

  test('members of a parallel group, of many only the first', () => {
    const many = ['a', 'b', 'c', 'd'].map((name) => step(name, { commit: 'open', commitAttempts: 1 }))
    expect(why(saga({ owner, steps: many.slice(0, 2) }), now)).toMatch(
      /attempt 1 of the commit of a and attempt 1 of the commit of b$/,
    )
    expect(why(saga({ owner, steps: many }), now)).toMatch(/commit of b and 2 more$/)
  })

  test('stuck, and being tried at this moment', () => {
    const trying = step('refund', {
      rollback: 'open',
      rollbackAttempts: 12,
      stuck: true,
      error,
      since: now - 1_000,
    })
    expect(why(saga({ status: 'rolling_back', owner, steps: [trying] }), now)).toBe(
      'stuck, and being tried in process 4321@web-1: attempt 12 of the rollback of refund, for 1s; ' +
        'last error: Error: refunds answer 503',
    )
  })

  test('its process died, or gave it up', () => {
    expect(why(saga({ owner, steps: [open] }), now, [worker(owner, false, '2')])).toMatch(
      /^process 4321@web-1 died during attempt 1 of the commit of flight, for 3s: another takes it over$/,
    )
    expect(why(saga({ steps: [open] }), now)).toBe(
      'its process ended during attempt 1 of the commit of flight: the next process with room takes it',
    )
  })
})

test('ended', () => {
  expect(why(saga({ status: 'committed' }), now)).toBe('nothing to wait for: every step stands')
  expect(why(saga({ status: 'rolled_back' }), now)).toBe('nothing to wait for: no step stands')
})

test('an error is one line of bounded length, with its code', () => {
  expect(errorLine({ name: 'E', message: 'a\n  b\tc', code: 'X1' })).toBe('E: a b c (X1)')
  expect(errorLine({ name: 'E', message: 'it was X1', code: 'X1' })).toBe('E: it was X1')
  expect(errorLine({ name: 'E', message: '' })).toBe('E')
  expect(errorLine({ name: 'E', message: 'x'.repeat(5_000) })).toHaveLength(203)
})
