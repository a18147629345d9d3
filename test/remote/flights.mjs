/**
 * The participant of the contract in JavaScript: node:http, SQLite, `commitHandler` and `rollbackHandler`.
 * `node flights.mjs file port`
 */
import { createServer } from 'node:http'
import { Rejected } from 'backstep'
import { barrier, commitHandler, rollbackHandler } from 'backstep/barrier'
import Database from 'better-sqlite3'

const [file, port] = process.argv.slice(2)
const db = new Database(file)
db.pragma('journal_mode = WAL')
db.pragma('synchronous = FULL')
db.exec('CREATE TABLE IF NOT EXISTS bookings (id INTEGER PRIMARY KEY, destination TEXT NOT NULL)')

const guard = barrier(db)
const commit = commitHandler(guard, ({ to }) => {
  if (to === 'NOWHERE') throw new Rejected('there is no flight to NOWHERE')
  return { id: db.prepare('INSERT INTO bookings (destination) VALUES (?)').run(to).lastInsertRowid, to }
})
const rollback = rollbackHandler(guard, ({ id }) => ({
  released: db.prepare('DELETE FROM bookings WHERE id = ?').run(id).changes,
}))

const server = createServer((request, response) => {
  if (request.method === 'POST') return void commit(request, response)
  if (request.method === 'DELETE') return void rollback(request, response)
  response.end(JSON.stringify(db.prepare('SELECT destination FROM bookings').pluck().all()))
})
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`flights on http://127.0.0.1:${server.address().port}/flights\n`)
})
