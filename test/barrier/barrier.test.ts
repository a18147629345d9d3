/**
 * The promises of `backstep/barrier`, one by one: exactly-once in effect, whatever arrives twice, late or out of order.
 */
import { barrier } from 'backstep/barrier'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { isInDoubt, isRejected } from '#dist/core/errors.js'
import { commitCall, participant, rollbackCall, temporaryFile, thrownBy, uid } from './fixture.js'

describe('commit', () => {
  test('a duplicate returns the stored answer and has no effect', () => {
    const { guard, book, effects, calls } = participant()
    const first = guard.commit(commitCall(), () => book())
    const second = guard.commit(commitCall(), () => book())
    expect(second).toEqual(first)
    expect(effects()).toEqual(['seat'])
    expect(calls.effect).toBe(1)
  })

  test('a duplicate after a restart returns the stored answer', () => {
    const file = temporaryFile()
    const first = participant(file)
    const answer = first.guard.commit(commitCall(), () => first.book())
    const second = participant(file)
    expect(second.guard.commit(commitCall(), () => second.book())).toEqual(answer)
    expect(second.calls.effect).toBe(0)
  })

  test('the function receives the database that it runs on', () => {
    const { guard, db } = participant()
    expect(guard.commit(commitCall(), (given) => given === db && given.inTransaction)).toBe(true)
  })

  test('no answer is stored as no answer, null as null', () => {
    const { guard } = participant()
    expect(guard.commit(commitCall('a'), () => undefined)).toBeUndefined()
    expect(guard.commit(commitCall('a'), () => 1)).toBeUndefined()
    expect(guard.commit(commitCall('b'), () => null)).toBeNull()
    expect(guard.commit(commitCall('b'), () => 1)).toBeNull()
  })

  test('the first call sees what its duplicates will see', () => {
    const { guard } = participant()
    const answer = { seat: 7, gone: undefined, zero: -0 }
    const first = guard.commit(commitCall(), () => answer)
    expect(Object.keys(first)).toEqual(['seat', 'zero'])
    expect(Object.is(first.zero, 0)).toBe(true)
    expect(guard.commit(commitCall(), () => answer)).toEqual(first)
  })

  test.each([
    ['a Date', { at: new Date() }, 'answer.at'],
    ['a BigInt', [1n], 'answer[0]'],
    ['NaN', { price: Number.NaN }, 'answer.price'],
    ['a Map', new Map(), 'answer'],
  ])(
    'an answer that cannot be stored, %s: refused by its path, and the effect is taken back',
    (_, answer, path) => {
      const { guard, book, effects, records } = participant()
      const error = thrownBy(() =>
        guard.commit(commitCall(), () => {
          book()
          return answer
        }),
      )
      expect(error).toMatchObject({ code: 'BAD_INPUT' })
      expect(String(error)).toContain(path)
      expect(effects()).toEqual([])
      expect(records()).toEqual([])
    },
  )

  test.each([new Error('no seats'), 'text', undefined])(
    'the business error %s is rethrown as it is, nothing is recorded',
    (thrown) => {
      const { guard, book, effects, records, fence } = participant()
      let caught: unknown = 'nothing'
      try {
        guard.commit(commitCall('flight', 3), () => {
          book()
          throw thrown
        })
      } catch (error) {
        caught = error
      }
      expect(caught).toBe(thrown)
      expect([effects(), records(), fence()]).toEqual([[], [], undefined])
      expect(guard.commit(commitCall('flight', 3), () => book())).toMatchObject({ what: 'seat' })
    },
  )
})

describe('rollback', () => {
  test('undoes a commit once, with its stored answer; a duplicate returns the stored answer', () => {
    const { guard, book, release, effects, calls } = participant()
    guard.commit(commitCall(), () => book())
    expect(guard.rollback(rollbackCall(), release)).toEqual({ released: 1 })
    expect(guard.rollback(rollbackCall(), release)).toEqual({ released: 1 })
    expect(effects()).toEqual([])
    expect(calls.undo).toBe(1)
  })

  test('before its commit: recorded, does nothing; the commit is then refused for good', () => {
    const { guard, book, release, effects, calls } = participant()
    expect(guard.rollback(rollbackCall(), release)).toBeUndefined()
    for (const _ of [1, 2]) {
      const error = thrownBy(() => guard.commit(commitCall(), () => book()))
      expect(error).toMatchObject({
        code: 'ROLLED_BACK_ALREADY',
        step: 'flight',
        name: 'CommitAfterRollbackError',
      })
      expect(isRejected(error)).toBe(true)
    }
    expect(guard.rollback(rollbackCall(), release)).toBeUndefined()
    expect([effects(), calls]).toEqual([[], { effect: 0, undo: 0 }])
  })

  test('a commit after commit and rollback is refused: the stored answer would be a lie', () => {
    const { guard, book, release } = participant()
    guard.commit(commitCall(), () => book())
    guard.rollback(rollbackCall(), release)
    expect(thrownBy(() => guard.commit(commitCall(), () => book()))).toMatchObject({
      code: 'ROLLED_BACK_ALREADY',
    })
  })

  test('a second round undoes nothing where the first one holds, and undoes the commit where it stands', () => {
    const { guard, book, release, effects, calls } = participant()
    guard.commit(commitCall('flight'), () => book())
    guard.rollback(rollbackCall('flight'), release)
    expect(guard.rollback(rollbackCall('flight', undefined, 2), release)).toEqual({ released: 1 })
    expect(calls.undo).toBe(1)
    guard.commit(commitCall('hotel'), () => book())
    expect(guard.rollback(rollbackCall('hotel', undefined, 2), release)).toEqual({ released: 1 })
    expect([effects(), calls.undo]).toEqual([[], 2])
  })

  test('an undo that throws records nothing and runs again', () => {
    const { guard, book, release, effects, db } = participant()
    guard.commit(commitCall(), () => book())
    const failure = new Error('closed on Sundays')
    const attempt = () =>
      guard.rollback(rollbackCall(), () => {
        db.exec('DELETE FROM effects')
        throw failure
      })
    expect(thrownBy(attempt)).toBe(failure)
    expect(thrownBy(attempt)).toBe(failure)
    expect(effects()).toEqual(['seat'])
    expect(guard.rollback(rollbackCall(), release)).toEqual({ released: 1 })
    expect(effects()).toEqual([])
  })

  test('the key of the commit follows from the key of the rollback', () => {
    const { guard, book, release } = participant()
    guard.commit(commitCall(), () => book())
    expect(guard.rollback({ idempotencyKey: `${uid}:flight:rollback` }, release)).toEqual({ released: 1 })
  })

  test('steps and sagas do not touch each other', () => {
    const { guard, book, release, effects } = participant()
    const other = '019a0000-0000-7000-8000-000000000002'
    guard.commit(commitCall('flight'), () => book('a'))
    guard.commit(commitCall('hotel'), () => book('b'))
    guard.commit(commitCall('flight', undefined, other), () => book('c'))
    guard.rollback(rollbackCall('flight'), release)
    expect(effects()).toEqual(['b', 'c'])
  })
})

describe('the fence', () => {
  test('a stale token is refused in both directions and by every step of the saga, without a trace', () => {
    const { guard, book, release, effects, fence } = participant()
    guard.commit(commitCall('flight', 7), () => book())
    for (const call of [
      () => guard.commit(commitCall('flight', 6), () => book()),
      () => guard.commit(commitCall('hotel', 6), () => book()),
      () => guard.rollback(rollbackCall('flight', 6), release),
    ]) {
      const error = thrownBy(call)
      expect(error).toMatchObject({ code: 'STALE_TOKEN', name: 'StaleTokenError' })
      expect([isInDoubt(error), isRejected(error)]).toEqual([true, false])
    }
    expect([effects(), fence()]).toEqual([['seat'], 7])
  })

  test('the same token and a newer one pass', () => {
    const { guard, book, release, fence } = participant()
    guard.commit(commitCall('flight', 1), () => book())
    guard.commit(commitCall('hotel', 1), () => book())
    guard.rollback(rollbackCall('hotel', 9), release)
    expect(fence()).toBe(9)
  })

  test('is per saga', () => {
    const { guard, book } = participant()
    guard.commit(commitCall('flight', 7), () => book())
    const other = commitCall('flight', 1, '019a0000-0000-7000-8000-000000000002')
    expect(guard.commit(other, () => book())).toMatchObject({ what: 'seat' })
  })

  test('takes the decimal text of a header; a call without a token is not fenced', () => {
    const { guard, book, fence } = participant()
    guard.commit({ ...commitCall('flight'), token: '12' }, () => book())
    expect(fence()).toBe(12)
    expect(thrownBy(() => guard.commit({ ...commitCall('hotel'), token: '9' }, () => book()))).toMatchObject({
      code: 'STALE_TOKEN',
    })
    guard.commit(commitCall('hotel'), () => book())
  })
})

describe('calls that cannot be', () => {
  type Call = (p: ReturnType<typeof participant>) => unknown
  test.each<[string, Call]>([
    ['no key', ({ guard, book }) => guard.commit({ idempotencyKey: undefined as never }, () => book())],
    ['no call', ({ guard, book }) => guard.commit(undefined as never, () => book())],
    ['an empty key', ({ guard, book }) => guard.commit({ idempotencyKey: '' }, () => book())],
    ['a foreign key', ({ guard, book }) => guard.commit({ idempotencyKey: 'order-7' }, () => book())],
    ['no step', ({ guard, book }) => guard.commit({ idempotencyKey: `${uid}::commit` }, () => book())],
    [
      'a round 1',
      ({ guard, release }) => guard.rollback({ idempotencyKey: `${uid}:flight:rollback:1` }, release),
    ],
    ["a rollback's key to commit", ({ guard, book }) => guard.commit(rollbackCall(), () => book())],
    ["a commit's key to roll back", ({ guard, release }) => guard.rollback(commitCall(), release)],
    [
      'the key of another commit',
      ({ guard, release }) =>
        guard.rollback({ ...rollbackCall(), commitKey: `${uid}:hotel:commit` }, release),
    ],
    [
      'a token that is no number',
      ({ guard, book }) => guard.commit({ ...commitCall(), token: 'abc' }, () => book()),
    ],
    ['a fraction', ({ guard, book }) => guard.commit({ ...commitCall(), token: 1.5 }, () => book())],
    ['a negative token', ({ guard, book }) => guard.commit({ ...commitCall(), token: -1 }, () => book())],
  ])('%s: refused before any effect', (_, call) => {
    const one = participant()
    expect(thrownBy(() => call(one))).toMatchObject({ code: 'BAD_INPUT' })
    expect(one.records()).toEqual([])
  })
})

describe('functions that cannot be', () => {
  test('an async function is refused before it starts', () => {
    const { guard, calls, book } = participant()
    const error = thrownBy(() => guard.commit(commitCall(), async () => book()))
    expect(error).toMatchObject({ code: 'ASYNC_FUNCTION' })
    expect(calls.effect).toBe(0)
  })

  test('a returned promise takes the effect back, leaves doubt, and its rejection ends no process', async () => {
    const { guard, book, effects, records } = participant()
    const error = thrownBy(() =>
      guard.commit(commitCall(), () => {
        book()
        return Promise.reject(new Error('later'))
      }),
    )
    expect(error).toMatchObject({ code: 'ASYNC_FUNCTION' })
    expect(isInDoubt(error)).toBe(true)
    await new Promise((resolve) => setImmediate(resolve))
    expect([effects(), records()]).toEqual([[], []])
  })

  test('a function that calls with its own key is refused', () => {
    const { guard, book, release, effects } = participant()
    const error = thrownBy(() =>
      guard.commit(commitCall(), () => {
        book()
        return guard.rollback(rollbackCall(), release)
      }),
    )
    expect(error).toMatchObject({ code: 'REENTERED' })
    expect(effects()).toEqual([])
    expect(guard.commit(commitCall(), () => book())).toMatchObject({ what: 'seat' })
  })

  test('a function that ends the transaction is refused, and leaves doubt', () => {
    const { guard, book, db } = participant()
    const error = thrownBy(() =>
      guard.commit(commitCall(), () => {
        book()
        db.exec('COMMIT')
      }),
    )
    expect(error).toMatchObject({ code: 'TRANSACTION_ENDED' })
    expect([isInDoubt(error), db.inTransaction]).toEqual([true, false])
  })
})

describe('transactions', () => {
  test("inside the participant's own transaction it is part of that: rolled back with it", () => {
    const { guard, book, effects, records, db } = participant()
    const failure = new Error('the rest failed')
    const work = db.transaction(() => {
      guard.commit(commitCall(), () => book())
      throw failure
    })
    expect(thrownBy(work)).toBe(failure)
    expect([effects(), records()]).toEqual([[], []])
  })

  test("a business error inside the participant's own transaction takes back only its own part", () => {
    const { guard, book, effects, db } = participant()
    const work = db.transaction(() => {
      book('before')
      thrownBy(() =>
        guard.commit(commitCall(), () => {
          book('inside')
          throw new Error('refused')
        }),
      )
      book('after')
    })
    work()
    expect([effects(), db.inTransaction]).toEqual([['before', 'after'], false])
  })

  test('calls nest: both stand or none', () => {
    const { guard, book, effects } = participant()
    guard.commit(commitCall('trip'), () => {
      guard.commit(commitCall('flight'), () => book('flight'))
      return book('trip')
    })
    expect(effects()).toEqual(['flight', 'trip'])
    expect(guard.commit(commitCall('flight'), () => book())).toMatchObject({ what: 'flight' })
  })

  test('a constraint that fails at COMMIT is an error like any other: nothing stands', () => {
    const { guard, db, records } = participant()
    db.exec(`PRAGMA foreign_keys = ON; CREATE TABLE owner (id INTEGER PRIMARY KEY);
      CREATE TABLE pet (owner INTEGER REFERENCES owner DEFERRABLE INITIALLY DEFERRED)`)
    const error = thrownBy(() => guard.commit(commitCall(), () => void db.exec('INSERT INTO pet VALUES (7)')))
    expect(error).toMatchObject({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' })
    expect([isInDoubt(error), db.inTransaction, records()]).toEqual([false, false, []])
  })

  test('works on a connection that reads integers as BigInt', () => {
    const db = new Database(':memory:')
    db.defaultSafeIntegers(true)
    const guard = barrier(db)
    expect(guard.commit(commitCall('flight', 2), () => 7)).toBe(7)
    expect(thrownBy(() => guard.commit(commitCall('flight', 1), () => 7))).toMatchObject({
      code: 'STALE_TOKEN',
    })
    expect(guard.rollback(rollbackCall('flight', 2), (answer: number) => answer + 1)).toBe(8)
    db.close()
  })
})

describe('tables', () => {
  test('are found again, also by a second guard on one connection', () => {
    const { db, guard, book } = participant()
    guard.commit(commitCall(), () => book())
    expect(barrier(db).commit(commitCall(), () => book('again'))).toMatchObject({ what: 'seat' })
  })

  test('are created inside an open transaction, too', () => {
    const db = new Database(':memory:')
    db.exec('BEGIN')
    const guard = barrier(db)
    db.exec('COMMIT')
    expect(guard.commit(commitCall(), () => 1)).toBe(1)
    db.close()
  })

  test('of a newer version are refused', () => {
    const { db } = participant()
    db.exec('UPDATE backstep_barrier_version SET version = 99')
    expect(thrownBy(() => barrier(db))).toMatchObject({ code: 'BARRIER_NEWER' })
  })
})

describe('prune', () => {
  const old = '01800000-0000-7000-8000-000000000001'
  const fresh = `${Date.now()
    .toString(16)
    .padStart(12, '0')
    .replace(/^(.{8})/, '$1-')}-7000-8000-000000000001`

  test('forgets old sagas, and refuses them from now on rather than lie about them', () => {
    const { guard, book, release, records } = participant()
    guard.commit(commitCall('flight', 1, old), () => book())
    guard.commit(commitCall('flight', 1, fresh), () => book())
    guard.commit(commitCall('flight', 1, '00-custom'), () => book())
    expect(guard.prune('30d')).toBe(1)
    expect(records()).toHaveLength(2)
    for (const call of [
      () => guard.rollback(rollbackCall('flight', 1, 1, old), release),
      () => guard.commit(commitCall('hotel', 1, old), () => book()),
    ]) {
      const error = thrownBy(call)
      expect(error).toMatchObject({ code: 'PRUNED' })
      expect(isInDoubt(error)).toBe(true)
    }
    expect(guard.rollback(rollbackCall('flight', 1, 1, fresh), release)).toEqual({ released: 1 })
    expect(guard.rollback(rollbackCall('flight', 1, 1, '00-custom'), release)).toEqual({ released: 1 })
  })

  test('a shorter prune after a longer one does not bring the time back', () => {
    const { guard, book } = participant()
    guard.prune('1d')
    guard.prune('100000d')
    expect(thrownBy(() => guard.commit(commitCall('flight', 1, old), () => book()))).toMatchObject({
      code: 'PRUNED',
    })
  })

  test.each([Number.NaN, -1, 'soon', new Date()])('%s is no duration', (olderThan) => {
    const { guard } = participant()
    expect(thrownBy(() => guard.prune(olderThan as never))).toMatchObject({ code: 'BAD_INPUT' })
  })
})
