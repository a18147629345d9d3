/**
 * Is the file whole? What `doctor` asks. Reads all of it, and changes nothing.
 *
 * Invariant
 * - Each check states one invariant of the schema (see migrations.ts) and finds the rows that break it.
 */
import type { Database as Driver } from 'better-sqlite3'

interface Check {
  readonly says: string
  /** Gives one row for each that is wrong. */
  readonly sql: string
}

const checks: readonly Check[] = [
  {
    says: 'journals with a gap',
    sql: 'SELECT n FROM journal GROUP BY n HAVING max(seq) <> count(*) - 1 OR min(seq) <> 0',
  },
  {
    says: 'sagas without a journal',
    sql: 'SELECT n FROM sagas WHERE NOT EXISTS (SELECT 1 FROM journal WHERE journal.n = sagas.n AND seq = 0)',
  },
  {
    says: 'journals without a saga',
    sql: 'SELECT n FROM journal WHERE seq = 0 AND NOT EXISTS (SELECT 1 FROM sagas WHERE sagas.n = journal.n)',
  },
  {
    says: 'keys that two sagas hold',
    sql: 'SELECT min(n) FROM wants WHERE place = 0 GROUP BY key HAVING count(*) > 1',
  },
  {
    says: 'sagas without keys that do not hold alone',
    sql: 'SELECT n FROM sagas WHERE stage = 1 AND exclusive = 1 AND (SELECT count(*) FROM sagas WHERE stage = 1) > 1',
  },
  {
    says: 'unfinished sagas that miss a key, or ended ones that kept one',
    sql: `SELECT n FROM
      (SELECT n, value AS key, CASE stage WHEN 1 THEN 0 ELSE place END AS place
       FROM sagas, json_each(keys) WHERE stage < 2 AND exclusive = 0
       EXCEPT SELECT n, key, place FROM wants)
      UNION SELECT n FROM wants WHERE NOT EXISTS (SELECT 1 FROM sagas WHERE sagas.n = wants.n AND stage < 2)`,
  },
  {
    says: 'counters that differ from what they count',
    sql: `SELECT 0 FROM counters WHERE
      exclusive <> (SELECT count(*) FROM sagas WHERE stage < 2 AND exclusive = 1) OR
      committed <> (SELECT count(*) FROM sagas WHERE stage = 2 AND status = 3) OR
      rolled_back <> (SELECT count(*) FROM sagas WHERE stage = 2 AND status = 4) OR
      n < (SELECT ifnull(max(n), 0) FROM sagas) OR token < (SELECT ifnull(max(token), 0) FROM sagas)`,
  },
]

/** What is wrong, in words; empty if nothing is. */
export function inconsistencies(db: Driver): string[] {
  const damage = db.prepare<[], string>('PRAGMA quick_check(5)').pluck().all()
  if (damage.some((line) => line !== 'ok')) return damage.map((line) => `the file is damaged: ${line}`)
  return checks.flatMap(({ says, sql }) => {
    const found = db.prepare<[], number>(`SELECT * FROM (${sql}) LIMIT 6`).pluck().all()
    return found.length === 0
      ? []
      : [`${says}: ${found.slice(0, 5).join(', ')}${found.length > 5 ? ' …' : ''}`]
  })
}
