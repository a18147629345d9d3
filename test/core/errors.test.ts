/**
 * Errors: stable codes, the ids, a hint that is part of the message, the cause; and the two that users throw.
 */
import { describe, expect, test } from 'vitest'
import {
  BackstepError,
  BadInputError,
  ClosedError,
  DefinitionError,
  InDoubt,
  isInDoubt,
  isRejected,
  Rejected,
  retryAfterOf,
  SagaConflictError,
  SagaRolledBackError,
  SagaStateError,
  SagaUnfinishedError,
  StoreError,
} from '#dist/core/errors.js'

const cause = new Error('why')

describe('what each error carries', () => {
  const all = () =>
    [
      [
        new DefinitionError('no steps', 'give it one', 'flight'),
        { name: 'DefinitionError', code: 'BAD_DEFINITION', hint: 'give it one', step: 'flight' },
      ],
      [new DefinitionError('no steps', 'give it one'), { code: 'BAD_DEFINITION', step: undefined }],
      [
        new BadInputError('input.born is a Date', 'store text'),
        { name: 'BadInputError', code: 'BAD_INPUT', hint: 'store text', sagaId: undefined },
      ],
      [
        new BadInputError('a list', 'name it', { code: 'ANONYMOUS', cause, sagaId: 's1' }),
        { code: 'ANONYMOUS', hint: 'name it', cause, sagaId: 's1' },
      ],
      [
        new SagaRolledBackError('gone', {
          sagaId: 's1',
          reason: 'timeout',
          rolledBack: ['a'],
          step: 'b',
          cause,
        }),
        {
          ...{ name: 'SagaRolledBackError', code: 'ROLLED_BACK', sagaId: 's1', reason: 'timeout' },
          ...{ rolledBack: ['a'], step: 'b', cause, hint: undefined, message: 'gone' },
        },
      ],
      [
        new SagaUnfinishedError('s1', '30s', cause),
        {
          ...{ name: 'SagaUnfinishedError', code: 'UNFINISHED', sagaId: 's1', cause },
          hint: "it goes on by itself; ask for it with orchestrator.get('s1')",
          message: expect.stringMatching(/^saga s1 has not ended within 30s\n {2}hint: it goes on/),
        },
      ],
      [
        new SagaConflictError('s1', 'taken'),
        {
          ...{ name: 'SagaConflictError', code: 'CONFLICT', sagaId: 's1' },
          hint: 'use another id, or submit exactly what was submitted first',
        },
      ],
      [
        new SagaStateError('s1 has ended', { code: 'ENDED', sagaId: 's1', step: 'a', hint: 'look' }),
        { name: 'SagaStateError', code: 'ENDED', sagaId: 's1', step: 'a', hint: 'look' },
      ],
      [
        new ClosedError('nothing was submitted'),
        {
          ...{ name: 'ClosedError', code: 'CLOSED' },
          hint: 'unfinished sagas go on when the store is opened again',
          message: expect.stringMatching(
            /^nothing was submitted: this orchestrator is closed\n {2}hint: unfinished/,
          ),
        },
      ],
      [
        new StoreError('no answer', { code: 'STORE_UNAVAILABLE', hint: 'wait', cause }),
        { name: 'StoreError', code: 'STORE_UNAVAILABLE', hint: 'wait', cause },
      ],
    ] as const

  test('is its code, its ids, its cause, and a hint that ends its message', () => {
    for (const [error, fields] of all()) {
      expect(error).toBeInstanceOf(BackstepError)
      expect(error).toBeInstanceOf(Error)
      expect(error, error.name).toMatchObject(fields)
      if (error.hint !== undefined) expect(error.message.endsWith(`\n  hint: ${error.hint}`)).toBe(true)
    }
  })

  test('without a cause there is none, not even undefined', () => {
    const rolledBack = { sagaId: 's1', reason: 'rejected', rolledBack: [] } as const
    for (const error of [
      new BadInputError('m', 'h'),
      new SagaRolledBackError('m', rolledBack),
      new SagaUnfinishedError('s1', '1s'),
      new StoreError('m', { code: 'STORE_CORRUPT', hint: 'h' }),
    ])
      expect(Object.hasOwn(error, 'cause')).toBe(false)
    expect(new SagaRolledBackError('m', rolledBack).step).toBeUndefined()
    expect(Object.hasOwn(new BackstepError('m', { code: 'X', cause: undefined }), 'cause')).toBe(true)
  })

  test('without a hint the message stands alone', () => {
    expect(new BackstepError('m', { code: 'X' })).toMatchObject({ message: 'm', hint: undefined, code: 'X' })
  })
})

describe('what users throw', () => {
  test('is told by a brand, not by its class: a step may have loaded another copy of this package', () => {
    expect(isRejected(new Rejected('no'))).toBe(true)
    expect(isInDoubt(new InDoubt('perhaps'))).toBe(true)
    expect(isRejected({ [Symbol.for('backstep.rejected')]: true })).toBe(true)
    expect(isInDoubt({ [Symbol.for('backstep.in_doubt')]: true })).toBe(true)
    for (const other of [
      undefined,
      null,
      'no',
      new Error('no'),
      {},
      { [Symbol.for('backstep.rejected')]: 1 },
    ]) {
      expect(isRejected(other)).toBe(false)
      expect(isInDoubt(other)).toBe(false)
    }
    expect(isRejected(new InDoubt('perhaps'))).toBe(false)
    expect(isInDoubt(new Rejected('no'))).toBe(false)
  })

  test('has its name, its message and its cause', () => {
    expect(new Rejected('no', { cause })).toMatchObject({ name: 'Rejected', message: 'no', cause })
    expect(new InDoubt('perhaps', { cause })).toMatchObject({ name: 'InDoubt', message: 'perhaps', cause })
  })

  test('a Rejected may say when to try again; nothing else can', () => {
    for (const ms of [0, 5_000]) expect(retryAfterOf(new Rejected('busy', { retryAfter: ms }))).toBe(ms)
    expect(new Rejected('no')).not.toHaveProperty('retryAfter')
    const others = [new Rejected('no'), { retryAfter: 5 }, undefined, new InDoubt('perhaps')]
    for (const wrong of [-1, Number.NaN, '5' as never]) others.push(new Rejected('no', { retryAfter: wrong }))
    expect(others.map(retryAfterOf)).toEqual(others.map(() => undefined))
  })

  test('cannot hurt by being looked at', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(isRejected(proxy)).toBe(false)
    expect(isInDoubt(proxy)).toBe(false)
  })
})
