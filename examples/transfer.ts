/**
 * Money between two banks, each with its own database behind the barrier. Transfers that share an account never overlap; others run
 * side by side. A commit whose answer is lost is in doubt, so its rollback runs, and no money appears or vanishes.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InDoubt, Orchestrator, Rejected, saga } from 'backstep'
import { barrier } from 'backstep/barrier'
import Database from 'better-sqlite3'

const folder = mkdtempSync(join(tmpdir(), 'backstep-transfer-'))

/** A bank: its own books in its own file. */
function bank(name: string, accounts: Record<string, number>) {
  const db = new Database(join(folder, `${name}.db`))
  db.exec('CREATE TABLE account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))')
  for (const [id, balance] of Object.entries(accounts)) {
    db.prepare('INSERT INTO account VALUES (?, ?)').run(id, balance)
  }
  const guard = barrier(db)
  const move = db.prepare('UPDATE account SET balance = balance + ? WHERE id = ?')
  const balanceOf = db.prepare<[string], number>('SELECT balance FROM account WHERE id = ?').pluck()
  return { db, guard, move, balanceOf }
}

const north = bank('north', { ada: 100, bob: 50 })
const south = bank('south', { eve: 0 })

interface Transfer {
  readonly from: string
  readonly to: string
  readonly amount: number
}

let answersToLose = 1

const transfer = saga<Transfer>('transfer', { keys: ({ from, to }) => [`account:${from}`, `account:${to}`] })
  .step('debit', {
    commit: (call) =>
      north.guard.commit(call, () => {
        const { from, amount } = call.input
        if ((north.balanceOf.get(from) ?? 0) < amount) throw new Rejected(`${from} has less than ${amount}`)
        north.move.run(-amount, from)
      }),
    rollback: (call) =>
      north.guard.rollback(call, () => void north.move.run(call.input.amount, call.input.from)),
  })
  .step('credit', {
    commit: (call) => {
      south.guard.commit(call, () => void south.move.run(call.input.amount, call.input.to))
      if (answersToLose-- > 0) throw new InDoubt('the line went dead before the answer came')
    },
    rollback: (call) =>
      south.guard.rollback(call, () => void south.move.run(-call.input.amount, call.input.to)),
  })

const orchestrator = await Orchestrator.open(`sqlite:${join(folder, 'sagas.db')}`, {
  sagas: [transfer],
  log: false,
})

const books = () =>
  `ada ${north.balanceOf.get('ada')}, bob ${north.balanceOf.get('bob')}, eve ${south.balanceOf.get('eve')}`

const say = (what: string, { status }: { status: string }) => console.log(`${what}: ${status}; ${books()}`)

console.log(`before: ${books()}`)
const first = await orchestrator.submit(transfer, { from: 'ada', to: 'eve', amount: 60 })
say('ada sends 60, the answer is lost', await first.outcome())
const second = await orchestrator.submit(transfer, { from: 'ada', to: 'eve', amount: 60 })
say('ada sends 60', await second.outcome())
const third = await orchestrator.submit(transfer, { from: 'ada', to: 'eve', amount: 60 })
say('ada sends 60 more', await third.outcome())

await orchestrator.close()
north.db.close()
south.db.close()
rmSync(folder, { recursive: true })
