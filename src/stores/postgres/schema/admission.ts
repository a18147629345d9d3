/**
 * Admission in SQL: store/admission.ts, which explains it, function by function and in the same words.
 *
 * Invariants
 * - Called under the line only (see flush.ts), so nobody else changes what they look at; but a saga submitted inside of a user's
 *   transaction can appear at any time. It is awake, reserves, and has the place of one that nobody has looked at yet.
 * - A claim or a submit first tries the usual cases, set by set (claims.ts, submits.ts); these functions are for the others.
 * - Nearly all functions are in plpgsql, also where one expression says it all: it keeps their plans, while a function in SQL that
 *   cannot be inlined is planned again at each call, which takes ten times as long as running it.
 * - The budget is a setting local to the transaction: the one variable that functions of different depth can share.
 */
export const admission = `
  CREATE FUNCTION clock_1() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

  CREATE FUNCTION budget_1() RETURNS bigint LANGUAGE sql AS
    $$ SELECT current_setting('backstep.budget')::bigint $$;

  CREATE FUNCTION spend_1(amount bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM set_config('backstep.budget', (budget_1() - amount)::text, true);
  END $$;

  CREATE FUNCTION is_offered_1(def integer) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN coalesce((SELECT offered FROM definitions WHERE d = def), false);
  END $$;

  /* Holds, and is stuck or blocked. */
  CREATE FUNCTION is_bad_1(saga bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN EXISTS (SELECT FROM sagas s JOIN definitions f ON f.d = s.d
      WHERE s.n = saga AND s.stage = 1 AND (s.stuck OR NOT f.offered));
  END $$;

  /* Whether the sagas noted at this place are known not to reserve. */
  CREATE FUNCTION stands_1(noted bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN CASE WHEN noted < 0 THEN NOT is_offered_1((-noted)::integer) ELSE noted > 1 AND is_bad_1(noted - 1) END;
  END $$;

  CREATE FUNCTION place_of_1(def integer, wanted text[]) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN CASE WHEN NOT is_offered_1(def) THEN -def::bigint ELSE coalesce((
      SELECT w.n + 1 FROM unnest(wanted) WITH ORDINALITY k (key, i)
      JOIN wants w ON w.key = k.key AND w.place = 0
      WHERE is_bad_1(w.n) ORDER BY k.i LIMIT 1), 1) END;
  END $$;

  CREATE FUNCTION ripple_1(why bigint, line_of text) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO ripples (cause, after, key) VALUES (why, 0, line_of) ON CONFLICT (cause, key) DO UPDATE SET after = 0;
  END $$;

  CREATE FUNCTION move_1(saga bigint, new_place bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    r record;
  BEGIN
    SELECT place, keys INTO r FROM sagas WHERE n = saga;
    IF NOT FOUND OR r.place IS NULL OR r.place = new_place THEN RETURN; END IF;
    UPDATE wants SET place = new_place WHERE key = ANY (r.keys) AND place = r.place AND n = saga;
    UPDATE sagas SET place = new_place WHERE n = saga;
  END $$;

  /* It no longer reserves: in each of its lines the first that does may be able to start. */
  CREATE FUNCTION step_aside_1(saga bigint, new_place bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM move_1(saga, new_place);
    PERFORM ripple_1(1, k) FROM sagas, unnest(keys) k WHERE n = saga;
  END $$;

  CREATE FUNCTION wake_1(saga bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE sagas SET awake = true WHERE n = saga AND stage = 0 AND keys IS NOT NULL AND NOT awake;
  END $$;

  /* Looks at the rows of one place in order, until one reserves or reaches best. Null: the budget is spent. */
  CREATE FUNCTION walk_1(line_of text, at_place bigint, first bigint, best bigint) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE
    saga bigint := first;
    place_now bigint;
  BEGIN
    WHILE saga < best LOOP
      SELECT place_of_1(d, keys) INTO place_now FROM sagas WHERE n = saga;
      IF FOUND THEN
        IF place_now <> at_place THEN
          PERFORM spend_1(1);
          IF budget_1() < 0 THEN RETURN NULL; END IF;
          IF place_now = 1 THEN PERFORM move_1(saga, 1); ELSE PERFORM step_aside_1(saga, place_now); END IF;
        END IF;
        IF place_now = 1 THEN RETURN saga; END IF;
      END IF;
      SELECT n INTO saga FROM wants WHERE key = line_of AND place = at_place AND n > saga ORDER BY n LIMIT 1;
      IF NOT FOUND THEN RETURN best; END IF;
    END LOOP;
    RETURN best;
  END $$;

  /* The first waiting saga in the line that reserves, below before_n; before_n: none; -1: the key is held; null: the budget is spent. */
  CREATE FUNCTION first_reserving_1(line_of text, before_n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE
    best bigint := before_n;
    got bigint;
    spot record;
  BEGIN
    SELECT place, n INTO spot FROM wants WHERE key = line_of ORDER BY place, n LIMIT 1;
    WHILE FOUND LOOP
      IF spot.place = 0 THEN RETURN -1; END IF;
      IF NOT stands_1(spot.place) THEN
        got := walk_1(line_of, spot.place, spot.n, best);
        IF got IS NULL THEN
          RETURN CASE WHEN EXISTS (SELECT FROM wants WHERE key = line_of AND place = 0) THEN -1 END;
        END IF;
        best := got;
      END IF;
      SELECT place, n INTO spot FROM wants WHERE key = line_of AND place > spot.place ORDER BY place, n LIMIT 1;
    END LOOP;
    RETURN best;
  END $$;

  /* By its keys alone: 1 it may start, 0 it waits, -1 ask again. */
  CREATE FUNCTION judge_keys_1(saga bigint, wanted text[]) RETURNS integer LANGUAGE plpgsql AS $$
  DECLARE
    verdict integer := 1;
    first bigint;
    k text;
  BEGIN
    FOREACH k IN ARRAY wanted LOOP
      first := first_reserving_1(k, saga);
      IF first IS NULL THEN verdict := -1;
      ELSIF first < saga THEN RETURN 0;
      END IF;
    END LOOP;
    RETURN verdict;
  END $$;

  CREATE FUNCTION wake_first_1(line_of text) RETURNS boolean LANGUAGE plpgsql AS $$
  DECLARE
    first bigint := first_reserving_1(line_of, 9223372036854775807);
  BEGIN
    IF first IS NULL THEN RETURN false; END IF;
    IF first BETWEEN 0 AND 9223372036854775806 THEN PERFORM wake_1(first); END IF;
    RETURN true;
  END $$;

  /* A saga left these lines, or a waiting one stopped reserving: the first in each of them may start. */
  CREATE FUNCTION released_1(freed text[]) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    k text;
  BEGIN
    FOREACH k IN ARRAY freed LOOP
      IF NOT wake_first_1(k) THEN PERFORM ripple_1(1, k); END IF;
    END LOOP;
  END $$;

  /* A holding saga became stuck, or went over to a definition that nobody offers: those behind it no longer reserve. */
  CREATE FUNCTION turned_bad_1(saga bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM ripple_1(saga + 1, k) FROM sagas s, unnest(s.keys) k
    WHERE s.n = saga AND EXISTS (SELECT FROM wants w WHERE w.key = k AND w.n <> saga);
  END $$;

  CREATE FUNCTION offers_changed_1(def integer) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    IF NOT is_offered_1(def) THEN
      PERFORM turned_bad_1(n) FROM sagas WHERE stage = 1 AND d = def;
    END IF;
    PERFORM ripple_1(-def::bigint, '');
  END $$;

  /* Those in this line that still count as reserving are noted as behind the bad holder. True: there is more. */
  CREATE FUNCTION spread_holder_1(holder bigint, line_of text) RETURNS boolean LANGUAGE plpgsql AS $$
  DECLARE
    spot record;
  BEGIN
    IF NOT is_bad_1(holder) THEN RETURN false; END IF;
    SELECT place, n INTO spot FROM wants WHERE key = line_of ORDER BY place, n LIMIT 1;
    WHILE FOUND LOOP
      IF spot.place = 0 OR stands_1(spot.place) THEN
        SELECT place, n INTO spot FROM wants WHERE key = line_of AND place > spot.place ORDER BY place, n LIMIT 1;
      ELSE
        PERFORM spend_1(1);
        IF budget_1() < 0 THEN RETURN true; END IF;
        PERFORM step_aside_1(n, place_of_1(d, keys)) FROM sagas WHERE n = spot.n;
        SELECT place, n INTO spot FROM wants
        WHERE key = line_of AND (place, n) > (spot.place, spot.n) ORDER BY place, n LIMIT 1;
      END IF;
    END LOOP;
    RETURN false;
  END $$;

  /* Where to go on; null: it is done. */
  CREATE FUNCTION spread_definition_1(def integer, from_n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE
    slice bigint := greatest(1, budget_1());
    many bigint;
    last bigint;
  BEGIN
    IF is_offered_1(def) THEN
      slice := slice * 10;
      SELECT count(*), max(n) INTO many, last FROM (SELECT n FROM sagas
        WHERE stage = 0 AND keys IS NOT NULL AND d = def AND n > from_n ORDER BY n LIMIT slice) x;
      UPDATE sagas SET awake = true
      WHERE stage = 0 AND keys IS NOT NULL AND d = def AND n > from_n AND n <= last AND NOT awake;
      PERFORM spend_1((many + 9) / 10);
    ELSE
      SELECT count(*), max(n) INTO many, last FROM (SELECT x.n, step_aside_1(x.n, place_of_1(x.d, x.keys))
        FROM (SELECT n, d, keys FROM sagas WHERE stage = 0 AND keys IS NOT NULL AND d = def AND n > from_n
          ORDER BY n LIMIT slice) x) y;
      PERFORM spend_1(many);
    END IF;
    RETURN CASE WHEN many = slice THEN last END;
  END $$;

  /* Does what is left to do, within the budget; true: there is more. */
  CREATE FUNCTION settle_1() RETURNS boolean LANGUAGE plpgsql AS $$
  DECLARE
    r record;
    rest bigint;
  BEGIN
    LOOP
      SELECT cause, key, after INTO r FROM ripples ORDER BY cause, key LIMIT 1;
      IF NOT FOUND THEN RETURN false; END IF;
      IF budget_1() <= 0 THEN RETURN true; END IF;
      rest := NULL;
      IF r.cause < 0 THEN rest := spread_definition_1((-r.cause)::integer, r.after);
      ELSIF r.cause > 1 THEN rest := CASE WHEN spread_holder_1(r.cause - 1, r.key) THEN r.after END;
      ELSIF NOT wake_first_1(r.key) THEN rest := r.after;
      END IF;
      IF rest IS NULL THEN DELETE FROM ripples WHERE cause = r.cause AND key = r.key;
      ELSE UPDATE ripples SET after = rest WHERE cause = r.cause AND key = r.key;
      END IF;
    END LOOP;
  END $$;

  /* The first waiting saga whose definition is offered (exclusive: of those without keys); null: none. */
  CREATE FUNCTION first_waiting_1(exclusive boolean) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN (SELECT min(x.n) FROM definitions f CROSS JOIN LATERAL (
      (SELECT n FROM sagas WHERE stage = 0 AND keys IS NULL AND d = f.d ORDER BY n LIMIT 1)
      UNION ALL
      (SELECT n FROM sagas WHERE NOT exclusive AND stage = 0 AND keys IS NOT NULL AND d = f.d ORDER BY n LIMIT 1)
    ) x WHERE f.offered);
  END $$;

  CREATE FUNCTION has_bad_holder_1() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN EXISTS (SELECT FROM sagas WHERE stuck AND stage = 1)
      OR EXISTS (SELECT FROM definitions f WHERE NOT f.offered AND EXISTS (SELECT FROM sagas s WHERE s.stage = 1 AND s.d = f.d));
  END $$;

  CREATE FUNCTION held_alone_1() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN EXISTS (SELECT FROM sagas WHERE stage = 1 AND keys IS NULL);
  END $$;

  CREATE FUNCTION held_1() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
  BEGIN
    RETURN EXISTS (SELECT FROM sagas WHERE stage = 1);
  END $$;

  /* No saga with keys may start at or above this number, because of one without. */
  CREATE FUNCTION barrier_1() RETURNS bigint LANGUAGE plpgsql AS $$
  BEGIN
    IF NOT EXISTS (SELECT FROM sagas WHERE stage < 2 AND keys IS NULL) THEN RETURN 9223372036854775807; END IF;
    IF held_alone_1() THEN RETURN -1; END IF;
    IF has_bad_holder_1() THEN RETURN 9223372036854775807; END IF;
    RETURN coalesce(first_waiting_1(true), 9223372036854775807);
  END $$;
`
