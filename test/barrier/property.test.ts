/**
 * Random sequences of commits, rollbacks, duplicates, late calls, failures and restarts against a model of one step:
 * what stands is 0 or 1, and it is what the model says.
 */

import { barrier } from 'backstep/barrier'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { commitCall, rollbackCall, temporaryFile } from './fixture.js'
import { type Command, commands, every, example, Model, steps } from './model.js'

/** The real one: `ledger` gains +1 for each effect and -1 for each undo. */
class Real {
  readonly file = temporaryFile()
  answers = 0
  db!: Database.Database
  guard!: ReturnType<typeof barrier>

  constructor() {
    this.open()
    this.db.exec('CREATE TABLE ledger (step TEXT, change INTEGER)')
  }

  open(): void {
    this.db = new Database(this.file)
    this.db.pragma('synchronous = OFF')
    this.guard = barrier(this.db)
  }

  run(command: Command): unknown {
    if (command.do === 'restart') {
      this.db.close()
      this.open()
      return 'restarted'
    }
    try {
      return command.nested ? this.db.transaction(() => this.call(command))() : this.call(command)
    } catch (error) {
      return (error as { code?: string }).code ?? (error as Error).message
    }
  }

  call({ do: what, step, token, round, fails }: Command): unknown {
    const move = (change: number) => {
      this.db.prepare('INSERT INTO ledger VALUES (?, ?)').run(step, change)
      if (fails) throw new Error('business')
    }
    if (what === 'commit') {
      return this.guard.commit(commitCall(step, token), () => {
        move(+1)
        return ++this.answers
      })
    }
    return this.guard.rollback(rollbackCall(step, token, round), (answer: number) => {
      move(-1)
      return -answer
    })
  }

  standing(step: string): number {
    const sum = this.db.prepare('SELECT coalesce(sum(change), 0) FROM ledger WHERE step = ?').pluck()
    return sum.get(step) as number
  }
}

test('any sequence of calls has the effects and the answers that the model says', () => {
  const seen = new Set<unknown>()
  fc.assert(
    fc.property(commands, (commands) => {
      const [model, real] = [new Model(), new Real()]
      for (const command of commands) {
        const result = real.run(command)
        expect(result).toEqual(model.run(command))
        seen.add(typeof result === 'number' ? Math.sign(result) : result)
        for (const step of steps) expect(real.standing(step)).toBe(model.standing(step))
      }
      real.db.close()
    }),
    { numRuns: 200, examples: [[example]] },
  )
  expect(every.filter((result) => !seen.has(result))).toEqual([])
})
