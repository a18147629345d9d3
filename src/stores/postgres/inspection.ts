/**
 * Is the data whole? What `doctor` asks. Reads all of it, and changes nothing.
 *
 * Invariant
 * - Each check states one invariant of the schema (see schema/tables.ts) and finds the rows that break it.
 */
interface Check {
  readonly says: string
  /** Gives one row for each that is wrong. */
  readonly sql: string
}

const checksOf = (s: string): readonly Check[] => [
  {
    says: 'journals with a gap',
    sql: `SELECT n FROM ${s}.journal GROUP BY n HAVING max(seq) <> count(*) - 1 OR min(seq) <> 0`,
  },
  {
    says: 'sagas without a journal',
    sql: `SELECT s.n FROM ${s}.sagas s WHERE NOT EXISTS (SELECT FROM ${s}.journal j WHERE j.n = s.n AND j.seq = 0)`,
  },
  {
    says: 'journals without a saga',
    sql: `SELECT j.n FROM ${s}.journal j WHERE j.seq = 0 AND NOT EXISTS (SELECT FROM ${s}.sagas s WHERE s.n = j.n)`,
  },
  {
    says: 'keys that two sagas hold',
    sql: `SELECT min(n) FROM ${s}.wants WHERE place = 0 GROUP BY key HAVING count(*) > 1`,
  },
  {
    says: 'sagas without keys that do not hold alone',
    sql: `SELECT n FROM ${s}.sagas WHERE stage = 1 AND keys IS NULL AND (SELECT count(*) FROM ${s}.sagas WHERE stage = 1) > 1`,
  },
  {
    says: 'unfinished sagas that miss a key, or ended ones that kept one',
    sql: `SELECT n FROM (
        SELECT s.n, k.key, CASE s.stage WHEN 1 THEN 0 ELSE s.place END AS place FROM ${s}.sagas s, unnest(s.keys) k (key) WHERE s.stage < 2
        EXCEPT SELECT n, key, place FROM ${s}.wants) x
      UNION SELECT w.n FROM ${s}.wants w WHERE NOT EXISTS (SELECT FROM ${s}.sagas s WHERE s.n = w.n AND s.stage < 2)`,
  },
  {
    says: 'counts that differ from what they count',
    sql: `SELECT 0 FROM (SELECT coalesce(sum(committed), 0) AS good, coalesce(sum(rolled_back), 0) AS bad FROM ${s}.ends) e
      WHERE good <> (SELECT count(*) FROM ${s}.sagas WHERE stage = 2 AND status = 3)
        OR bad <> (SELECT count(*) FROM ${s}.sagas WHERE stage = 2 AND status = 4)`,
  },
]

/** What is wrong, in words; empty if nothing is. `schema` is quoted. */
export async function inconsistencies(
  schema: string,
  query: (text: string) => Promise<readonly (readonly (string | null)[])[]>,
): Promise<string[]> {
  const problems: string[] = []
  for (const { says, sql } of checksOf(schema)) {
    const found = (await query(`SELECT n FROM (${sql}) x (n) LIMIT 6`)).map(([n]) => n)
    if (found.length > 0)
      problems.push(`${says}: ${found.slice(0, 5).join(', ')}${found.length > 5 ? ' …' : ''}`)
  }
  return problems
}
