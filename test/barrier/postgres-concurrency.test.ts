/**
 * The barrier on PostgreSQL with several transactions at once: what waits, for whom, and what it then sees, at every isolation level.
 * Each test proves that the calls really met: it goes on only when the server says that one waits for the other.
 */
import { postgresBarrier } from 'backstep/barrier'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { isInDoubt } from '#dist/core/errors.js'
import { describePostgres } from '../support/postgres.js'
import { everyNth, type Fate, onFirst, PostgresProxy } from '../support/postgres-proxy.js'
import { commitCall, rollbackCall } from './fixture.js'
import { gate, levels, outcomeOf, participant } from './postgres-fixture.js'

describePostgres('calls at the same time', () => {
  describe.each(levels)('at %s', (level) => {
    async function prepared() {
      const one = await participant({ level })
      await one.guard.createTables()
      expect((await one.pool.query('SHOW transaction_isolation')).rows[0]).toEqual({
        transaction_isolation: level.toLowerCase(),
      })
      return one
    }

    test('three duplicates: one has the effect, the others wait for it and get its answer', async () => {
      const one = await prepared()
      const { open, opened } = gate()
      const commit = () =>
        one.guard.commit(commitCall('flight', 1), async (tx) => {
          const booking = await one.book(tx)
          await opened
          return booking
        })
      const calls = [commit(), commit(), commit()]
      await one.waiting(2)
      open()
      const [first, ...others] = await Promise.all(calls)
      expect(others).toEqual([first, first])
      expect([await one.effects(), one.calls.effect]).toEqual([['seat'], 1])
    })

    test('a duplicate of one that fails has the effect itself', async () => {
      const one = await prepared()
      const { open, opened } = gate()
      const failing = outcomeOf(
        one.guard.commit(commitCall(), async (tx) => {
          await one.book(tx, 'gone')
          await opened
          throw new Error('no seats')
        }),
      )
      await expect.poll(() => one.calls.effect).toBe(1)
      const second = one.guard.commit(commitCall(), (tx) => one.book(tx, 'stands'))
      await one.waiting(1)
      open()
      expect([await failing, await second]).toMatchObject(['no seats', { what: 'stands' }])
      expect(await one.effects()).toEqual(['stands'])
    })

    test('a rollback waits for its commit, then undoes it', async () => {
      const one = await prepared()
      const { open, opened } = gate()
      const commit = one.guard.commit(commitCall(), async (tx) => {
        const booking = await one.book(tx)
        await opened
        return booking
      })
      await expect.poll(() => one.calls.effect).toBe(1)
      const rollback = one.guard.rollback(rollbackCall(), one.release)
      await one.waiting(1)
      open()
      expect([await commit, await rollback]).toMatchObject([{ what: 'seat' }, { released: 1 }])
      expect(await one.effects()).toEqual([])
    })

    test('a commit waits for its rollback, which found nothing to undo, then is refused', async () => {
      const one = await prepared()
      const rollback = await one.begin(level)
      expect(await postgresBarrier(rollback).rollback(rollbackCall(), one.release)).toBeUndefined()
      const commit = outcomeOf(one.guard.commit(commitCall(), (tx) => one.book(tx)))
      await one.waiting(1)
      await rollback.query('COMMIT')
      expect([await commit, one.calls.effect]).toEqual(['ROLLED_BACK_ALREADY', 0])
    })

    test('two rollbacks: one undoes, the other waits for it and gets its answer', async () => {
      const one = await prepared()
      await one.guard.commit(commitCall(), (tx) => one.book(tx))
      const { open, opened } = gate()
      const rollback = (round: number) =>
        one.guard.rollback(rollbackCall('flight', undefined, round), async (answer: { id: number }, tx) => {
          const undone = await one.release(answer, tx)
          await opened
          return undone
        })
      const calls = [rollback(1), rollback(2)]
      await one.waiting(1)
      open()
      expect(await Promise.all(calls)).toEqual([{ released: 1 }, { released: 1 }])
      expect(one.calls.undo).toBe(1)
    })

    test("two duplicates in the participant's own transactions: never two effects", async () => {
      const one = await prepared()
      const [first, second] = [await one.begin(level), await one.begin(level)]
      // Both have their snapshots, where there is one for the whole transaction.
      await second.query('SELECT 1')
      const booking = await postgresBarrier(first).commit(commitCall(), (tx) => one.book(tx))
      const duplicate = outcomeOf(postgresBarrier(second).commit(commitCall(), (tx) => one.book(tx)))
      await one.waiting(1)
      await first.query('COMMIT')
      expect(await duplicate).toEqual(level === 'READ COMMITTED' ? booking : '40001')
      await second.query('COMMIT')
      const again = await one.begin(level)
      expect(await postgresBarrier(again).commit(commitCall(), (tx) => one.book(tx))).toEqual(booking)
      await again.query('COMMIT')
      expect([await one.effects(), one.calls.effect]).toEqual([['seat'], 1])
    })

    test('a record that prune takes away meanwhile is not taken for a call that never came', async () => {
      const old = '01800000-0000-7000-8000-000000000001'
      const one = await prepared()
      await one.guard.commit(commitCall('flight', 1, old), (tx) => one.book(tx))
      const pruning = await one.begin()
      expect(await postgresBarrier(pruning).prune('30d')).toBe(1)
      const commit = outcomeOf(
        one.guard.commit(commitCall('flight', undefined, old), (tx) => one.book(tx, 'twice')),
      )
      const rollback = outcomeOf(one.guard.rollback(rollbackCall('flight', undefined, 1, old), one.release))
      await one.waiting(2)
      await pruning.query('COMMIT')
      expect([await commit, await rollback]).toEqual(['PRUNED', 'PRUNED'])
      expect([await one.effects(), await one.records()]).toEqual([['seat'], []])
    })

    test('a newer owner waits for the older one; after it the older one is refused', async () => {
      const one = await prepared()
      await one.guard.commit(commitCall('trip', 1), () => 1)
      const older = await one.begin(level)
      await postgresBarrier(older).commit(commitCall('flight', 1), (tx) => one.book(tx, 'older'))
      const newer = one.guard.commit(commitCall('hotel', 2), (tx) => one.book(tx, 'newer'))
      await one.waiting(1)
      await older.query('COMMIT')
      await newer
      expect(await one.effects()).toEqual(['older', 'newer'])
      expect(await outcomeOf(one.guard.commit(commitCall('car', 1), (tx) => one.book(tx)))).toBe(
        'STALE_TOKEN',
      )
    })

    test('steps of one owner side by side do not wait for each other', async () => {
      const one = await prepared()
      await one.guard.commit(commitCall('trip', 1), () => 1)
      const both = [gate(), gate()]
      const calls = ['flight', 'hotel'].map((step, i) =>
        one.guard.commit(commitCall(step, 1), async (tx) => {
          both[i]?.open()
          // Each goes on only once the other's function runs, too.
          await both[1 - i]?.opened
          await one.book(tx, step)
        }),
      )
      await Promise.all(calls)
      expect((await one.effects()).sort()).toEqual(['flight', 'hotel'])
    })

    test('commits from one side, their rollbacks from the other: in any order nothing stands', async () => {
      const one = await prepared()
      const steps = Array.from({ length: 60 }, (_, i) => `s${i}`)
      const commits: unknown[] = []
      const rollbacks: unknown[] = []
      const run = async (ends: unknown[], call: (step: string) => Promise<unknown>) => {
        for (const step of steps) {
          let end = await outcomeOf(call(step))
          // There it may find only at the end that it has to begin anew, as the orchestrator would.
          while (level === 'SERIALIZABLE' && end === '40001') end = await outcomeOf(call(step))
          ends.push(end)
        }
      }
      await Promise.all([
        run(commits, (step) => one.guard.commit(commitCall(step, 1), (tx) => one.book(tx, step))),
        run(rollbacks, (step) => one.guard.rollback(rollbackCall(step, 1), one.release)),
      ])
      expect(await one.effects()).toEqual([])
      commits.forEach((commit, i) => {
        if (commit === 'ROLLED_BACK_ALREADY') expect(rollbacks[i]).toBeUndefined()
        else
          expect([commit, rollbacks[i]]).toEqual([
            { id: expect.any(Number), what: steps[i] },
            { released: 1 },
          ])
      })
    })
  })
})

describePostgres('failures of the database', () => {
  test('a constraint that fails at COMMIT is an error like any other: nothing stands, the client is used again', async () => {
    const one = await participant()
    await one.pool.query(`CREATE TABLE owner (id int PRIMARY KEY);
      CREATE TABLE pet (owner int REFERENCES owner DEFERRABLE INITIALLY DEFERRED)`)
    const failing = one.guard.commit(commitCall(), (tx) =>
      tx.query('INSERT INTO pet VALUES (7)').then(() => {}),
    )
    const error: unknown = await failing.catch((thrown) => thrown)
    expect(error).toMatchObject({ code: '23503' })
    expect([isInDoubt(error), await one.records(), one.pool.totalCount]).toEqual([false, [], 1])
  })

  test('a connection that dies while the function runs: an error, nothing stands, the process lives, the next call works', async () => {
    const one = await participant()
    const dying = one.guard.commit(commitCall(), async (tx) => {
      await one.book(tx)
      const [{ pid }] = (await tx.query('SELECT pg_backend_pid() AS pid')).rows as [{ pid: number }]
      await one.pool.query('SELECT pg_terminate_backend($1, 5000)', [pid])
      // Long enough for the loss to be told by an event, while no query is under way.
      await new Promise((resolve) => setTimeout(resolve, 50))
    })
    await expect(dying).rejects.toThrow()
    expect([await one.effects(), await one.records()]).toEqual([[], []])
    expect(await one.guard.commit(commitCall(), (tx) => one.book(tx))).toMatchObject({ what: 'seat' })
  })

  test('the answer to COMMIT is lost: in doubt; the next call gets the answer, and has no effect', async () => {
    const one = await participant()
    await one.guard.createTables()
    const proxy = await PostgresProxy.start(one.address)
    const pool = new pg.Pool({ connectionString: proxy.address })
    pool.on('error', () => {})
    const commit = () => postgresBarrier(pool).commit(commitCall('flight', 1), (tx) => one.book(tx))
    proxy.fate = onFirst(({ sql }) => sql.endsWith('COMMIT'), 'after')
    const error: unknown = await commit().catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'COMMIT_UNKNOWN', cause: expect.any(Error) })
    expect([isInDoubt(error), proxy.counts.cuts]).toEqual([true, 1])
    expect([await commit(), one.calls.effect]).toEqual([{ id: 1, what: 'seat' }, 1])
    expect(await one.effects()).toEqual(['seat'])
    await pool.end()
  })

  test('cut at every single message, before and after it: called again, there is one effect and one undo', async () => {
    const one = await participant()
    await one.guard.createTables()
    const proxy = await PostgresProxy.start(one.address)
    const pool = new pg.Pool({ connectionString: proxy.address })
    pool.on('error', () => {})
    const guard = postgresBarrier(pool)
    const book = (step: string) => guard.commit(commitCall(step, 1), (tx) => one.book(tx, step))
    const release = (step: string) => guard.rollback(rollbackCall(step, 1), one.release)
    const failures = new Set<unknown>()
    /** Cuts at message n of the call, then calls again; false once there are fewer messages than n. */
    const survives = async (n: number, fate: Fate, call: () => Promise<unknown>) => {
      await pool.query('SELECT 1')
      const cuts = proxy.counts.cuts
      proxy.fate = everyNth(n, fate)
      const first = await call().catch((error: unknown) =>
        failures.add(isInDoubt(error) ? 'in doubt' : 'failed'),
      )
      proxy.fate = () => 'pass'
      const wasCut = proxy.counts.cuts > cuts
      // Once more if the pool has not heard yet that its connection is gone.
      expect(await call().catch(call)).toEqual(wasCut ? expect.anything() : first)
      return wasCut
    }
    for (const fate of ['before', 'after'] as const) {
      for (let n = 1, isOver = false; !isOver; n++) {
        const step = `${fate}${n}`
        const wasCut = await survives(n, fate, () => book(step))
        expect(await one.effects()).toEqual([step])
        const wasCutBack = await survives(n, fate, () => release(step))
        expect(await one.effects()).toEqual([])
        isOver = !wasCut && !wasCutBack
      }
    }
    expect([...failures].sort()).toEqual(['failed', 'in doubt'])
    expect(proxy.counts.cuts).toBeGreaterThan(60)
    await pool.end()
  })
})
