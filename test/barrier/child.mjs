/**
 * A participant in a process of its own, for the tests that race two of them and that kill one.
 *
 *   node child.mjs race <file> <first|last> <calls>    one call per step, commits or rollbacks; prints the answers
 *   node child.mjs die <file> <effect|answer>          dies by SIGKILL after its effect, or after its COMMIT
 */
import { barrier } from 'backstep/barrier'
import Database from 'better-sqlite3'

const [mode, file, what, calls] = process.argv.slice(2)
const db = new Database(file)
db.pragma('journal_mode = WAL')
const guard = barrier(db)
const uid = '019a0000-0000-7000-8000-000000000001'
const insert = db.prepare('INSERT INTO effects (what) VALUES (?)')
const remove = db.prepare('DELETE FROM effects WHERE id = ?')
const book = (text) => ({ id: Number(insert.run(text).lastInsertRowid), pid: process.pid })
const die = () => process.kill(process.pid, 'SIGKILL')

function commit(step) {
  return guard.commit({ idempotencyKey: `${uid}:${step}:commit`, token: 1 }, () => book(step))
}

function rollback(step) {
  const undo = ({ id }) => remove.run(id).changes
  return guard.rollback({ idempotencyKey: `${uid}:${step}:rollback`, token: 1 }, undo) ?? null
}

/** Leaves the lock free for a moment: SQLite's waiters look again only every few ms, and would not get in before the end. */
const breathe = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)

/** Neither begins before both are there: on a busy machine one could be done before the other is scheduled. */
function meet() {
  db.exec('CREATE TABLE IF NOT EXISTS there (pid INTEGER)')
  db.prepare('INSERT INTO there VALUES (?)').run(process.pid)
  const count = db.prepare('SELECT count(*) FROM there').pluck()
  while (count.get() < 2) breathe()
}

function race() {
  const answers = []
  meet()
  for (let step = 0; step < Number(calls); step++) {
    breathe()
    try {
      answers.push(what === 'commit' ? commit(`s${step}`) : rollback(`s${step}`))
    } catch (error) {
      answers.push(error.code)
    }
  }
  process.stdout.write(JSON.stringify(answers))
}

function dieWithin() {
  guard.commit({ idempotencyKey: `${uid}:flight:commit`, token: 1 }, () => {
    const answer = book('flight')
    if (what === 'effect') die()
    return answer
  })
  die()
}

if (mode === 'race') {
  process.stdout.write('ready\n')
  process.stdin.once('data', () => {
    race()
    process.stdin.destroy()
  })
} else {
  dieWithin()
}
