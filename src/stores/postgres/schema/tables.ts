/**
 * The tables of the first schema. All of it is in one schema of ours, which the functions find by their `search_path`.
 *
 * Invariants
 * - `sagas` is a summary without payloads; the truth is in `journal`, as JSON text: jsonb refuses NUL, and would reorder.
 * - A saga with keys has one row in `wants` for each of them until it is done (see store/admission.ts for `place`).
 * - Texts are compared by their bytes, whatever the database's locale is. Ids and keys are stored as text.ts writes them.
 * - Numbers and tokens come from sequences: neither is ever given twice, whatever is rolled back or pruned.
 * - `keys` is null for a saga that overlaps with no other, and stays when it ends: a late one takes them again.
 * - Few indexes: each costs a write for each saga. Only `by_id`, the primary keys and `holding` are written in the usual life of one.
 */
export const tables = `
  CREATE TABLE line (one boolean PRIMARY KEY CHECK (one));
  INSERT INTO line VALUES (true);

  CREATE SEQUENCE numbers;
  CREATE SEQUENCE tokens;
  CREATE SEQUENCE turns;

  CREATE TABLE sessions (
    s bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch integer NOT NULL,
    seen timestamptz NOT NULL DEFAULT now()
  ) WITH (fillfactor = 50);

  CREATE TABLE definitions (
    d integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text COLLATE "C" NOT NULL UNIQUE,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    shape text COLLATE "C" NOT NULL,
    offered boolean NOT NULL DEFAULT false
  );

  CREATE TABLE sagas (
    n bigint PRIMARY KEY,
    token bigint NOT NULL,
    submitted_at bigint NOT NULL,
    ended_at bigint,
    place bigint,
    owner bigint,
    due bigint,
    deadline bigint,
    d integer NOT NULL,
    status smallint NOT NULL,
    stage smallint NOT NULL,
    stuck boolean NOT NULL DEFAULT false,
    late boolean NOT NULL DEFAULT false,
    awake boolean NOT NULL,
    id text COLLATE "C" NOT NULL,
    keys text[] COLLATE "C"
  ) WITH (fillfactor = 85);
  CREATE UNIQUE INDEX by_id ON sagas (id);
  CREATE INDEX holding ON sagas (d, owner, due) WHERE stage = 1;
  CREATE INDEX waiting ON sagas (d, n) WHERE stage = 0 AND keys IS NOT NULL;
  CREATE INDEX alone ON sagas (stage, d, n) WHERE stage < 2 AND keys IS NULL;
  CREATE INDEX awake ON sagas (d, n) WHERE awake;
  CREATE INDEX deadlines ON sagas (d, deadline) WHERE stage = 0 AND deadline IS NOT NULL;
  CREATE INDEX overdue ON sagas (owner) WHERE stage = 0 AND owner IS NOT NULL;
  CREATE INDEX stuck ON sagas (stage) WHERE stuck;
  CREATE INDEX late ON sagas (n) WHERE late;

  CREATE TABLE journal (
    n bigint NOT NULL,
    at bigint NOT NULL,
    seq integer NOT NULL,
    entries text NOT NULL,
    PRIMARY KEY (n, seq)
  );

  CREATE TABLE wants (
    place bigint NOT NULL,
    n bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (key, place, n)
  );

  CREATE TABLE workers (
    w bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    s bigint NOT NULL,
    lease_until bigint NOT NULL,
    dead boolean NOT NULL,
    worker text COLLATE "C" NOT NULL UNIQUE
  ) WITH (fillfactor = 50);
  CREATE INDEX by_session ON workers (s);
  CREATE TABLE offers (w bigint NOT NULL, d integer NOT NULL, PRIMARY KEY (w, d));
  CREATE TABLE notices (w bigint NOT NULL, n bigint NOT NULL, PRIMARY KEY (w, n));
  CREATE TABLE ripples (cause bigint NOT NULL, after bigint NOT NULL, key text COLLATE "C" NOT NULL, PRIMARY KEY (cause, key));

  CREATE TABLE tombstones (
    ended_at bigint NOT NULL,
    status smallint NOT NULL,
    id text COLLATE "C" PRIMARY KEY,
    input_hash text NOT NULL
  );

  /* How many have ended, as changes to be added up: a row that each flush updated would be a chain of a million versions
     behind one long transaction of somebody else. */
  CREATE TABLE ends (committed bigint NOT NULL, rolled_back bigint NOT NULL);
`
