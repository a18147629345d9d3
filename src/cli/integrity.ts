/**
 * Checks the pages of a SQLite file, as a process of its own: the check of a large file takes seconds that nothing could
 * interrupt, and a process can be killed.
 *
 * Invariant: the file is opened read-only. stdout is a JSON array of what is wrong with it.
 */
import Database from 'better-sqlite3'

const db = new Database(String(process.argv[2]), { readonly: true, fileMustExist: true })
try {
  const lines = db.prepare<[], string>('PRAGMA quick_check(20)').pluck().all()
  process.stdout.write(JSON.stringify(lines.filter((line) => line !== 'ok')))
} finally {
  db.close()
}
