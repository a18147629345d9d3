-- A store as version 1 left it: one saga of each kind. Made by hand once; never changed.
PRAGMA application_id = 1112757328;
PRAGMA user_version = 1;
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
INSERT INTO counters VALUES (1, 6, 4, 0, 1, 0, 1, 4);
INSERT INTO definitions VALUES (1, 'trip', '1', 'flight > hotel > payment!', 1);
INSERT INTO sagas VALUES (1, 'done', 1, 3, 2, 0, 0, 0, 0, 1, 1700000000000, 1700000000500, NULL, NULL, NULL, NULL, NULL);
INSERT INTO sagas VALUES (3, 'running', 1, 1, 1, 0, 0, 0, 0, 3, 1700000000000, NULL, 0, '["c"]', 1, NULL, NULL);
INSERT INTO sagas VALUES (4, 'parked', 1, 1, 1, 0, 0, 0, 0, 4, 1700000000000, NULL, 0, '["d"]', NULL, 1700000001000, NULL);
INSERT INTO sagas VALUES (5, 'queued', 1, 0, 0, 0, 0, 0, 1, 0, 1700000000000, NULL, 1, '["e"]', NULL, NULL, NULL);
INSERT INTO sagas VALUES (6, 'behind', 1, 0, 0, 0, 0, 0, 0, 0, 1700000000000, NULL, 1, '["c","e"]', NULL, NULL, NULL);
INSERT INTO journal VALUES (1, 0, 1700000000000, '[{"type":"submitted","uid":"uid-done","input":{"to":"LIS"},"keys":["a"]},{"type":"started","step":"flight","direction":"commit","attempt":1}]');
INSERT INTO journal VALUES (1, 1, 1700000000500, '[{"type":"ended","status":"committed"}]');
INSERT INTO journal VALUES (3, 0, 1700000000000, '[{"type":"submitted","uid":"uid-running","input":{"to":"LIS"},"keys":["c"]},{"type":"started","step":"flight","direction":"commit","attempt":1}]');
INSERT INTO journal VALUES (4, 0, 1700000000000, '[{"type":"submitted","uid":"uid-parked","input":{"to":"LIS"},"keys":["d"]},{"type":"started","step":"flight","direction":"commit","attempt":1}]');
INSERT INTO journal VALUES (4, 1, 1700000000500, '[{"type":"committed","step":"flight","attempt":1}]');
INSERT INTO journal VALUES (5, 0, 1700000000000, '[{"type":"submitted","uid":"uid-queued","input":{"to":"LIS"},"keys":["e"]}]');
INSERT INTO journal VALUES (6, 0, 1700000000000, '[{"type":"submitted","uid":"uid-behind","input":{"to":"LIS"},"keys":["c","e"]}]');
INSERT INTO wants VALUES ('c', 0, 3);
INSERT INTO wants VALUES ('c', 1, 6);
INSERT INTO wants VALUES ('d', 0, 4);
INSERT INTO wants VALUES ('e', 1, 5);
INSERT INTO wants VALUES ('e', 1, 6);
INSERT INTO workers VALUES (1, 'old', 1700000001000, 0);
INSERT INTO offers VALUES (1, 1);
INSERT INTO ripples VALUES (-1, '', 0);
INSERT INTO tombstones VALUES ('pruned', 'h', 3, 1700000000500);
