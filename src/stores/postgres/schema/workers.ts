/**
 * Who is there and what they can run, in SQL: join, renew, leave, and the judgment of who is dead.
 *
 * Invariants
 * - Only the database's clock judges a lease.
 * - A worker called dead stays dead under that name. Its row stays for as long as it owns sagas: claims find these through it.
 * - Nobody is called dead while a flush of his session is under way (see flush.ts): whoever cannot lock the session at once takes
 *   the worker for alive, and asks again at the next claim.
 * - Whenever what is offered changes, admission is told in the same transaction.
 */
export const workers = `
  CREATE FUNCTION judge_offers_1() RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    def integer;
  BEGIN
    FOR def IN
      UPDATE definitions f SET offered = NOT f.offered
      WHERE f.offered <> EXISTS (SELECT FROM offers o JOIN workers k ON k.w = o.w WHERE o.d = f.d AND NOT k.dead)
      RETURNING f.d
    LOOP
      PERFORM offers_changed_1(def);
    END LOOP;
  END $$;

  /* A dead worker that owns nothing any more need not be remembered. */
  CREATE FUNCTION forget_the_empty_1() RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    DELETE FROM workers k WHERE k.dead AND NOT EXISTS (
      SELECT FROM definitions f JOIN sagas s ON s.stage = 1 AND s.d = f.d AND s.owner = k.w);
  END $$;

  CREATE FUNCTION bury_1(gone bigint[]) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE workers SET dead = true WHERE w = ANY (gone);
    DELETE FROM offers WHERE w = ANY (gone);
    DELETE FROM notices WHERE w = ANY (gone);
    /* Those that it was to end. By the clock of now they may not be overdue: it may have been set back. */
    UPDATE sagas SET owner = NULL WHERE stage = 0 AND owner IS NOT NULL AND owner = ANY (gone);
    PERFORM judge_offers_1();
    PERFORM forget_the_empty_1();
  END $$;

  CREATE FUNCTION judge_workers_1() RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    gone bigint[];
    silent bigint[];
  BEGIN
    IF NOT EXISTS (SELECT FROM workers WHERE NOT dead AND lease_until <= clock_1()) THEN RETURN; END IF;
    SELECT array_agg(s) INTO silent FROM (
      SELECT x.s FROM sessions x
      WHERE x.s IN (SELECT k.s FROM workers k WHERE NOT k.dead AND k.lease_until <= clock_1())
      FOR UPDATE SKIP LOCKED
    ) y;
    IF silent IS NULL THEN RETURN; END IF;
    /* Again, by a fresh look: a renewal may have come in between. */
    WITH late AS (
      UPDATE workers SET dead = true WHERE s = ANY (silent) AND NOT dead AND lease_until <= clock_1() RETURNING w
    ) SELECT array_agg(w) INTO gone FROM late;
    IF gone IS NOT NULL THEN PERFORM bury_1(gone); END IF;
  END $$;

  CREATE FUNCTION join_1(name text, lease bigint, ds integer[], session bigint) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE
    me workers;
  BEGIN
    SELECT * INTO me FROM workers WHERE worker = name;
    IF FOUND AND (me.dead OR me.lease_until <= clock_1()) THEN RETURN 'superseded'; END IF;
    INSERT INTO workers (worker, s, lease_until, dead) VALUES (name, session, clock_1() + lease, false)
    ON CONFLICT (worker) DO UPDATE SET lease_until = excluded.lease_until, s = excluded.s RETURNING * INTO me;
    DELETE FROM offers WHERE w = me.w AND d <> ALL (ds);
    INSERT INTO offers (w, d) SELECT me.w, d FROM unnest(ds) d ON CONFLICT DO NOTHING;
    PERFORM judge_workers_1();
    PERFORM judge_offers_1();
    RETURN 'applied';
  END $$;

  CREATE FUNCTION renew_1(name text, lease bigint) RETURNS text LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE workers SET lease_until = clock_1() + lease WHERE worker = name AND NOT dead AND lease_until > clock_1();
    RETURN CASE WHEN FOUND THEN 'applied' ELSE 'superseded' END;
  END $$;

  /* A renewal that is no part of a flush: it also tells the time, and now and then adds up the counts of ended sagas. */
  CREATE FUNCTION renew_alone_1(name text, lease bigint, add_up boolean, OUT answer text, OUT now bigint) LANGUAGE plpgsql
  SET search_path = :schema SET lock_timeout = '2s' AS $$
  BEGIN
    now := clock_1();
    answer := renew_1(name, lease);
    IF add_up THEN
      WITH gone AS (
        DELETE FROM ends WHERE ctid = ANY (ARRAY(SELECT ctid FROM ends LIMIT 100000 FOR UPDATE SKIP LOCKED)) RETURNING committed, rolled_back
      ) INSERT INTO ends SELECT coalesce(sum(committed), 0), coalesce(sum(rolled_back), 0) FROM gone;
    END IF;
  END $$;

  CREATE FUNCTION leave_1(name text) RETURNS text LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM bury_1(ARRAY(SELECT w FROM workers WHERE worker = name));
    RETURN 'applied';
  END $$;
`
