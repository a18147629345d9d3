/**
 * The command line over PostgreSQL: it looks and steps in there as it does on a file, makes nothing, and shows no password.
 */
import { Orchestrator, Rejected, saga } from 'backstep'
import { expect, test } from 'vitest'
import { describePostgres, freshSchema, query } from '../support/postgres.js'
import { backstep } from './processes.js'

const stubborn = saga('stubborn')
  .step('first', {
    commit: () => 1,
    rollback: () => {
      throw new Error('the office is closed')
    },
    rollbackRetry: { min: 20, max: 40 },
  })
  .step('second', {
    commit: () => {
      throw new Rejected('no')
    },
    rollback: () => {},
  })

describePostgres('the command line on PostgreSQL', () => {
  test('looks, steps in, and never shows the password', async () => {
    const address = await freshSchema()
    const { password } = new URL(address)
    expect(password).not.toBe('')
    await using orchestrator = await Orchestrator.open(address, { sagas: [stubborn], log: false })
    const handle = await orchestrator.submit(stubborn, undefined, { id: 'order-7' })
    await expect.poll(async () => (await orchestrator.get('order-7'))?.status).toBe('rolling_back')

    const said: string[] = []
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await backstep([...args, '--store', address])
      said.push(stdout, stderr)
      return { code, stdout, stderr }
    }
    expect((await run('list')).stdout).toMatch(/rolling_back.*order-7/)
    expect((await run('show', 'order-7')).stdout).toContain('the office is closed')
    expect((await run('migrate')).stdout).toMatch(/^schema 1, PostgreSQL/)
    expect((await run('doctor')).stdout).toMatch(/✔ store {7}schema 1; PostgreSQL/)
    const settled = await run('resolve', 'order-7', 'first', '--as', 'rolled_back', '--reason', 'by hand')
    expect(settled.code).toBe(0)
    expect((await handle.outcome()).status).toBe('rolled_back')
    expect((await run('journal', 'order-7')).stdout).toContain('by hand')
    expect((await run('prune', '--older-than', '0s')).stdout).toContain('pruned 1 saga')
    expect(said.join('')).not.toContain(password)
  })

  test('looking makes no schema, and what cannot be reached is told without a password', async () => {
    const address = await freshSchema()
    const schema = new URL(address).searchParams.get('schema')
    for (const args of [['list'], ['show', 'order-7'], ['prune']]) {
      const { code, stdout, stderr } = await backstep([...args, '--store', address])
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toContain(`there is no store in schema ${schema}`)
    }
    const found = await query(address, `SELECT FROM pg_namespace WHERE nspname = '${schema}'`)
    expect(found).toEqual([])

    const nobody = await backstep(['list', '--store', 'postgres://ada:secret@127.0.0.1:1/nowhere'])
    expect(nobody).toMatchObject({ code: 1, stdout: '' })
    expect(nobody.stderr).toContain('no server answers there')
    expect(nobody.stderr).not.toContain('secret')
  })
})
