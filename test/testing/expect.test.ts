/**
 * expectCommitted, expectRolledBack and the matchers: what they accept, what they return, and what a failing test gets to read.
 */
import { AssertionError } from 'node:assert'
import { Orchestrator, Rejected, saga } from 'backstep'
import {
  expectCommitted,
  expectRolledBack,
  type SagaMatchers,
  sagaMatchers,
  TestOrchestrator,
} from 'backstep/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

declare module 'vitest' {
  interface Matchers<T> extends SagaMatchers {}
}

expect.extend(sagaMatchers)

interface Trip {
  readonly card: 'good' | 'stolen' | 'slow'
}

const bookTrip = saga<Trip>('book-trip')
  .step('flight', {
    commit: () => ({ seat: '12A' }),
    rollback: () => {},
  })
  .step('payment', {
    commit: ({ input, signal }) => {
      if (input.card === 'stolen') throw new Rejected('card declined')
      if (input.card === 'good') return { receipt: 7 }
      return new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    },
    rollback: () => {},
    timeout: '2m',
  })

let orchestrator: Orchestrator
beforeAll(async () => {
  orchestrator = await Orchestrator.open({ sagas: [bookTrip], log: false })
})
afterAll(() => orchestrator.close({ drain: 0 }))

let ids = 0
const submit = (card: Trip['card'], id = `trip-${++ids}`) => orchestrator.submit(bookTrip, { card }, { id })
const outputs = { flight: { seat: '12A' }, payment: { receipt: 7 } }

/** What a failing assertion throws. */
async function failureOf(assertion: Promise<unknown>): Promise<AssertionError> {
  const error = await assertion.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof AssertionError)) throw error ?? new Error('it did not fail')
  return error
}

/** Times are not the same in each run. */
const messageOf = async (assertion: Promise<unknown>): Promise<string> =>
  (await failureOf(assertion)).message.replace(/\+\d+\.\d+s/g, '+0s')

describe('expectCommitted', () => {
  test('returns the outputs, typed, of all that tells of a saga', async () => {
    const handle = await submit('good', 'committed')
    const { payment } = await expectCommitted(handle)
    const receipt: number = payment.receipt
    expect(receipt).toBe(7)
    expect(await expectCommitted(submit('good'))).toEqual(outputs)
    expect(await expectCommitted(await handle.outcome())).toEqual(outputs)
    expect(await expectCommitted(handle.outcome())).toEqual(outputs)
    const { flight } = await expectCommitted(orchestrator.run(bookTrip, { card: 'good' }))
    const seat: string = flight.seat
    expect(seat).toBe('12A')
    expect(await expectCommitted(orchestrator, 'committed')).toEqual(outputs)
    expect((await expectCommitted(orchestrator, handle)).payment.receipt).toBe(7)
  })

  test('a saga that was rolled back: says why, what was rolled back, and shows the journal', async () => {
    const error = await failureOf(expectCommitted(submit('stolen', 'declined')))
    expect(error.message.replace(/\+\d+\.\d+s/g, '+0s')).toMatchInlineSnapshot(`
      "expected saga declined to be committed, and it was rolled back: step payment was rejected: card declined (reason rejected; steps rolled back: flight)
        journal:
          +0s  submitted, without keys, input {"card":"stolen"}
          +0s  commit of flight, attempt 1 started
          +0s  flight committed, output {"seat":"12A"}
          +0s  commit of payment, attempt 1 started
          +0s  commit of payment, attempt 1 rejected, Rejected: card declined
          +0s  rolling back: payment rejected
          +0s  rollback of flight, attempt 1 started
          +0s  flight rolled back
          +0s  ended: rolled_back"
    `)
    expect(error).toMatchObject({
      actual: { status: 'rolled_back', reason: 'rejected', step: 'payment' },
      expected: { status: 'committed' },
      cause: { code: 'ROLLED_BACK', cause: { message: 'card declined' } },
    })
    expect(error.stack).toContain('expect.test.ts')
  })

  test('the same, where only its outcome or its run is known', async () => {
    const handle = await submit('stolen')
    const message = await messageOf(expectCommitted(await handle.outcome()))
    expect(message).toContain(
      `expected saga ${handle.id} to be committed, and it was rolled back: step payment was rejected`,
    )
    expect(message).toContain('pass its handle to see its journal')
    const run = orchestrator.run(bookTrip, { card: 'stolen' })
    expect(await messageOf(expectCommitted(run))).toContain('card declined')
  })

  test('a saga that has not ended in time: says what it waits for', async () => {
    const handle = await submit('slow', 'hanging')
    const expected = [
      'to be committed, and it has not ended within 30ms of real time',
      'now: ',
      'commit of payment',
    ]
    // One after the other: a second one under way would be rejected before anybody hears it.
    for (const fails of [
      () => expectCommitted(handle, { within: 30 }),
      () => expectCommitted(orchestrator, 'hanging', { within: 30 }),
    ]) {
      const message = await messageOf(fails())
      for (const text of expected) expect(message).toContain(text)
    }
    const run = orchestrator.run(bookTrip, { card: 'slow' }, { id: 'hanging-too' })
    expect(await messageOf(expectCommitted(run, { within: 30 }))).toContain('has not ended')
    for (const id of ['hanging', 'hanging-too']) await orchestrator.cancel(id, 'the test is over')
    await run.catch(() => {})
  })

  test('a saga that ends only later is waited for, also one that is known by its id alone', async () => {
    const handle = await submit('slow', 'later')
    const waiting = expectRolledBack(orchestrator, 'later', { reason: 'cancelled' })
    await new Promise((resolve) => setTimeout(resolve, 40))
    await orchestrator.cancel('later', 'enough')
    expect((await waiting).sagaId).toBe(handle.id)
  })

  test('a saga that is not there', async () => {
    expect(await messageOf(expectCommitted(orchestrator, 'nobody'))).toBe(
      'expected saga nobody to be committed, and there is none of this id (never submitted here, or pruned)',
    )
  })

  test('a long journal is shown by its beginning and its end', async () => {
    const many = Array.from({ length: 40 }, (_, i) => ({
      commit: () => i,
      rollback: () => {},
    }))
    const long = saga('long', [
      ...many,
      { commit: () => Promise.reject(new Rejected('no')), rollback: () => {} },
    ])
    const message = await messageOf(expectCommitted(orchestrator.submit(long)))
    expect(message).toContain('submitted')
    expect(message).toMatch(/… \d+ more …/)
    expect(message).toContain('ended: rolled_back')
    expect(message.split('\n').length).toBeLessThan(35)
  })
})

describe('expectRolledBack', () => {
  test('returns the error, whatever tells of the saga', async () => {
    const handle = await submit('stolen', 'back')
    const seen = [
      await expectRolledBack(handle, { step: 'payment', reason: 'rejected' }),
      await expectRolledBack(handle.outcome()),
      await expectRolledBack(orchestrator.run(bookTrip, { card: 'stolen' })),
      await expectRolledBack(orchestrator, 'back', { step: 'payment' }),
      await expectRolledBack(orchestrator, handle, { reason: 'rejected' }),
    ]
    for (const error of seen) {
      expect(error.cause).toMatchObject({ name: 'Rejected', message: 'card declined' })
      expect(error.rolledBack).toEqual(['flight'])
    }
  })

  test('a saga that has committed: says so, with its outputs', async () => {
    expect(await messageOf(expectRolledBack(submit('good', 'fine')))).toMatchInlineSnapshot(`
      "expected saga fine to be rolled back, and it has committed, with the outputs {"flight":{"seat":"12A"},"payment":{"receipt":7}}
        journal:
          +0s  submitted, without keys, input {"card":"good"}
          +0s  commit of flight, attempt 1 started
          +0s  flight committed, output {"seat":"12A"}
          +0s  commit of payment, attempt 1 started
          +0s  payment committed, output {"receipt":7}
          +0s  ended: committed"
    `)
    const run = orchestrator.run(bookTrip, { card: 'good' })
    expect(await messageOf(expectRolledBack(run))).toContain(
      'expected the saga to be rolled back, and it has committed',
    )
  })

  test('another step, or another reason', async () => {
    const handle = await submit('stolen', 'other')
    expect(await messageOf(expectRolledBack(handle, { step: 'flight', reason: 'timeout' }))).toContain(
      'expected saga other to be rolled back by step flight for the reason timeout, and it was rolled back: step payment was rejected: card declined (reason rejected; steps rolled back: flight)',
    )
    const error = await failureOf(expectRolledBack(handle, { reason: 'timeout' }))
    expect(error).toMatchObject({
      actual: { status: 'rolled_back', reason: 'rejected' },
      expected: { status: 'rolled_back', reason: 'timeout' },
    })
  })

  test('under a clock that stands still', async () => {
    await using kit = await TestOrchestrator.open({ sagas: [bookTrip] })
    const handle = await kit.orchestrator.submit(bookTrip, { card: 'slow' }, { id: 'slow' })
    expect(await messageOf(expectRolledBack(handle, { within: 20 }))).toContain('has not ended within 20ms')
    await kit.tick('3m')
    await expectRolledBack(handle, { reason: 'timeout', step: 'payment' })
    await expectRolledBack(kit, 'slow', { reason: 'timeout' })
  })
})

describe('bad input', () => {
  test.each([undefined, null, 42, 'order-7', {}, { status: 'committed' }])(
    '%j tells of no saga',
    async (given) => {
      await expect(expectCommitted(given as never)).rejects.toMatchObject({
        code: 'BAD_INPUT',
        hint: expect.stringContaining('an orchestrator and an id'),
      })
    },
  )

  test('an unknown option, a duration that is none, something that is no orchestrator', async () => {
    const handle = await submit('good')
    const wrong = { stp: 'payment' } as never
    await expect(expectRolledBack(handle, wrong)).rejects.toMatchObject({ hint: 'did you mean step?' })
    await expect(expectCommitted(handle, { within: -1 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(expectCommitted({} as never, 'order-7')).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })

  test('other errors than that of a rolled back saga are passed on', async () => {
    const lost = Promise.reject(new TypeError('no such thing'))
    await expect(expectRolledBack(lost)).rejects.toThrow(TypeError)
  })
})

describe('matchers', () => {
  test('pass, and fail with the same words', async () => {
    const [good, stolen] = [await submit('good', 'm-good'), await submit('stolen', 'm-stolen')]
    await expect(good).toBeCommitted()
    await expect(stolen).not.toBeCommitted()
    await expect(stolen).toBeRolledBack({ step: 'payment' })
    await expect(stolen).not.toBeRolledBack({ step: 'flight' })
    await expect(orchestrator.run(bookTrip, { card: 'stolen' })).toBeRolledBack()
    await expect(expect(stolen).toBeCommitted()).rejects.toThrow(
      /saga m-stolen to be committed, and it was rolled back: step payment was rejected[\s\S]*journal:[\s\S]*card declined/,
    )
    await expect(expect(good).not.toBeCommitted()).rejects.toThrow(
      /saga m-good not to be committed, and it has committed, with the outputs/,
    )
    await expect(expect(stolen).not.toBeRolledBack({ step: 'payment' })).rejects.toThrow(
      /saga m-stolen not to be rolled back by step payment, and it was rolled back: step payment/,
    )
  })

  test('calls are counted by a handle or a journal', async () => {
    const stolen = await submit('stolen', 'm-calls')
    await stolen.outcome()
    const journal = await orchestrator.journal('m-calls')
    for (const given of [stolen, journal]) {
      await expect(given).toHaveCalled('commit', 'payment')
      await expect(given).toHaveCalled('rollback', 'flight', 1)
      await expect(given).not.toHaveCalled('rollback', 'payment')
      await expect(given).toHaveCalled('rollback', 'payment', 0)
    }
    await expect(expect(stolen).toHaveCalled('rollback', 'flight', 2)).rejects.toThrow(
      /expected the rollback of flight to have been called twice, and it was called once\n {2}journal:/,
    )
    await expect(expect(stolen).not.toHaveCalled('commit', 'flight')).rejects.toThrow(
      /expected the commit of flight not to have been called at least once, and it was called once/,
    )
  })

  test('calls of many attempts, folded in the journal, and of a second round', async () => {
    await using kit = await TestOrchestrator.open()
    let failures = 0
    const flaky = saga('flaky')
      .step('one', {
        commit: () => {},
        rollback: () => {
          if (++failures < 30) throw new Error('503')
        },
      })
      .step('two', {
        commit: () => {
          throw new Rejected('no')
        },
        rollback: () => {},
      })
    const handle = await kit.orchestrator.submit(flaky)
    await kit.until(handle.outcome())
    await expect(handle).toHaveCalled('rollback', 'one', 30)
  })

  test('a step that is misspelt, a direction that is none, what has no journal', async () => {
    const handle = await submit('good')
    await handle.outcome()
    const refused = (promise: Promise<void>) => expect(promise).rejects
    await refused(expect(handle).not.toHaveCalled('commit', 'fligth')).toMatchObject({
      hint: 'it has: flight, payment',
    })
    await refused(expect(handle).toHaveCalled('undo' as never, 'flight')).toMatchObject({ code: 'BAD_INPUT' })
    await refused(expect(handle).toHaveCalled('commit', 'flight', -1)).toMatchObject({ code: 'BAD_INPUT' })
    await refused(expect(undefined).toHaveCalled('commit', 'flight')).toMatchObject({ code: 'BAD_INPUT' })
  })
})

test('a handle shows nothing of where it came from', async () => {
  const handle = await submit('good', 'plain')
  expect(Object.keys(handle).sort()).toEqual(['id', 'outcome'])
  expect(JSON.stringify(handle)).toBe('{"id":"plain"}')
  const { outcome } = handle
  expect(await outcome()).toMatchObject({ status: 'committed' })
})
