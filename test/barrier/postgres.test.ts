/**
 * The promises of `backstep/barrier` on PostgreSQL, one by one, with a pool and inside the participant's own transactions.
 */
import { type PostgresBarrier, postgresBarrier } from 'backstep/barrier'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { isInDoubt, isRejected } from '#dist/core/errors.js'
import { describePostgres } from '../support/postgres.js'
import { commitCall, rollbackCall } from './fixture.js'
import { outcomeOf, type Participant, participant } from './postgres-fixture.js'

/** Runs `work` with a guard that stands in a transaction of the participant's own, which then commits. */
async function inTransaction<Result>(
  { pool }: Participant,
  work: (guard: PostgresBarrier<pg.PoolClient>, tx: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    return await work(postgresBarrier(client), client)
  } finally {
    await client.query('COMMIT')
    client.release()
  }
}

const forms = [
  [
    'with a pool',
    (one: Participant, work: (guard: PostgresBarrier<pg.PoolClient>) => Promise<unknown>) => work(one.guard),
  ],
  [
    'in a transaction',
    (one: Participant, work: (guard: PostgresBarrier<pg.PoolClient>) => Promise<unknown>) =>
      inTransaction(one, work),
  ],
] as const

describePostgres('the barrier on PostgreSQL', () => {
  describe.each(forms)('%s', (_, within) => {
    test('a duplicate gets the stored answer; a rollback undoes once, a commit after it is refused', async () => {
      const one = await participant()
      const commit = () => within(one, (guard) => guard.commit(commitCall('flight', 1), (tx) => one.book(tx)))
      const rollback = () => within(one, (guard) => guard.rollback(rollbackCall('flight', 2), one.release))
      expect(await commit()).toEqual({ id: 1, what: 'seat' })
      expect(await commit()).toEqual({ id: 1, what: 'seat' })
      expect([await one.effects(), one.calls.effect]).toEqual([['seat'], 1])
      expect(await rollback()).toEqual({ released: 1 })
      expect(await rollback()).toEqual({ released: 1 })
      const again = within(one, (guard) => guard.commit(commitCall('flight', 2), (tx) => one.book(tx)))
      const error: unknown = await again.catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'ROLLED_BACK_ALREADY', step: 'flight' })
      expect(isRejected(error)).toBe(true)
      expect([await one.effects(), one.calls, await one.fence()]).toEqual([[], { effect: 1, undo: 1 }, 2])
    })

    test('a rollback before its commit is recorded and does nothing; the commit is then refused for good', async () => {
      const one = await participant()
      const rollback = () => within(one, (guard) => guard.rollback(rollbackCall(), one.release))
      expect(await rollback()).toBeUndefined()
      for (const _ of [1, 2]) {
        const commit = within(one, (guard) => guard.commit(commitCall(), (tx) => one.book(tx)))
        expect(await outcomeOf(commit)).toBe('ROLLED_BACK_ALREADY')
      }
      expect(await rollback()).toBeUndefined()
      expect([await one.effects(), one.calls]).toEqual([[], { effect: 0, undo: 0 }])
    })

    test.each([new Error('no seats'), 'text', undefined])(
      'the business error %s is rethrown as it is, and takes back exactly what the barrier did',
      async (thrown) => {
        const one = await participant()
        const failing = within(one, (guard) =>
          guard.commit(commitCall('flight', 3), async (tx) => {
            await one.book(tx)
            throw thrown
          }),
        )
        await expect(failing.then(() => 'nothing')).rejects.toBe(thrown)
        expect([await one.effects(), await one.records(), await one.fence()]).toEqual([[], [], Number.NaN])
        const again = within(one, (guard) => guard.commit(commitCall('flight', 3), (tx) => one.book(tx)))
        expect(await again).toMatchObject({ what: 'seat' })
      },
    )

    test('an undo that throws records nothing and runs again', async () => {
      const one = await participant()
      await within(one, (guard) => guard.commit(commitCall(), (tx) => one.book(tx)))
      const failure = new Error('closed on Sundays')
      const failing = within(one, (guard) =>
        guard.rollback(rollbackCall(), async (answer: { id: number }, tx) => {
          await one.release(answer, tx)
          throw failure
        }),
      )
      await expect(failing).rejects.toBe(failure)
      expect(await one.effects()).toEqual(['seat'])
      expect(await within(one, (guard) => guard.rollback(rollbackCall(), one.release))).toEqual({
        released: 1,
      })
    })

    test('a stale token is refused in both directions and by every step of the saga, without a trace', async () => {
      const one = await participant()
      await within(one, (guard) => guard.commit(commitCall('flight', 7), (tx) => one.book(tx)))
      const calls = [
        (guard: PostgresBarrier<pg.PoolClient>) =>
          guard.commit(commitCall('flight', 6), (tx) => one.book(tx)),
        (guard: PostgresBarrier<pg.PoolClient>) => guard.commit(commitCall('hotel', 6), (tx) => one.book(tx)),
        (guard: PostgresBarrier<pg.PoolClient>) => guard.rollback(rollbackCall('flight', 6), one.release),
      ]
      for (const call of calls) {
        const error: unknown = await within(one, call).catch((thrown) => thrown)
        expect(error).toMatchObject({ code: 'STALE_TOKEN', message: expect.stringContaining('has 7') })
        expect([isInDoubt(error), isRejected(error)]).toEqual([true, false])
      }
      expect([await one.effects(), await one.fence(), await one.records()]).toMatchObject([['seat'], 7, [{}]])
    })

    test('a function that calls with its own key is refused: it would wait for itself', async () => {
      const one = await participant()
      const reentering = within(one, (guard) =>
        guard.commit(commitCall(), async (tx) => {
          await one.book(tx)
          return guard.rollback(rollbackCall(), one.release)
        }),
      )
      expect(await outcomeOf(reentering)).toBe('REENTERED')
      expect(await one.effects()).toEqual([])
    })

    test('calls nest in the transaction that the function received: both stand, or none', async () => {
      const one = await participant()
      const trip = (fails: boolean) =>
        within(one, (guard) =>
          guard.commit(commitCall('trip'), async (tx) => {
            await postgresBarrier(tx).commit(commitCall('flight'), () => one.book(tx, 'flight'))
            if (fails) throw new Error('no hotel')
            return 'booked'
          }),
        )
      expect(await outcomeOf(trip(true))).toBe('no hotel')
      expect(await one.effects()).toEqual([])
      expect(await trip(false)).toBe('booked')
      expect([await one.effects(), one.calls.effect]).toEqual([['flight'], 2])
    })

    test('a function that goes on after a failed statement is told so, and nothing stands', async () => {
      const one = await participant()
      const swallowing = within(one, (guard) =>
        guard.commit(commitCall(), async (tx) => {
          await one.book(tx)
          await tx.query('SELECT 1/0').catch(() => {})
        }),
      )
      expect(await outcomeOf(swallowing)).toBe('TRANSACTION_ABORTED')
      expect([await one.effects(), await one.records()]).toEqual([[], []])
    })

    test.each(['COMMIT', 'ROLLBACK', 'COMMIT; BEGIN'])(
      'a function that ends the transaction by %s is found out, and leaves doubt',
      async (end) => {
        const one = await participant()
        const ending = within(one, (guard) =>
          guard.commit(commitCall(), async (tx) => {
            await one.book(tx)
            await tx.query(end)
          }),
        )
        const error: unknown = await ending.catch((thrown) => thrown)
        expect(error).toMatchObject({ code: 'TRANSACTION_ENDED' })
        expect(isInDoubt(error)).toBe(true)
        expect(await one.guard.commit(commitCall('hotel'), () => 1)).toBe(1)
      },
    )
  })

  test('answers are what was stored, nothing as nothing; what cannot be stored takes the effect back', async () => {
    const one = await participant()
    const answer = { seat: 7, gone: undefined, zero: -0, text: 'é"\\ \u{1F600}' }
    const first = await one.guard.commit(commitCall('a'), () => answer)
    expect(Object.keys(first)).toEqual(['seat', 'zero', 'text'])
    expect(await one.guard.commit(commitCall('a'), () => answer)).toEqual(first)
    expect(await one.guard.commit(commitCall('b'), () => undefined)).toBeUndefined()
    expect(await one.guard.commit(commitCall('b'), () => 1)).toBeUndefined()
    expect(await one.guard.commit(commitCall('c'), () => null)).toBeNull()
    expect(await one.guard.commit(commitCall('c'), () => 1)).toBeNull()
    const bad = one.guard.commit(commitCall('d'), async (tx) => ({ at: new Date(), is: await one.book(tx) }))
    await expect(bad).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('answer.at'),
    })
    expect([await one.effects(), await one.records()]).toMatchObject([[], [{}, {}, {}]])
  })

  test('a second round undoes nothing where the first one holds, and undoes the commit where it stands', async () => {
    const { guard, book, release, effects, calls } = await participant()
    await guard.commit(commitCall('flight'), (tx) => book(tx))
    await guard.rollback(rollbackCall('flight'), release)
    expect(await guard.rollback(rollbackCall('flight', undefined, 2), release)).toEqual({ released: 1 })
    expect(calls.undo).toBe(1)
    await guard.commit(commitCall('hotel'), (tx) => book(tx))
    expect(await guard.rollback(rollbackCall('hotel', undefined, 2), release)).toEqual({ released: 1 })
    expect([await effects(), calls.undo]).toEqual([[], 2])
  })

  test("a business error inside the participant's own transaction takes back only its own part", async () => {
    const one = await participant()
    await inTransaction(one, async (guard, tx) => {
      await one.book(tx, 'before')
      const failing = guard.commit(commitCall(), async () => {
        await one.book(tx, 'inside')
        await tx.query('SELECT 1/0')
      })
      expect(await outcomeOf(failing)).toBe('22012')
      await one.book(tx, 'after')
    })
    expect(await one.effects()).toEqual(['before', 'after'])
  })

  test('works with anything that has query(sql, values)', async () => {
    const one = await participant()
    await inTransaction(one, async (_, client) => {
      const tx = {
        query: async (sql: string, values?: unknown[]) => ({ rows: (await client.query(sql, values)).rows }),
      }
      const booking = await postgresBarrier(tx).commit(commitCall(), async (given) => {
        expect(given).toBe(tx)
        return one.book(client)
      })
      expect(booking).toMatchObject({ what: 'seat' })
    })
    expect(await one.effects()).toEqual(['seat'])
  })

  test('a client without a transaction is refused before anything happens', async () => {
    const one = await participant()
    const client = await one.pool.connect()
    const commit = postgresBarrier(client).commit(commitCall(), () => one.book(client))
    expect(await outcomeOf(commit)).toBe('NO_TRANSACTION')
    client.release()
    // A pool that hides that it is one would run each statement somewhere else.
    const hidden = { query: (sql: string, values?: unknown[]) => one.pool.query(sql, values) }
    expect(await outcomeOf(postgresBarrier(hidden).commit(commitCall(), () => 1))).toBe('NO_TRANSACTION')
    expect(one.calls.effect).toBe(0)
  })

  test('calls side by side on one client: each effect stands with its record, or neither does', async () => {
    const one = await participant()
    await one.guard.createTables()
    const client = await one.begin()
    // One query at a time, as a client of pg wants it.
    let last: Promise<unknown> = Promise.resolve()
    const query = (sql: string, values?: unknown[]) => {
      const result = last.then(() => client.query(sql, values))
      last = result.catch(() => {})
      return result
    }
    const calls = ['a', 'b', 'c'].map((step, i) =>
      postgresBarrier({ query }).commit(commitCall(step), async (tx) => {
        await tx.query('INSERT INTO effects (what) VALUES ($1)', [step])
        if (i === 0) throw new Error('no seats')
      }),
    )
    const ends = await Promise.all(calls.map(outcomeOf))
    expect(ends[0]).not.toBeUndefined()
    await client.query('COMMIT')
    const steps = (await one.records()).map(({ commit_key }) => commit_key.split(':')[1])
    expect(await one.effects()).toEqual(steps)
  })

  test('a call over the pool from within a function is refused: it could wait for its own transaction', async () => {
    const one = await participant()
    const nested = one.guard.commit(commitCall('trip', 1), () =>
      one.guard.commit(commitCall('flight', 1), () => 1),
    )
    await expect(nested).rejects.toMatchObject({
      code: 'REENTERED',
      hint: expect.stringContaining('postgresBarrier(tx)'),
    })
    // What a function leaves behind may call later.
    let later: Promise<unknown> | undefined
    await one.guard.commit(commitCall('trip', 1), () => {
      later = new Promise((resolve) => setTimeout(resolve, 100)).then(() =>
        one.guard.commit(commitCall('flight', 1), () => 2),
      )
    })
    expect(await later).toBe(2)
  })

  test('what is no database is refused', () => {
    for (const nothing of [undefined, null, {}, 'postgres://', { connect: () => {} }]) {
      expect(() => postgresBarrier(nothing as never)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
    }
  })
})

describePostgres('tables', () => {
  test('are created once, also when ten need them at the same time', async () => {
    const one = await participant()
    const calls = Array.from({ length: 10 }, (_, i) =>
      one.guard.commit(commitCall(`s${i}`), (tx) => one.book(tx)),
    )
    expect(await Promise.all(calls)).toHaveLength(10)
    expect(await one.effects()).toHaveLength(10)
    await one.guard.createTables()
    expect(await one.records()).toHaveLength(10)
  })

  test('of a newer version are refused', async () => {
    const one = await participant()
    await one.guard.createTables()
    await one.pool.query('UPDATE backstep_barrier_version SET version = 99')
    expect(await outcomeOf(one.guard.commit(commitCall(), (tx) => one.book(tx)))).toBe('BARRIER_NEWER')
    expect(one.calls.effect).toBe(0)
  })

  test('a role that may not create them is told who has to; one that may use them works', async () => {
    const one = await participant()
    const role = `backstep_test_${process.pid}`
    await one.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
    const address = new URL(one.address)
    address.username = role
    address.password = 'secret'
    const pool = new pg.Pool({ connectionString: address.href, max: 1 }).on('error', () => {})
    const commit = () => postgresBarrier(pool).commit(commitCall('flight', 1), () => 7)
    try {
      const error: unknown = await commit().catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'TABLES_MISSING', hint: expect.stringContaining('createTables()') })
      await one.guard.createTables()
      const names = 'backstep_barrier, backstep_barrier_fence, backstep_barrier_version'
      await one.pool.query(`GRANT USAGE ON SCHEMA ${one.schema} TO ${role}`)
      await one.pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${names} TO ${role}`)
      expect([await commit(), await commit()]).toEqual([7, 7])
    } finally {
      await pool.end()
      await one.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    }
  })
})

describePostgres('prune', () => {
  const old = '01800000-0000-7000-8000-000000000001'
  const fresh = `${Date.now()
    .toString(16)
    .padStart(12, '0')
    .replace(/^(.{8})/, '$1-')}-7000-8000-000000000001`

  test('forgets old sagas and refuses them from now on, in a database that does not sort by bytes, too', async () => {
    const { guard, book, release, records } = await participant({ locale: 'en-US' })
    for (const saga of [old, fresh, '00-custom'])
      await guard.commit(commitCall('flight', 1, saga), (tx) => book(tx))
    expect(await guard.prune('30d')).toBe(1)
    expect(await records()).toHaveLength(2)
    for (const call of [
      () => guard.rollback(rollbackCall('flight', 1, 1, old), release),
      () => guard.rollback(rollbackCall('hotel', 1, 1, old), release),
      () => guard.commit(commitCall('hotel', 1, old), (tx) => book(tx)),
    ]) {
      const error: unknown = await call().catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'PRUNED' })
      expect(isInDoubt(error)).toBe(true)
    }
    expect(await guard.rollback(rollbackCall('flight', 1, 1, fresh), release)).toEqual({ released: 1 })
    expect(await guard.rollback(rollbackCall('flight', 1, 1, '00-custom'), release)).toEqual({ released: 1 })
    expect(await guard.prune('60d')).toBe(0)
    expect(await outcomeOf(guard.commit(commitCall('hotel', 1, old), () => 1))).toBe('PRUNED')
  })

  test.each(['-1s', Number.NaN, 'soon'])('%s is no age', async (age) => {
    const { guard } = await participant()
    await expect(guard.prune(age as number)).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })
})
