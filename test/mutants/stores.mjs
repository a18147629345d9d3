/**
 * Breaks of how stores write: the conditions of an append, the flush to the disk, what is left of a pruned saga; and of the
 * barrier; see list.mjs.
 */
const memory = 'src/stores/memory/writes.ts'
const statements = 'src/stores/sqlite/statements.ts'
const connection = 'src/stores/sqlite/connection.ts'
const database = 'src/stores/sqlite/database.ts'
const flush = 'src/stores/postgres/schema/flush.ts'

const owners = `AND g.owner = ANY (ARRAY(SELECT k.w FROM workers k WHERE k.s = session AND NOT k.dead))`

export const stores = [
  {
    name: 'token-unchecked-memory',
    promise: 'P6',
    breaks: 'a superseded owner writes on',
    edits: [
      {
        file: memory,
        from: 'if (token !== null && token !== saga.token) return superseded',
        to: '',
      },
    ],
    tests: ['test/store/memory.test.ts'],
  },
  {
    name: 'token-unchecked-sqlite',
    promise: 'P6',
    breaks: 'a superseded owner writes on',
    edits: [
      {
        file: statements,
        from: '((SELECT n FROM sagas WHERE n = ? AND token = ?), (SELECT',
        to: '((SELECT n FROM sagas WHERE n = ? AND ? >= 0), (SELECT',
      },
    ],
    tests: ['test/store/sqlite.test.ts'],
  },
  {
    name: 'token-unchecked-postgres',
    promise: 'P6',
    breaks: 'a superseded owner writes on',
    edits: [
      {
        file: flush,
        from: `SELECT g.token = a.token ${owners}`,
        to: 'SELECT true',
      },
      {
        file: flush,
        from: 'SELECT a.token = 0 OR s.token = a.token AND (own IS NULL OR s.owner = ANY (own)) FROM',
        to: 'SELECT true FROM',
      },
    ],
    tests: ['test/store/postgres.test.ts'],
  },
  {
    name: 'seq-unchecked-memory',
    promise: 'P6',
    breaks: 'an append lands wherever it says, over facts that somebody else added',
    edits: [
      {
        file: memory,
        from: 'if (seq !== (replace ? chunks.length - 1 : chunks.length)) {',
        to: 'if (false) {',
      },
    ],
    tests: ['test/store/memory.test.ts'],
  },
  {
    name: 'seq-unchecked-sqlite',
    promise: 'P6',
    breaks: 'an append lands at the end, whatever it follows',
    edits: [
      {
        file: statements,
        from: 'WHERE n = ? AND token = ?), (SELECT seq + 1 FROM journal WHERE n = ? AND seq = ?), ?, ?)`',
        to: 'WHERE n = ? AND token = ?), (SELECT max(seq) + 1 FROM journal WHERE n = ? AND ? >= 0), ?, ?)`',
      },
    ],
    tests: ['test/store/sqlite.test.ts'],
  },
  {
    name: 'seq-unchecked-postgres',
    promise: 'P6',
    breaks: 'an append lands over a gap',
    edits: [
      {
        file: flush,
        from: `        AND (SELECT j.seq FROM journal j WHERE j.n = a.n ORDER BY j.seq DESC LIMIT 1) = a.seq - 1\n      RETURNING n`,
        to: '      RETURNING n',
      },
      {
        file: flush,
        from: `      AND (SELECT j.seq FROM journal j WHERE j.n = a.n ORDER BY j.seq DESC LIMIT 1) = a.seq - 1;`,
        to: ';',
      },
    ],
    tests: ['test/store/postgres.test.ts'],
  },
  {
    name: 'fsync-skipped',
    promise: 'P1',
    breaks: 'synchronous=NORMAL: commits that were answered are lost at a power cut',
    edits: [
      { file: connection, from: "db.pragma('synchronous = FULL')", to: "db.pragma('synchronous = NORMAL')" },
      {
        file: connection,
        from: "const wanted = ['wal', 2, busyTimeout, checkpointPages]",
        to: "const wanted = ['wal', 1, busyTimeout, checkpointPages]",
      },
    ],
    tests: ['test/power/power.test.ts', 'test/store/sqlite-file.test.ts'],
  },
  {
    name: 'pragmas-not-read-back',
    promise: 'P1',
    breaks: 'a driver that does not accept WAL or FULL is trusted',
    edits: [
      {
        file: connection,
        from: 'if (wanted.some((value, i) => value !== readBack[i])) {',
        to: 'if (false) {',
      },
    ],
    tests: ['test/store/sqlite-file.test.ts', 'test/store/sqlite-failures.test.ts'],
  },
  {
    name: 'believes-after-a-failed-fsync',
    promise: 'P1',
    breaks: 'after a failed fsync the same connection goes on, from pages that the disk may not have',
    edits: [
      {
        file: database,
        from: '        this.#isSuspicious = true\n        this.#open?.connection.abandon()\n        this.#open = undefined\n',
        to: '',
      },
    ],
    tests: ['test/store/sqlite-failures.test.ts', 'test/faults/disk-faults.test.ts'],
  },
  {
    name: 'one-bad-write-spoils-the-flush',
    promise: 'P8',
    breaks: 'a write that fails by its own data takes its whole flush with it',
    edits: [
      {
        file: database,
        from: 'if (isCareful || isStoreWide(error)) throw error\n      return undefined',
        to: 'throw error',
      },
    ],
    tests: ['test/store/sqlite.test.ts', 'test/store/sqlite-failures.test.ts'],
  },
  {
    name: 'no-tombstone-memory',
    promise: 'P1',
    breaks: 'a late duplicate of a pruned saga runs again',
    edits: [{ file: memory, from: 'state.tombstones.set(id, { id, inputHash, status, endedAt })', to: '' }],
    tests: ['test/store/memory.test.ts'],
  },
  {
    name: 'no-tombstone-sqlite',
    promise: 'P1',
    breaks: 'a late duplicate of a pruned saga runs again',
    edits: [
      {
        file: 'src/stores/sqlite/append.ts',
        from: 'sql.insertTombstone.run(row.id, inputHash, row.status, row.ended_at)',
        to: '',
      },
    ],
    tests: ['test/store/sqlite.test.ts'],
  },
  {
    name: 'no-tombstone-postgres',
    promise: 'P1',
    breaks: 'a late duplicate of a pruned saga runs again',
    edits: [
      {
        file: 'src/stores/postgres/schema/summaries.ts',
        from: `    INSERT INTO tombstones (id, input_hash, status, ended_at) VALUES (r.id, hash, r.status, r.ended_at)
    ON CONFLICT (id) DO UPDATE SET input_hash = hash, status = excluded.status, ended_at = excluded.ended_at;`,
        to: '',
      },
    ],
    tests: ['test/store/postgres.test.ts'],
  },
  {
    name: 'barrier-lets-a-late-commit-in',
    promise: 'barrier',
    breaks: 'a commit that comes after its rollback takes effect',
    edits: [
      {
        file: 'src/barrier/sqlite.ts',
        from: "if (row.state === 'rolled_back') throw new CommitAfterRollbackError(commitKey, step)",
        to: "if (row.state === 'rolled_back') return synchronous(effect(this.#db))",
      },
    ],
    tests: ['test/barrier/barrier.test.ts'],
  },
  {
    name: 'barrier-forgets-an-early-rollback',
    promise: 'barrier',
    breaks: 'a rollback that comes before its commit leaves nothing that would refuse it',
    edits: [
      {
        file: 'src/barrier/sqlite.ts',
        from: "if (this.#sql.insert.run(commitKey, 'rolled_back').changes > 0) return undefined",
        to: 'if (this.#row(commitKey) === undefined) return undefined',
      },
    ],
    tests: ['test/barrier/barrier.test.ts'],
  },
  {
    name: 'barrier-lets-a-late-commit-in-postgres',
    promise: 'barrier',
    breaks: 'a commit that comes after its rollback takes effect',
    edits: [
      {
        file: 'src/barrier/postgres.ts',
        from: "if (row.state === 'rolled_back') throw new CommitAfterRollbackError(one.call.commitKey, one.call.step)",
        to: "if (row.state === 'rolled_back') return (await one.record(sql.setAnswer, (tx) => effect(tx as Tx))) as Answer",
      },
    ],
    tests: ['test/barrier/postgres.test.ts'],
  },
  {
    name: 'asynchronous-commit-postgres',
    promise: 'P1',
    breaks: 'a database with synchronous_commit=off answers before its disk has what it answers',
    edits: [
      {
        file: flush,
        from: "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END",
        to: "current_setting('synchronous_commit')",
      },
    ],
    tests: ['test/store/postgres-synchronous.test.ts'],
  },
  {
    name: 'old-connection-not-fenced-postgres',
    promise: 'P6',
    breaks: 'a flush that an old connection left behind lands beside the one that was sent again',
    edits: [
      {
        file: flush,
        from: 'UPDATE sessions SET epoch = epoch + 1, seen = now() WHERE s = session RETURNING * INTO me;',
        to: 'UPDATE sessions SET seen = now() WHERE s = session RETURNING * INTO me;',
      },
    ],
    tests: ['test/store/postgres-failures.test.ts', 'test/postgres/cuts.test.ts'],
  },
]
