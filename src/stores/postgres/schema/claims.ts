/**
 * The claim in SQL: which sagas a worker gets.
 *
 * Invariants
 * - Each saga given has a new token, and its row names the worker, before the claim is answered.
 * - The answer is bounded, by what buffers between us and the worker take: where it is not read, its rest is sent while the line is
 *   still locked. Sagas with long journals are only named, with their tokens and bytes; the worker reads them afterwards.
 * - A claim that finds nothing writes nothing, and does not stand in the line: look_1 tells.
 * - A waiting saga that is the very first in each of its lines may start, whatever the notes say; all such sagas of one claim start
 *   in one statement, for each line has one first. The rest are judged one by one.
 */
export const claims = `
  /* ms until something is due; null: nothing. */
  CREATE FUNCTION next_due_1(ds integer[], now bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN (SELECT CASE WHEN min(x.due) > now THEN min(x.due) - now WHEN min(x.due) IS NOT NULL THEN 0 END FROM unnest(ds) o (def) CROSS JOIN LATERAL (
      (SELECT due FROM sagas WHERE stage = 1 AND d = o.def AND owner IS NULL ORDER BY due LIMIT 1)
      UNION ALL
      (SELECT deadline FROM sagas WHERE stage = 0 AND deadline IS NOT NULL AND d = o.def AND owner IS NULL ORDER BY deadline LIMIT 1)
    ) x);
  END $$;

  /* What there is for a worker. */
  CREATE FUNCTION look_1(me bigint, ds integer[], now bigint, OUT noticed boolean, OUT ripples boolean, OUT parked boolean,
    OUT orphans boolean, OUT overdue boolean, OUT waits boolean) LANGUAGE plpgsql STABLE AS $$
  BEGIN
    SELECT
      (SELECT true FROM notices WHERE w = me LIMIT 1),
      (SELECT true FROM ripples LIMIT 1),
      bool_or((SELECT true FROM sagas WHERE stage = 1 AND d = def AND owner IS NULL AND due <= now LIMIT 1)),
      bool_or((SELECT true FROM workers k WHERE k.dead AND (
        SELECT true FROM sagas WHERE stage = 1 AND d = def AND owner = k.w LIMIT 1) LIMIT 1)),
      bool_or((SELECT true FROM sagas
        WHERE stage = 0 AND deadline IS NOT NULL AND d = def AND deadline <= now AND owner IS NULL LIMIT 1)),
      bool_or(CASE WHEN (SELECT true FROM sagas WHERE awake AND d = def LIMIT 1) THEN true
        WHEN (SELECT true FROM sagas WHERE stage = 0 AND keys IS NULL AND d = def LIMIT 1) THEN
          (SELECT true FROM sagas WHERE stage = 1 LIMIT 1) IS NULL END)
    INTO noticed, ripples, parked, orphans, overdue, waits FROM unnest(ds) def;
  END $$;

  /* A saga with its journal, as rows.ts reads it. */
  CREATE FUNCTION saga_1(saga bigint) RETURNS json LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN (SELECT json_build_array(s.n, s.id, s.d, s.status, s.stage, s.stuck, s.late, s.token, s.submitted_at, s.ended_at, s.due,
      (SELECT json_agg(json_build_array(j.seq, j.at, j.entries) ORDER BY j.seq) FROM journal j WHERE j.n = s.n))
    FROM sagas s WHERE s.n = saga);
  END $$;

  CREATE FUNCTION claimed_1(taken bigint[], noticed bigint[], due_in bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
  DECLARE
    sagas text;
  BEGIN
    IF cardinality(taken) > 0 THEN
      SELECT json_agg(CASE WHEN x.total <= 32768 THEN saga_1(x.n) ELSE json_build_array(x.n, x.token, x.bytes) END ORDER BY x.i)::text
      INTO sagas FROM (
        SELECT y.*, sum(bytes) OVER (ORDER BY y.i) AS total FROM (
          SELECT s.n, s.token, u.i, 200 + octet_length(s.id)
            + (SELECT sum(octet_length(j.entries) + 30) FROM journal j WHERE j.n = s.n) AS bytes
          FROM unnest(taken) WITH ORDINALITY u (n, i) JOIN sagas s ON s.n = u.n
        ) y
      ) x;
    END IF;
    RETURN '{"sagas":' || coalesce(sagas, '[]') || ',"noticed":[' || coalesce(array_to_string(noticed, ','), '')
      || '],"dueIn":' || coalesce(due_in::text, 'null') || '}';
  END $$;

  /* The answer to a claim for which there is nothing; null: there may be something, stand in the line. */
  CREATE FUNCTION idle_1(name text, most integer) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE
    now bigint := clock_1();
    me bigint;
    ds integer[];
    seen record;
  BEGIN
    SELECT w, ARRAY(SELECT o.d FROM offers o WHERE o.w = k.w) INTO me, ds FROM workers k
    WHERE worker = name AND NOT dead AND lease_until > now;
    IF NOT FOUND OR EXISTS (SELECT FROM workers WHERE NOT dead AND lease_until <= now) THEN RETURN NULL; END IF;
    seen := look_1(me, ds, now);
    IF seen.noticed OR (most > 0 AND (seen.ripples OR seen.parked OR seen.orphans OR seen.overdue OR seen.waits)) THEN
      RETURN NULL;
    END IF;
    RETURN claimed_1(NULL, NULL, next_due_1(ds, now));
  END $$;

  CREATE FUNCTION idle_all_1(names text[], most integer[]) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE
    answers text;
  BEGIN
    FOR i IN 1..cardinality(names) LOOP
      answers := coalesce(answers || ',', '[') || idle_1(names[i], most[i]);
      IF answers IS NULL THEN RETURN NULL; END IF;
    END LOOP;
    RETURN answers || ']';
  END $$;

  CREATE FUNCTION take_parked_1(me bigint, ds integer[], most integer, now bigint) RETURNS bigint[] LANGUAGE plpgsql AS $$
  DECLARE
    taken bigint[];
  BEGIN
    WITH c AS (
      SELECT x.n FROM unnest(ds) WITH ORDINALITY o (def, i) CROSS JOIN LATERAL (
        SELECT n, due FROM sagas WHERE stage = 1 AND d = o.def AND owner IS NULL AND due <= now ORDER BY due LIMIT most) x
      ORDER BY o.i, x.due LIMIT most
    ), up AS (
      UPDATE sagas s SET owner = me, due = NULL, token = nextval('tokens') FROM c WHERE s.n = c.n RETURNING s.n
    ) SELECT array_agg(n) INTO taken FROM up;
    RETURN taken;
  END $$;

  CREATE FUNCTION take_orphans_1(me bigint, ds integer[], most integer) RETURNS bigint[] LANGUAGE plpgsql AS $$
  DECLARE
    taken bigint[];
  BEGIN
    WITH c AS (
      SELECT x.n FROM workers k CROSS JOIN unnest(ds) WITH ORDINALITY o (def, i) CROSS JOIN LATERAL (
        SELECT n FROM sagas WHERE stage = 1 AND d = o.def AND owner = k.w LIMIT most) x
      WHERE k.dead ORDER BY k.w, o.i LIMIT most
    ), up AS (
      UPDATE sagas s SET owner = me, due = NULL, token = nextval('tokens') FROM c WHERE s.n = c.n RETURNING s.n
    ) SELECT array_agg(n) INTO taken FROM up;
    RETURN taken;
  END $$;

  /* To be ended: they do not hold. */
  CREATE FUNCTION take_overdue_1(me bigint, ds integer[], most integer, now bigint) RETURNS bigint[] LANGUAGE plpgsql AS $$
  DECLARE
    taken bigint[];
  BEGIN
    WITH c AS (
      SELECT x.n FROM unnest(ds) WITH ORDINALITY o (def, i) CROSS JOIN LATERAL (
        SELECT n, deadline FROM sagas WHERE stage = 0 AND deadline IS NOT NULL AND d = o.def AND deadline <= now AND owner IS NULL
        ORDER BY deadline LIMIT most) x
      ORDER BY o.i, x.deadline LIMIT most
    ), up AS (
      UPDATE sagas s SET owner = me, token = nextval('tokens') FROM c WHERE s.n = c.n RETURNING s.n
    ) SELECT array_agg(n) INTO taken FROM up;
    RETURN taken;
  END $$;

  /* It may start: it holds from now on. */
  CREATE FUNCTION start_1(saga bigint, me bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    r record;
  BEGIN
    SELECT place, keys, stuck INTO r FROM sagas WHERE n = saga;
    UPDATE sagas SET owner = me, due = NULL, token = nextval('tokens'), status = CASE status WHEN 0 THEN 1 ELSE status END,
      stage = 1, awake = false, place = 0 WHERE n = saga;
    UPDATE wants SET place = 0 WHERE key = ANY (r.keys) AND place = r.place AND n = saga;
    IF r.stuck THEN PERFORM turned_bad_1(saga); END IF;
  END $$;

  /* Waiting sagas that are awake, in order. */
  CREATE FUNCTION awake_1(ds integer[], after_n bigint, below bigint, now bigint, most integer)
  RETURNS TABLE (n bigint, place bigint, keys text[], stuck boolean) LANGUAGE sql STABLE AS $$
    SELECT x.n, x.place, x.keys, x.stuck FROM unnest(ds) o (def) CROSS JOIN LATERAL (
      SELECT s.n, s.place, s.keys, s.stuck FROM sagas s
      WHERE s.awake AND s.d = o.def AND s.n > after_n AND s.n < below
        AND s.stage = 0 AND s.owner IS NULL AND (s.deadline IS NULL OR s.deadline > now)
      ORDER BY s.n LIMIT most) x
    ORDER BY x.n LIMIT most $$;

  CREATE FUNCTION start_firsts_1(me bigint, ds integer[], below bigint, now bigint, most integer) RETURNS bigint[] LANGUAGE plpgsql AS $$
  DECLARE
    taken bigint[];
  BEGIN
    WITH c AS MATERIALIZED (
      SELECT n, place, keys FROM awake_1(ds, 0, below, now, most) WHERE NOT stuck AND place = 1
    ), k AS MATERIALIZED (
      SELECT n, place, unnest(keys) AS key FROM c
    ), behind AS (
      SELECT array_agg(k.n) AS ns FROM k
      WHERE (SELECT w.n FROM wants w WHERE w.key = k.key ORDER BY w.place, w.n LIMIT 1) <> k.n
        OR (SELECT w.place FROM wants w WHERE w.key = k.key ORDER BY w.place DESC LIMIT 1) > 1
    ), ok AS MATERIALIZED (
      SELECT n FROM c WHERE n <> ALL (coalesce((SELECT ns FROM behind), '{}'))
    ), lines AS (
      UPDATE wants w SET place = 0 FROM k
      WHERE w.key = k.key AND w.place = k.place AND w.n = k.n AND k.n <> ALL (coalesce((SELECT ns FROM behind), '{}'))
    ), up AS (
      UPDATE sagas s SET owner = me, due = NULL, token = nextval('tokens'), status = CASE s.status WHEN 0 THEN 1 ELSE s.status END,
        stage = 1, awake = false, place = 0
      FROM ok WHERE s.n = ok.n RETURNING s.n
    ) SELECT array_agg(n ORDER BY n) INTO taken FROM up;
    RETURN taken;
  END $$;

  /* more: not all could be judged, ask again. */
  CREATE FUNCTION start_waiting_1(me bigint, ds integer[], most integer, now bigint, OUT taken bigint[], OUT more boolean)
  LANGUAGE plpgsql AS $$
  DECLARE
    below bigint := barrier_1();
    last bigint := 0;
    saga record;
    first bigint;
    verdict integer;
    seen integer;
  BEGIN
    more := false;
    taken := coalesce(start_firsts_1(me, ds, below, now, most), '{}');
    <<pages>>
    WHILE cardinality(taken) < most LOOP
      seen := 0;
      FOR saga IN SELECT * FROM awake_1(ds, last, below, now, greatest(16, most)) LOOP
        EXIT pages WHEN cardinality(taken) >= most;
        seen := seen + 1;
        last := saga.n;
        verdict := judge_keys_1(saga.n, saga.keys);
        IF verdict = 1 THEN
          PERFORM start_1(saga.n, me);
          taken := taken || saga.n;
        ELSE
          IF verdict = 0 THEN UPDATE sagas SET awake = false WHERE n = saga.n; ELSE more := true; END IF;
          PERFORM spend_1(1);
          IF budget_1() < 0 THEN
            more := true;
            EXIT pages;
          END IF;
        END IF;
      END LOOP;
      EXIT WHEN seen = 0;
    END LOOP;
    IF cardinality(taken) < most AND NOT held_1() THEN
      first := first_waiting_1(true);
      IF first IS NOT NULL AND first_waiting_1(false) >= first
        AND EXISTS (SELECT FROM sagas WHERE n = first AND owner IS NULL AND d = ANY (ds) AND (deadline IS NULL OR deadline > now)) THEN
        PERFORM start_1(first, me);
        taken := taken || first;
      END IF;
    END IF;
  END $$;

  CREATE FUNCTION claim_1(name text, most integer) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE
    now bigint;
    me bigint;
    ds integer[];
    noticed bigint[];
    taken bigint[] := '{}';
    got bigint[];
    more boolean;
    unsure boolean;
    turn bigint;
    part integer;
    source integer;
    seen record;
    has boolean[];
  BEGIN
    most := least(most, 1000);
    PERFORM judge_workers_1();
    now := clock_1();
    SELECT w, ARRAY(SELECT o.d FROM offers o WHERE o.w = k.w ORDER BY o.d) INTO me, ds FROM workers k WHERE worker = name AND NOT dead;
    IF NOT FOUND THEN RETURN '"superseded"'; END IF;
    more := false;
    seen := look_1(me, ds, now);
    IF seen.ripples THEN
      PERFORM set_config('backstep.budget', '500', true);
      more := settle_1();
      seen := look_1(me, ds, now);
      seen.ripples := true;
    END IF;
    IF seen.noticed THEN
      WITH gone AS (DELETE FROM notices WHERE w = me RETURNING n) SELECT array_agg(n) INTO noticed FROM gone;
    END IF;
    has := ARRAY[seen.parked, seen.orphans, seen.overdue, seen.waits];
    IF most > 0 AND true = ANY (has) THEN
      IF NOT coalesce(seen.ripples, false) THEN PERFORM set_config('backstep.budget', '500', true); END IF;
      turn := nextval('turns');
      part := (turn / 4) % greatest(1, cardinality(ds));
      ds := ds[part + 1:] || ds[:part];
      FOREACH part IN ARRAY ARRAY[(most + 3) / 4, most] LOOP
        FOR i IN 0..3 LOOP
          part := least(part, most - cardinality(taken));
          EXIT WHEN part <= 0;
          source := (turn + i) % 4 + 1;
          CONTINUE WHEN NOT has[source];
          IF source = 1 THEN got := take_parked_1(me, ds, part, now);
          ELSIF source = 2 THEN
            got := take_orphans_1(me, ds, part);
            PERFORM forget_the_empty_1();
          ELSIF source = 3 THEN got := take_overdue_1(me, ds, part, now);
          ELSE
            SELECT x.taken, x.more INTO got, unsure FROM start_waiting_1(me, ds, part, now) x;
            more := more OR unsure;
          END IF;
          IF coalesce(cardinality(got), 0) < part THEN has[source] := false; END IF;
          taken := taken || got;
        END LOOP;
      END LOOP;
    END IF;
    RETURN claimed_1(taken, noticed, CASE WHEN more OR cardinality(taken) = 1000 THEN 0 ELSE next_due_1(ds, now) END);
  END $$;
`
