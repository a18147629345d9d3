/**
 * Submits in SQL: new sagas start at once, or queue. One call takes a run: either all have keys or none, and one worker (or none)
 * may start them.
 *
 * Invariants
 * - Numbers are taken under the line in order of the arrays, so they grow in order of submission.
 * - A saga whose keys stand in no line, and are wanted by no other of its run, is judged by that alone, with all others of its
 *   kind in one statement. The rest are judged one by one, in order. The two cannot meet: they share no key.
 * - The row comes first: if the id is taken, nothing else of that submit is written. If somebody takes it at this very moment, the
 *   insert fails as a whole, and is sent again: ON CONFLICT would write each row twice to the log, for what hardly ever happens.
 * - An id that an open transaction has taken is waited for for 20 ms: everybody waits behind. Other inserts may wait for longer, for
 *   a disk that is slow at making a file larger.
 * - The keys of one saga arrive in one text, between chr(2); see text.ts.
 */
export const submits = `
  CREATE FUNCTION joined_1(entries text, more text) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN more = '[]' THEN entries ELSE left(entries, -1) || ',' || substr(more, 2) END $$;

  /* The worker that may start sagas, if it is alive, and what it offers. */
  CREATE FUNCTION starter_1(name text, OUT me bigint, OUT offered integer[]) LANGUAGE plpgsql AS $$
  BEGIN
    SELECT w, ARRAY(SELECT o.d FROM offers o WHERE o.w = k.w) INTO me, offered FROM workers k
    WHERE worker = name AND NOT dead AND lease_until > clock_1();
  END $$;

  /* With keys that stand in lines: judged one by one. */
  CREATE FUNCTION submit_contended_1(saga bigint, id text, def integer, wanted text[], due_by bigint, at bigint,
    entries text, start_entries text, starter bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    verdict integer := judge_keys_1(saga, wanted);
    go boolean := verdict = 1 AND starter IS NOT NULL;
    new_place bigint := CASE WHEN go THEN 0 ELSE place_of_1(def, wanted) END;
  BEGIN
    PERFORM set_config('lock_timeout', '20ms', true);
    INSERT INTO sagas (n, id, d, status, stage, awake, token, submitted_at, place, keys, owner, deadline)
    VALUES (saga, id, def, go::integer, go::integer, NOT go AND verdict <> 0,
      CASE WHEN go THEN nextval('tokens') ELSE 0 END, at, new_place, wanted, CASE WHEN go THEN starter END, due_by)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN; END IF;
    PERFORM set_config('lock_timeout', '500ms', true);
    INSERT INTO journal (n, seq, at, entries)
    VALUES (saga, 0, at, CASE WHEN go THEN joined_1(entries, start_entries) ELSE entries END);
    INSERT INTO wants (key, place, n) SELECT k, new_place, saga FROM unnest(wanted) k ON CONFLICT DO NOTHING;
  END $$;

  CREATE FUNCTION submit_keyed_1(ids text[], ds integer[], wanted text[], deadlines bigint[], ats bigint[],
    texts text[], starts text[], starter text, alike integer[], OUT ns bigint[], OUT started bigint[]) LANGUAGE plpgsql AS $$
  DECLARE
    many integer := cardinality(ids);
    me bigint;
    mine integer[];
    contended integer[];
    has_tombstones boolean := EXISTS (SELECT FROM tombstones);
    stored bigint;
  BEGIN
    SELECT array_agg(nextval('numbers')) INTO ns FROM generate_series(1, many);
    IF starter <> '' AND barrier_1() = 9223372036854775807 THEN SELECT * INTO me, mine FROM starter_1(starter); END IF;
    SELECT array_agg(DISTINCT x.i) || alike INTO contended FROM (
      SELECT i, unnest(string_to_array(keys, chr(2))) AS key FROM unnest(wanted) WITH ORDINALITY u (keys, i)
    ) x WHERE (SELECT true FROM wants w WHERE w.key = x.key LIMIT 1);
    PERFORM set_config('lock_timeout', '20ms', true);
    WITH new AS (
      INSERT INTO sagas (n, id, d, status, stage, awake, token, submitted_at, place, keys, owner, deadline)
      SELECT u.n, u.id, u.d, u.go::integer, u.go::integer, NOT u.go, CASE WHEN u.go THEN nextval('tokens') ELSE 0 END, u.at,
        CASE WHEN u.go THEN 0 WHEN is_offered_1(u.d) THEN 1 ELSE -u.d END,
        string_to_array(u.keys, chr(2)), CASE WHEN u.go THEN me END, nullif(u.deadline, -1)
      FROM (
        SELECT *, d = ANY (mine) AND mine IS NOT NULL AS go
        FROM unnest(ns, ids, ds, wanted, deadlines, ats) WITH ORDINALITY v (n, id, d, keys, deadline, at, i)
      ) u
      WHERE (contended IS NULL OR u.i <> ALL (contended)) AND (SELECT true FROM sagas s WHERE s.id = u.id LIMIT 1) IS NULL
        AND (NOT has_tombstones OR (SELECT true FROM tombstones t WHERE t.id = u.id LIMIT 1) IS NULL)
      RETURNING token
    ) SELECT count(*), array_agg(token) INTO stored, started FROM new;
    PERFORM set_config('lock_timeout', '500ms', true);
    IF stored = many THEN
      INSERT INTO journal (n, seq, at, entries)
      SELECT u.n, 0, u.at, CASE WHEN u.d = ANY (mine) THEN joined_1(u.entries, u.more) ELSE u.entries END
      FROM unnest(ns, ds, ats, texts, starts) u (n, d, at, entries, more);
      INSERT INTO wants (key, place, n)
      SELECT unnest(string_to_array(u.keys, chr(2))), CASE WHEN u.d = ANY (mine) THEN 0 WHEN is_offered_1(u.d) THEN 1 ELSE -u.d END, u.n
      FROM unnest(ns, ds, wanted) u (n, d, keys);
      RETURN;
    END IF;
    INSERT INTO journal (n, seq, at, entries)
    SELECT u.n, 0, u.at, CASE WHEN s.stage = 1 THEN joined_1(u.entries, u.more) ELSE u.entries END
    FROM unnest(ns, ats, texts, starts) u (n, at, entries, more) JOIN sagas s ON s.n = u.n;
    INSERT INTO wants (key, place, n)
    SELECT unnest(s.keys), s.place, s.n FROM unnest(ns) u (n) JOIN sagas s ON s.n = u.n;
    PERFORM submit_contended_1(u.n, u.id, u.d, string_to_array(u.keys, chr(2)), nullif(u.deadline, -1), u.at, u.entries, u.more,
      CASE WHEN u.d = ANY (mine) THEN me END)
    FROM unnest(ns, ids, ds, wanted, deadlines, ats, texts, starts) WITH ORDINALITY u (n, id, d, keys, deadline, at, entries, more, i)
    WHERE u.i = ANY (contended) AND (NOT has_tombstones OR (SELECT true FROM tombstones t WHERE t.id = u.id LIMIT 1) IS NULL);
    PERFORM set_config('lock_timeout', '500ms', true);
    SELECT array_agg(s.token ORDER BY u.i) INTO started
    FROM unnest(ns) WITH ORDINALITY u (n, i) LEFT JOIN sagas s ON s.n = u.n;
  END $$;

  /* Without keys: of those in a run only the first whose definition is offered can start, and only if nothing is in its way. */
  CREATE FUNCTION submit_alone_1(ids text[], ds integer[], deadlines bigint[], ats bigint[], texts text[], starts text[],
    starter text, OUT ns bigint[], OUT started bigint[]) LANGUAGE plpgsql AS $$
  DECLARE
    me bigint;
    mine integer[];
    chosen integer;
    stored bigint;
  BEGIN
    SELECT array_agg(nextval('numbers')) INTO ns FROM generate_series(1, cardinality(ids));
    SELECT w, ARRAY(SELECT o.d FROM offers o WHERE o.w = k.w) INTO me, mine FROM workers k
    WHERE worker = starter AND NOT dead AND lease_until > clock_1()
      AND (SELECT true FROM sagas WHERE stage = 1 LIMIT 1) IS NULL
      AND (SELECT true FROM definitions f WHERE f.offered AND (
        (SELECT true FROM sagas WHERE stage = 0 AND keys IS NULL AND d = f.d LIMIT 1)
        OR (SELECT true FROM sagas WHERE stage = 0 AND keys IS NOT NULL AND d = f.d LIMIT 1)) LIMIT 1) IS NULL;
    IF FOUND THEN
      SELECT i INTO chosen FROM unnest(ds) WITH ORDINALITY u (d, i) WHERE u.d = ANY (mine) OR is_offered_1(u.d) ORDER BY i LIMIT 1;
      IF NOT ds[chosen] = ANY (mine) THEN chosen := NULL; END IF;
    END IF;
    PERFORM set_config('lock_timeout', '20ms', true);
    WITH new AS (
      INSERT INTO sagas (n, id, d, status, stage, awake, token, submitted_at, owner, deadline)
      SELECT u.n, u.id, u.d, u.go::integer, u.go::integer, false, CASE WHEN u.go THEN nextval('tokens') ELSE 0 END, u.at,
      CASE WHEN u.go THEN me END, nullif(u.deadline, -1)
    FROM (
      SELECT *, coalesce(i = chosen, false) AS go
      FROM unnest(ns, ids, ds, deadlines, ats) WITH ORDINALITY v (n, id, d, deadline, at, i)
    ) u WHERE (SELECT true FROM tombstones t WHERE t.id = u.id LIMIT 1) IS NULL
      AND (SELECT true FROM sagas s WHERE s.id = u.id LIMIT 1) IS NULL
      RETURNING token
    ) SELECT count(*), array_agg(token) INTO stored, started FROM new;
    PERFORM set_config('lock_timeout', '500ms', true);
    IF stored = cardinality(ids) THEN
      INSERT INTO journal (n, seq, at, entries)
      SELECT u.n, 0, u.at, CASE WHEN u.i = chosen THEN joined_1(u.entries, u.more) ELSE u.entries END
      FROM unnest(ns, ats, texts, starts) WITH ORDINALITY u (n, at, entries, more, i);
      RETURN;
    END IF;
    INSERT INTO journal (n, seq, at, entries)
    SELECT u.n, 0, u.at, CASE WHEN s.stage = 1 THEN joined_1(u.entries, u.more) ELSE u.entries END
    FROM unnest(ns, ats, texts, starts) u (n, at, entries, more) JOIN sagas s ON s.n = u.n;
    SELECT array_agg(s.token ORDER BY u.i) INTO started
    FROM unnest(ns) WITH ORDINALITY u (n, i) LEFT JOIN sagas s ON s.n = u.n;
  END $$;

  /* The sagas that took these ids before: number, token, owner, and the size of the first chunk, by which the sender knows his own:
     he reads it afterwards, when nobody waits for the line. */
  CREATE FUNCTION taken_1(ids text[], ns bigint[]) RETURNS text LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN (SELECT json_agg(json_build_array(u.i, s.n, s.token, k.worker, octet_length(j.entries)))::text
    FROM unnest(ids, ns) WITH ORDINALITY u (id, n, i) JOIN sagas s ON s.id = u.id AND s.n <> u.n
    JOIN journal j ON j.n = s.n AND j.seq = 0 LEFT JOIN workers k ON k.w = s.owner);
  END $$;
`
