/**
 * A participant for the tests of the barrier: a counter of effects in a SQLite file, and the calls that an orchestrator makes.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { barrier } from 'backstep/barrier'
import Database from 'better-sqlite3'
import { afterEach } from 'vitest'

export const uid = '019a0000-0000-7000-8000-000000000001'

export const commitCall = (step = 'flight', token?: number, saga = uid) => ({
  idempotencyKey: `${saga}:${step}:commit`,
  ...(token === undefined ? {} : { token }),
})

export const rollbackCall = (step = 'flight', token?: number, round = 1, saga = uid) => ({
  idempotencyKey: `${saga}:${step}:rollback${round > 1 ? `:${round}` : ''}`,
  commitKey: `${saga}:${step}:commit`,
  ...(token === undefined ? {} : { token }),
})

const undo: (() => void)[] = []
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step()
})

export function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstep-barrier-'))
  undo.push(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'books.db')
}

/** `effects` holds what stands: a commit adds a row, its rollback deletes it; `calls` counts how often each function ran. */
export function participant(file = ':memory:') {
  const db = new Database(file)
  undo.push(() => db.close())
  db.exec('CREATE TABLE IF NOT EXISTS effects (id INTEGER PRIMARY KEY, what TEXT)')
  const guard = barrier(db)
  const calls = { effect: 0, undo: 0 }
  return {
    db,
    guard,
    calls,
    effects: () => db.prepare('SELECT what FROM effects ORDER BY id').pluck().all(),
    book: (what = 'seat') => {
      calls.effect++
      return {
        id: Number(db.prepare('INSERT INTO effects (what) VALUES (?)').run(what).lastInsertRowid),
        what,
      }
    },
    release: (answer: { readonly id: number }) => {
      calls.undo++
      const { changes } = db.prepare('DELETE FROM effects WHERE id = ?').run(answer.id)
      return { released: changes }
    },
    records: () => db.prepare('SELECT * FROM backstep_barrier').all(),
    fence: () => db.prepare('SELECT token FROM backstep_barrier_fence').pluck().get(),
  }
}

/** What the function throws. */
export function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('it did not throw')
}
