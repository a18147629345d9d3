/**
 * The schema, as numbered migrations. `user_version` says how many have been applied.
 *
 * Invariants
 * - A migration that has been released is never changed: a new one is added below it.
 * - `sagas` is a summary without payloads; the truth is in `journal`.
 * - A saga with keys has one row in `wants` for each of them until it is done (see admission.ts for `place`).
 * - Numbers and tokens come from `counters`, so neither is ever given twice, whatever is pruned.
 */

/** `BSTP`: marks a file as a Backstep store. */
export const applicationId = 0x42535450

export const migrations: readonly string[] = [
  `
  CREATE TABLE counters (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n INTEGER NOT NULL,
    token INTEGER NOT NULL,
    exclusive INTEGER NOT NULL,
    committed INTEGER NOT NULL,
    rolled_back INTEGER NOT NULL,
    pruned INTEGER NOT NULL,
    generation INTEGER NOT NULL
  );
  INSERT INTO counters VALUES (1, 0, 0, 0, 0, 0, 0, 1);

  CREATE TABLE definitions (
    d INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    shape TEXT NOT NULL,
    offered INTEGER NOT NULL,
    UNIQUE (name, version, shape)
  );

  CREATE TABLE sagas (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    d INTEGER NOT NULL,
    status INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    stuck INTEGER NOT NULL,
    late INTEGER NOT NULL,
    exclusive INTEGER NOT NULL,
    awake INTEGER NOT NULL,
    token INTEGER NOT NULL,
    submitted_at INTEGER NOT NULL,
    ended_at INTEGER,
    place INTEGER,
    keys TEXT,
    owner INTEGER,
    due INTEGER,
    deadline INTEGER
  );
  CREATE INDEX holding ON sagas (d, owner, due) WHERE stage = 1;
  CREATE INDEX waiting ON sagas (d, exclusive) WHERE stage = 0;
  CREATE INDEX awake ON sagas (d) WHERE awake = 1;
  CREATE INDEX deadlines ON sagas (d, deadline) WHERE stage = 0 AND deadline IS NOT NULL;
  CREATE INDEX stuck ON sagas (stage) WHERE stuck = 1;
  CREATE INDEX late ON sagas (late) WHERE late = 1;

  CREATE TABLE journal (
    n INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (n, seq)
  ) WITHOUT ROWID;

  CREATE TABLE wants (
    key TEXT NOT NULL,
    place INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (key, place, n)
  ) WITHOUT ROWID;

  CREATE TABLE workers (
    w INTEGER PRIMARY KEY AUTOINCREMENT,
    worker TEXT NOT NULL UNIQUE,
    lease_until INTEGER NOT NULL,
    dead INTEGER NOT NULL
  );
  CREATE TABLE offers (w INTEGER NOT NULL, d INTEGER NOT NULL, PRIMARY KEY (w, d)) WITHOUT ROWID;
  CREATE TABLE notices (w INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (w, n)) WITHOUT ROWID;
  CREATE TABLE ripples (
    cause INTEGER NOT NULL,
    key TEXT NOT NULL,
    after INTEGER NOT NULL,
    PRIMARY KEY (cause, key)
  ) WITHOUT ROWID;

  CREATE TABLE tombstones (
    id TEXT PRIMARY KEY,
    input_hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    ended_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
]
