/**
 * The flush: all writes of a process that are ready, as one statement, which is one transaction and one round trip.
 *
 * The line
 *   Whatever admission looks at changes only under the lock of one row, `line`: submits, ends, parking, facts, claims that give, joins,
 *   leaves. It is what SQLite's single writer is, and makes the fleet's order and keys as easy to prove. What it costs: such
 *   flushes of all processes follow each other, commit by commit. That bounds the flushes per second (by about one fsync each), not
 *   the sagas: while a process waits, its next flush grows. An owner's plain appends, the most of all writes, never stand in the line.
 *
 * Sessions
 *   Each store object has a row in sessions, and names it and its epoch with every flush. The flush locks the row FOR KEY SHARE.
 *   A. Taking over needs a dead worker, and calling one dead needs his session FOR UPDATE: so between the check of a token and
 *      the commit nobody can be taken over. An expired lease alone takes nothing away.
 *   B. A connection that broke may have left a statement behind that still runs, or is still on its way. Before anything is sent
 *      again, fence_1 locks the row FOR UPDATE, which waits for what runs, and raises the epoch, by which what comes later is refused.
 *
 * Order of locks (no cycle)
 *   1. own session; sessions of other stores whose workers are sent away, by number
 *   2. chunks that are replaced or that a fact follows, by saga
 *   3. new chunks, by saga (two that add the same chunk wait for each other at the unique index)
 *   4. the line
 *   5. rows of sagas, wants, workers, only by the holder of the line, and sessions, only with SKIP LOCKED. (A renewal locks its row
 *      of workers and nothing else. A submit in a user's transaction locks what is new.)
 *   Two rare cases wait the wrong way round, and are ended by the timeout of locks and repeated: an append by one whose worker is
 *   dead but whose saga nobody has taken (its chunk comes after the line); and a submit of an id that an open user's transaction has
 *   taken, which waits for a moment only, and is then sent again apart from the others (see flusher.ts).
 *
 * Plans
 *   They are kept for as long as a connection lives, and made when tables are empty or statistics old: so whatever does not go by an
 *   index is forbidden, in the functions' own settings. Before PostgreSQL 18 what is forbidden costs so much, where there is no
 *   other way, that the compiler (jit) would be called for it: half a second for a claim. It is off, too.
 *
 * Invariants
 * - Everything is checked by a fresh look after the lock that protects it: each statement below has a snapshot of its own, which is
 *   true under READ COMMITTED only.
 * - A saga occurs at most once among the appends, replaces and prunes of a flush (the sender sees to it), sorted by number.
 * - What was landed already by the same flush, sent before, is answered as it was then.
 */
export const flush = `
  CREATE FUNCTION fence_1(session bigint) RETURNS text LANGUAGE plpgsql
  SET search_path = :schema SET lock_timeout = '5s' AS $$
  DECLARE
    me sessions;
  BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'backstep needs the isolation level read committed, this connection has %', current_setting('transaction_isolation')
        USING ERRCODE = 'BK002';
    END IF;
    SELECT * INTO me FROM sessions WHERE s = session FOR UPDATE;
    IF FOUND THEN
      UPDATE sessions SET epoch = epoch + 1, seen = now() WHERE s = session RETURNING * INTO me;
    ELSE
      DELETE FROM sessions x WHERE seen < now() - interval '7 days' AND NOT EXISTS (SELECT FROM workers k WHERE k.s = x.s);
      INSERT INTO sessions (epoch) VALUES (1) RETURNING * INTO me;
    END IF;
    RETURN me.s || ' ' || me.epoch;
  END $$;

  CREATE FUNCTION intern_1(hash text, its_name text, its_version text, its_shape text) RETURNS integer LANGUAGE plpgsql
  SET search_path = :schema SET lock_timeout = '5s' AS $$
  DECLARE
    def integer;
  BEGIN
    SELECT d INTO def FROM definitions WHERE digest = hash;
    IF FOUND THEN RETURN def; END IF;
    INSERT INTO definitions (digest, name, version, shape) VALUES (hash, its_name, its_version, its_shape) ON CONFLICT DO NOTHING;
    SELECT d INTO def FROM definitions WHERE digest = hash;
    RETURN def;
  END $$;

  /* Appends where the saga's token is this one and the chunk is the next. */
  CREATE FUNCTION add_1(ns bigint[], tokens bigint[], seqs integer[], ats bigint[], texts text[], own bigint[], OUT landed bigint[])
  LANGUAGE plpgsql AS $$
  BEGIN
    WITH new AS (
      INSERT INTO journal (n, seq, at, entries)
      SELECT a.n, a.seq, a.at, a.entries FROM unnest(ns, tokens, seqs, ats, texts) a (n, token, seq, at, entries)
      WHERE (SELECT a.token = 0 OR s.token = a.token AND (own IS NULL OR s.owner = ANY (own)) FROM sagas s WHERE s.n = a.n)
        AND (SELECT j.seq FROM journal j WHERE j.n = a.n ORDER BY j.seq DESC LIMIT 1) = a.seq - 1
      RETURNING n
    ) SELECT array_agg(n) INTO landed FROM new;
  END $$;

  /* Overwrites last chunks, whose rows are locked already. One element: [n, token, seq, at, entries]. */
  CREATE FUNCTION replace_1(chunks json, own bigint[], OUT landed bigint[]) LANGUAGE sql AS $$
    WITH new AS (
      UPDATE journal j SET at = (r->>3)::bigint, entries = r->>4 FROM json_array_elements(chunks) r
      WHERE j.n = (r->>0)::bigint AND j.seq = (r->>2)::integer
        AND EXISTS (SELECT FROM sagas s WHERE s.n = j.n AND ((r->>1)::bigint = 0
          OR s.token = (r->>1)::bigint AND (own IS NULL OR s.owner = ANY (own))))
        AND NOT EXISTS (SELECT FROM journal k WHERE k.n = j.n AND k.seq = j.seq + 1)
      RETURNING j.n
    ) SELECT array_agg(n) FROM new $$;

  /* Of each append: 0 landed (now or before), 1 superseded, 2 conflict. */
  CREATE FUNCTION why_1(ns bigint[], tokens bigint[], seqs integer[], ats bigint[], texts text[], landed bigint[]) RETURNS text
  LANGUAGE sql STABLE AS $$
    SELECT json_agg(CASE
      WHEN a.n = ANY (landed) THEN 0
      WHEN a.token <> 0 AND NOT EXISTS (SELECT FROM sagas s WHERE s.n = a.n AND s.token = a.token) THEN 1
      WHEN EXISTS (SELECT FROM journal j WHERE j.n = a.n AND j.seq = a.seq AND j.at = a.at AND j.entries = a.entries) THEN 0
      ELSE 2 END ORDER BY a.i)::text
    FROM unnest(ns, tokens, seqs, ats, texts) WITH ORDINALITY a (n, token, seq, at, entries, i) $$;

  /* A connection may die between the statement and the message that commits it: then the server waits for that one, with all locks,
     and none of its other timeouts runs. PostgreSQL 17 can bound this; before, it is over when TCP gives up (see connections.ts). */
  CREATE FUNCTION bound_1() RETURNS text LANGUAGE sql VOLATILE AS
    $$ SELECT CASE WHEN current_setting('server_version_num')::integer >= 170000
      THEN set_config('transaction_timeout', '20s', true) END $$;

  /* The usual flush of an owner: appends that change no row. The same as flush_1 does with them, with a third of the expressions that
     plpgsql has to set up in each transaction. Not true: some did not land, or something is not as usual; flush_1 says what. */
  CREATE FUNCTION append_1(session bigint, session_epoch integer, a_n bigint[], a_token bigint[], a_seq integer[], a_at bigint[],
    a_entries text) RETURNS boolean LANGUAGE plpgsql
  SET search_path = :schema SET lock_timeout = '5s'
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
  SET plan_cache_mode = force_generic_plan SET jit = off AS $$
  DECLARE
    many integer;
  BEGIN
    PERFORM set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true),
      bound_1()
    FROM sessions WHERE s = session AND epoch = session_epoch AND current_setting('transaction_isolation') = 'read committed' FOR KEY SHARE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    INSERT INTO journal (n, seq, at, entries)
    SELECT a.n, a.seq, a.at, a.entries
    FROM unnest(a_n, a_token, a_seq, a_at, string_to_array(a_entries, chr(10))) a (n, token, seq, at, entries)
    WHERE (SELECT g.token = a.token AND g.owner = ANY (ARRAY(SELECT k.w FROM workers k WHERE k.s = session AND NOT k.dead))
        FROM sagas g WHERE g.n = a.n)
      AND (SELECT j.seq FROM journal j WHERE j.n = a.n ORDER BY j.seq DESC LIMIT 1) = a.seq - 1;
    GET DIAGNOSTICS many = ROW_COUNT;
    RETURN many = cardinality(a_n);
  END $$;

  CREATE FUNCTION flush_1(
    session bigint, session_epoch integer,
    desk text,
    a_n bigint[], a_token bigint[], a_seq integer[], a_at bigint[], a_entries text, facts bigint[],
    replaced text,
    e_n bigint[], e_status integer[], e_at bigint[],
    f_n bigint[], f_status integer[],
    sums text, prunes text,
    s_id text, s_d integer[], s_keys text, s_deadline bigint[], s_at bigint[], s_entries text, s_start text,
    r_end integer[], r_alone boolean[], r_starter text, s_alike integer[], specials text,
    c_worker text, c_most integer[],
    OUT o_desk text, OUT o_appends text, OUT o_replaced text, OUT o_prunes text,
    OUT o_ns text, OUT o_tokens text, OUT o_taken text, OUT o_claims text, OUT o_woke boolean
  ) LANGUAGE plpgsql
  SET search_path = :schema SET lock_timeout = '5s'
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
  SET plan_cache_mode = force_generic_plan SET jit = off AS $$
  DECLARE
    own bigint[];
    landed bigint[];
    got bigint[];
    left_over bigint[];
    all_landed boolean := true;
    texts text[];
    chunks json := replaced::json;
    x record;
    ids text[];
    wanted text[];
    entries text[];
    starts text[];
    starters text[];
    ns bigint[] := '{}';
    tokens bigint[] := '{}';
    low integer := 1;
    high integer;
    claimers text[];
    in_line boolean;
    told boolean := false;
  BEGIN
    o_woke := false;
    PERFORM bound_1();
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'backstep needs the isolation level read committed, this connection has %', current_setting('transaction_isolation')
        USING ERRCODE = 'BK002';
    END IF;
    IF c_worker IS NOT NULL THEN
      claimers := string_to_array(c_worker, chr(10));
      IF num_nonnulls(desk, a_n, replaced, prunes, s_id) = 0 THEN
        o_claims := idle_all_1(claimers, c_most);
        IF o_claims IS NOT NULL THEN RETURN; END IF;
      END IF;
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN PERFORM set_config('synchronous_commit', 'on', true); END IF;

    PERFORM FROM sessions WHERE s = session AND epoch = session_epoch FOR KEY SHARE;
    IF NOT FOUND THEN RAISE EXCEPTION 'this session has ended' USING ERRCODE = 'BK001'; END IF;
    IF desk IS NOT NULL THEN
      PERFORM FROM sessions z WHERE z.s <> session AND z.s IN (SELECT k.s FROM workers k, json_array_elements(desk::json) c
        WHERE c->>0 = 'leave' AND k.worker = c->>1) ORDER BY z.s FOR UPDATE;
    END IF;

    IF a_n IS NOT NULL OR chunks IS NOT NULL THEN
      own := ARRAY(SELECT w FROM workers WHERE s = session AND NOT dead);
      texts := string_to_array(a_entries, chr(10));
      IF facts IS NOT NULL OR chunks IS NOT NULL THEN
        PERFORM FROM journal j WHERE (j.n, j.seq) IN (
          SELECT (r->>0)::bigint, (r->>2)::integer FROM json_array_elements(chunks) r
          UNION ALL SELECT a.n, a.seq - 1 FROM unnest(a_n, a_token, a_seq) a (n, token, seq) WHERE a.token = 0
        ) ORDER BY j.n FOR NO KEY UPDATE;
      END IF;
      IF chunks IS NOT NULL THEN landed := replace_1(chunks, own); END IF;
      IF a_n IS NOT NULL THEN landed := coalesce(landed, '{}') || add_1(a_n, a_token, a_seq, a_at, texts, own); END IF;
      all_landed := coalesce(cardinality(landed), 0) = coalesce(cardinality(a_n), 0) + coalesce(json_array_length(chunks), 0);
      IF NOT all_landed THEN
        SELECT array_agg(s.n) INTO left_over FROM (
          SELECT n, token FROM unnest(a_n, a_token) a (n, token)
          UNION ALL SELECT (r->>0)::bigint, (r->>1)::bigint FROM json_array_elements(chunks) r
        ) a JOIN sagas s ON s.n = a.n AND s.token = a.token AND (s.owner = ANY (own)) IS NOT TRUE
        WHERE a.n <> ALL (coalesce(landed, '{}'));
      END IF;
    END IF;

    in_line := num_nonnulls(desk, facts, left_over, e_n, f_n, sums, prunes, s_id) > 0;
    IF NOT in_line AND claimers IS NOT NULL THEN
      o_claims := idle_all_1(claimers, c_most);
      in_line := o_claims IS NULL;
    END IF;
    IF in_line THEN
      PERFORM FROM line FOR UPDATE;
      /* Whoever is first waits for nobody for long: all others wait for him. */
      PERFORM set_config('lock_timeout', '500ms', true);
      PERFORM set_config('backstep.budget', '500', true);
    END IF;

    IF desk IS NOT NULL THEN
      SELECT json_agg(CASE c->>0
        WHEN 'join' THEN join_1(c->>1, (c->>2)::bigint, ARRAY(SELECT e::integer FROM json_array_elements_text(c->3) e), session)
        WHEN 'renew' THEN renew_1(c->>1, (c->>2)::bigint)
        ELSE leave_1(c->>1) END) INTO o_desk FROM json_array_elements(desk::json) c;
    END IF;

    IF left_over IS NOT NULL THEN
      IF a_n IS NOT NULL THEN
        landed := coalesce(landed, '{}') || late_1(a_n, a_token, a_seq, a_at, texts, left_over);
      END IF;
      IF chunks IS NOT NULL THEN
        SELECT replace_1(json_agg(r), NULL) INTO got FROM json_array_elements(chunks) r WHERE (r->>0)::bigint = ANY (left_over);
        landed := coalesce(landed, '{}') || got;
      END IF;
    END IF;
    IF NOT all_landed THEN
      o_appends := why_1(a_n, a_token, a_seq, a_at, texts, landed);
      SELECT why_1(array_agg((r->>0)::bigint), array_agg((r->>1)::bigint), array_agg((r->>2)::integer), array_agg((r->>3)::bigint),
        array_agg(r->>4), landed) INTO o_replaced FROM json_array_elements(chunks) r;
      e_status := ARRAY(SELECT e.status FROM unnest(e_n, e_status) e (n, status) WHERE e.n = ANY (landed));
      e_at := ARRAY(SELECT e.at FROM unnest(e_n, e_at) e (n, at) WHERE e.n = ANY (landed));
      e_n := ARRAY(SELECT e.n FROM unnest(e_n) e (n) WHERE e.n = ANY (landed));
      f_status := ARRAY(SELECT f.status FROM unnest(f_n, f_status) f (n, status) WHERE f.n = ANY (landed));
      f_n := ARRAY(SELECT f.n FROM unnest(f_n) f (n) WHERE f.n = ANY (landed));
      facts := ARRAY(SELECT f.n FROM unnest(facts) f (n) WHERE f.n = ANY (landed));
    END IF;
    IF facts IS NOT NULL THEN
      INSERT INTO notices (w, n) SELECT owner, n FROM sagas WHERE n = ANY (facts) AND owner IS NOT NULL ON CONFLICT DO NOTHING;
      told := FOUND;
    END IF;
    IF e_n IS NOT NULL THEN
      SELECT * INTO got, o_woke FROM end_holders_1(e_n, e_status, e_at);
      IF got IS NOT NULL THEN
        PERFORM summarise_1(e.n, e.status, 2, false, false, NULL, NULL, e.at, false)
        FROM unnest(e_n, e_status, e_at) e (n, status, at) WHERE e.n = ANY (got);
      END IF;
    END IF;
    IF f_n IS NOT NULL THEN
      WITH up AS (
        UPDATE sagas s SET status = f.status, stuck = false, late = false
        FROM unnest(f_n, f_status) f (n, status) WHERE s.n = f.n AND s.stage = 1 RETURNING s.n
      ) SELECT array_agg(n) INTO got FROM up;
      PERFORM summarise_1(f.n, f.status, 1, false, false, NULL, NULL, 0, false)
      FROM unnest(f_n, f_status) f (n, status) WHERE f.n <> ALL (coalesce(got, '{}'));
    END IF;
    IF sums IS NOT NULL THEN
      PERFORM summarise_1((c->>0)::bigint, (c->>1)::integer, (c->>2)::integer, (c->>3)::boolean, (c->>4)::boolean, (c->>5)::bigint,
        (c->>6)::integer, (c->>7)::bigint, (c->>8)::boolean)
      FROM json_array_elements(sums::json) c WHERE all_landed OR (c->>0)::bigint = ANY (landed);
    END IF;
    o_woke := o_woke OR told;
    IF prunes IS NOT NULL THEN
      SELECT json_agg(prune_1((c->>0)::bigint, c->>1)) INTO o_prunes FROM json_array_elements(prunes::json) c;
    END IF;

    IF s_id IS NOT NULL THEN
      ids := string_to_array(s_id, chr(10));
      wanted := string_to_array(s_keys, chr(10));
      entries := string_to_array(s_entries, chr(10));
      starts := string_to_array(s_start, chr(10));
      starters := string_to_array(r_starter, chr(10));
      FOR i IN 1..cardinality(r_end) LOOP
        high := r_end[i];
        IF r_alone[i] THEN
          SELECT * INTO x FROM submit_alone_1(ids[low:high], s_d[low:high], s_deadline[low:high], s_at[low:high],
            entries[low:high], starts[low:high], starters[i]);
        ELSE
          SELECT * INTO x FROM submit_keyed_1(ids[low:high], s_d[low:high], wanted[low:high], s_deadline[low:high], s_at[low:high],
            entries[low:high], starts[low:high], starters[i],
            ARRAY(SELECT e - low + 1 FROM unnest(s_alike) e WHERE e BETWEEN low AND high));
        END IF;
        ns := ns || x.ns;
        tokens := tokens || x.started;
        low := high + 1;
      END LOOP;
      IF array_position(tokens, NULL) IS NOT NULL THEN o_taken := taken_1(ids, ns); END IF;
      IF specials IS NOT NULL THEN
        PERFORM summarise_1(ns[(c->>0)::integer], (c->>1)::integer, (c->>2)::integer, (c->>3)::boolean, (c->>4)::boolean,
          (c->>5)::bigint, NULL, (c->>7)::bigint, false)
        FROM json_array_elements(specials::json) c WHERE tokens[(c->>0)::integer] > 0;
      END IF;
      o_ns := array_to_string(ns, ',');
      o_tokens := array_to_string(tokens, ',', '-1');
    END IF;

    IF in_line AND claimers IS NOT NULL THEN
      FOR i IN 1..cardinality(claimers) LOOP
        o_claims := coalesce(o_claims || ',', '[') || claim_1(claimers[i], c_most[i]);
      END LOOP;
      o_claims := o_claims || ']';
    END IF;
  END $$;

  /* Appends by those whose worker is dead while nobody has taken the saga: under the line, where nobody can. */
  CREATE FUNCTION late_1(ns bigint[], tokens bigint[], seqs integer[], ats bigint[], texts text[], chosen bigint[]) RETURNS bigint[]
  LANGUAGE sql AS $$
    SELECT add_1(array_agg(a.n), array_agg(a.token), array_agg(a.seq), array_agg(a.at), array_agg(a.entries), NULL)
    FROM unnest(ns, tokens, seqs, ats, texts) a (n, token, seq, at, entries) WHERE a.n = ANY (chosen) $$;
`
