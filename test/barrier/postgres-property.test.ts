/**
 * Random sequences of calls on PostgreSQL, at every isolation level, with a pool and in transactions of the participant's own,
 * against the same model as on SQLite: what stands is 0 or 1, and it is what the model says.
 */
import { postgresBarrier } from 'backstep/barrier'
import fc from 'fast-check'
import pg from 'pg'
import { expect, test } from 'vitest'
import { describePostgres } from '../support/postgres.js'
import { commitCall, rollbackCall } from './fixture.js'
import { type Command, commands, every, example, Model, steps } from './model.js'
import { levels, type Participant, participant } from './postgres-fixture.js'

/** `ledger` gains +1 for each effect and -1 for each undo. */
class Real {
  readonly #pool: pg.Pool
  readonly #level: string
  answers = 0

  constructor({ pool }: Participant, level: string) {
    this.#pool = pool
    this.#level = level
  }

  async run(command: Command): Promise<unknown> {
    if (command.do === 'restart') {
      await this.#pool.query(
        'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      )
      return 'restarted'
    }
    try {
      return await (command.nested ? this.#nested(command) : this.#call(this.#pool, command))
    } catch (error) {
      return (error as { code?: string }).code ?? (error as Error).message
    }
  }

  async #nested(command: Command): Promise<unknown> {
    const client = await this.#pool.connect()
    try {
      await client.query(`BEGIN ISOLATION LEVEL ${this.#level}`)
      return await this.#call(client, command)
    } finally {
      await client.query('COMMIT')
      client.release()
    }
  }

  #call(on: pg.Pool | pg.PoolClient, { do: what, step, token, round, fails }: Command): Promise<unknown> {
    const guard = on instanceof pg.Pool ? postgresBarrier(on) : postgresBarrier(on)
    const move = async (tx: pg.PoolClient, change: number) => {
      await tx.query('INSERT INTO ledger VALUES ($1, $2)', [step, change])
      if (fails) throw new Error('business')
    }
    if (what === 'commit') {
      return guard.commit(commitCall(step, token), async (tx) => {
        await move(tx, +1)
        return ++this.answers
      })
    }
    return guard.rollback(rollbackCall(step, token, round), async (answer: number, tx) => {
      await move(tx, -1)
      return -answer
    })
  }

  async standing(): Promise<Record<string, number>> {
    const { rows } = await this.#pool.query('SELECT step, sum(change)::int AS sum FROM ledger GROUP BY step')
    return Object.fromEntries(rows.map(({ step, sum }) => [step, sum]))
  }
}

const tables = 'ledger, backstep_barrier, backstep_barrier_fence'

describePostgres('any sequence of calls has the effects and the answers that the model says', () => {
  test.each(levels)('at %s', async (level) => {
    const one = await participant({ level })
    await one.guard.createTables()
    await one.pool.query('CREATE TABLE ledger (step TEXT, change INTEGER)')
    const seen = new Set<unknown>()
    await fc.assert(
      fc.asyncProperty(commands, async (commands) => {
        await one.pool.query(`TRUNCATE ${tables}`)
        const [model, real] = [new Model(), new Real(one, level)]
        for (const command of commands) {
          const result = await real.run(command)
          expect(result).toEqual(model.run(command))
          seen.add(typeof result === 'number' ? Math.sign(result) : result)
        }
        const standing = await real.standing()
        for (const step of steps) expect(standing[step] ?? 0).toBe(model.standing(step))
      }),
      { numRuns: 25, examples: [[example]] },
    )
    expect(every.filter((result) => !seen.has(result))).toEqual([])
  })
})
