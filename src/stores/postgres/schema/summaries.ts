/**
 * What a summary does to a saga's row and to its place among the others; and the prune.
 *
 * Invariants
 * - Whether a saga that has not ended waits or holds is the store's to say: a summary only ends it, or brings it back.
 * - A row that leaves stage 0 or 1 takes its rows in wants with it, and tells admission.
 * - A fact by somebody else never changes the owner.
 */
export const summaries = `
  CREATE FUNCTION due_1(due_in bigint) RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT least(clock_1()::numeric + due_in, 9007199254740991)::bigint $$;

  CREATE FUNCTION count_end_1(to_status integer, change integer) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO ends VALUES (CASE to_status WHEN 3 THEN change ELSE 0 END, CASE to_status WHEN 3 THEN 0 ELSE change END);
  END $$;

  /* The usual end: it held, and is neither stuck nor late. Gives those that it was not. */
  CREATE FUNCTION end_holders_1(ns bigint[], statuses integer[], ats bigint[], OUT others bigint[], OUT woke boolean)
  LANGUAGE plpgsql AS $$
  DECLARE
    many bigint;
    good bigint;
    freed text[];
  BEGIN
    WITH done AS (
      UPDATE sagas s SET status = e.status, stage = 2, stuck = false, late = false, ended_at = e.at, owner = NULL, due = NULL,
        deadline = NULL
      FROM unnest(ns, statuses, ats) e (n, status, at) WHERE s.n = e.n AND s.stage + 0 = 1
      RETURNING s.n, s.status, s.keys, s.place
    ), gone AS (
      DELETE FROM wants w USING (SELECT n, place, unnest(keys) AS key FROM done) d
      WHERE w.key = d.key AND w.place = d.place AND w.n = d.n RETURNING w.key, w.n
    )
    SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM done WHERE status = 3),
      (SELECT array_agg(g.key) FROM gone g WHERE (SELECT true FROM wants w WHERE w.key = g.key AND w.n <> g.n LIMIT 1))
    INTO many, good, freed;
    IF many > 0 THEN INSERT INTO ends VALUES (good, many - good); END IF;
    IF freed IS NOT NULL THEN PERFORM released_1(freed); END IF;
    woke := freed IS NOT NULL;
    IF many < cardinality(ns) THEN
      SELECT array_agg(u.n) INTO others FROM unnest(ns) u (n) JOIN sagas s ON s.n = u.n WHERE s.stage < 2;
    END IF;
  END $$;

  CREATE FUNCTION end_1(saga bigint, to_status integer, at bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    r record;
  BEGIN
    SELECT place, keys INTO r FROM sagas WHERE n = saga;
    UPDATE sagas SET stage = 2, awake = false, ended_at = at, owner = NULL, due = NULL, deadline = NULL WHERE n = saga;
    PERFORM count_end_1(to_status, 1);
    IF r.keys IS NOT NULL THEN
      DELETE FROM wants WHERE key = ANY (r.keys) AND place = r.place AND n = saga;
      PERFORM released_1(r.keys);
    END IF;
  END $$;

  /* Its commit landed late: it takes its keys again, in its old place. */
  CREATE FUNCTION reenter_1(saga bigint, from_status integer) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM count_end_1(from_status, -1);
    UPDATE sagas SET stage = 0, ended_at = NULL, awake = keys IS NOT NULL, place = CASE WHEN keys IS NOT NULL THEN 1 END
    WHERE n = saga;
    INSERT INTO wants (key, place, n) SELECT k, 1, n FROM sagas, unnest(keys) k WHERE n = saga ON CONFLICT DO NOTHING;
  END $$;

  CREATE FUNCTION rebind_1(saga bigint, def integer) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    r record;
  BEGIN
    UPDATE sagas SET d = def WHERE n = saga RETURNING stage, keys INTO r;
    IF r.stage = 1 AND NOT is_offered_1(def) THEN PERFORM turned_bad_1(saga); END IF;
    IF r.stage = 0 AND r.keys IS NOT NULL THEN
      PERFORM move_1(saga, place_of_1(def, r.keys));
      PERFORM released_1(r.keys);
    END IF;
  END $$;

  CREATE FUNCTION summarise_1(saga bigint, to_status integer, to_stage integer, is_stuck boolean, is_late boolean, due_in bigint,
    def integer, at bigint, is_foreign boolean) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    r sagas;
    new_status integer := to_status;
  BEGIN
    SELECT * INTO r FROM sagas WHERE n = saga;
    IF to_status = 0 AND r.stage = 1 THEN new_status := 1; END IF;
    UPDATE sagas SET status = new_status, stuck = is_stuck, late = is_late WHERE n = saga;
    IF def <> r.d THEN PERFORM rebind_1(saga, def); END IF;
    IF to_stage = 2 THEN
      IF r.stage < 2 THEN PERFORM end_1(saga, new_status, at); END IF;
    ELSIF r.stage = 2 THEN PERFORM reenter_1(saga, r.status);
    ELSIF due_in IS NOT NULL AND NOT (is_foreign AND r.owner IS NOT NULL) THEN
      UPDATE sagas SET owner = NULL, due = CASE WHEN stage = 1 THEN due_1(due_in) END WHERE n = saga;
    END IF;
    IF is_stuck AND NOT r.stuck AND r.stage = 1 THEN PERFORM turned_bad_1(saga); END IF;
  END $$;

  CREATE FUNCTION prune_1(saga bigint, hash text) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE
    r record;
  BEGIN
    SELECT id, stage, status, ended_at INTO r FROM sagas WHERE n = saga;
    IF NOT FOUND THEN RETURN 'applied'; END IF;
    IF r.stage < 2 THEN RETURN 'superseded'; END IF;
    DELETE FROM journal WHERE n = saga;
    DELETE FROM sagas WHERE n = saga;
    INSERT INTO tombstones (id, input_hash, status, ended_at) VALUES (r.id, hash, r.status, r.ended_at)
    ON CONFLICT (id) DO UPDATE SET input_hash = hash, status = excluded.status, ended_at = excluded.ended_at;
    PERFORM count_end_1(r.status, -1);
    RETURN 'applied';
  END $$;
`
