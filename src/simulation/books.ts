/**
 * The books of one service: double-entry, in a SQLite file of its own.
 *
 * Invariants
 * - Every transfer has two entries that add up to zero; nothing is ever changed or deleted, a rollback books the way back.
 * - `balance` is a cache of opening + entries, and never below zero. The audit recomputes it.
 */
import Database from 'better-sqlite3'
import type { Booking, Direction } from './trip.js'

const tables = `
  CREATE TABLE IF NOT EXISTS accounts (
    name TEXT PRIMARY KEY, opening INTEGER NOT NULL, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT;
  CREATE TABLE IF NOT EXISTS transfers (
    id INTEGER PRIMARY KEY, trip INTEGER NOT NULL, direction TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS entries (
    transfer INTEGER NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL) STRICT;`

export type Opening = readonly [account: string, balance: number]

export class Books {
  readonly db: Database.Database
  readonly #insertTransfer: Database.Statement
  readonly #insertEntry: Database.Statement
  readonly #move: Database.Statement

  constructor(file: string, openings: readonly Opening[]) {
    this.db = new Database(file)
    this.db.pragma('journal_mode = WAL')
    // Processes are killed here, machines are not: what the operating system has is safe.
    this.db.pragma('synchronous = NORMAL')
    this.db.exec(tables)
    const open = this.db.prepare('INSERT INTO accounts VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
    this.db.transaction(() => {
      for (const [account, balance] of openings) open.run(account, balance, balance)
    })()
    this.#insertTransfer = this.db.prepare('INSERT INTO transfers (trip, direction) VALUES (?, ?)')
    this.#insertEntry = this.db.prepare('INSERT INTO entries VALUES (?, ?, ?)')
    this.#move = this.db.prepare('UPDATE accounts SET balance = balance + ? WHERE name = ?')
  }

  /** Moves an amount; must run in a transaction. Throws where an account is missing or would fall below zero. */
  transfer(trip: number, direction: Direction, { from, to, amount }: Booking): void {
    const id = this.#insertTransfer.run(trip, direction).lastInsertRowid
    this.#enter(id, from, -amount)
    this.#enter(id, to, amount)
  }

  #enter(transfer: number | bigint, account: string, amount: number): void {
    this.#insertEntry.run(transfer, account, amount)
    if (this.#move.run(amount, account).changes !== 1) throw new Error(`there is no account ${account}`)
  }

  close(): void {
    this.db.close()
  }
}
