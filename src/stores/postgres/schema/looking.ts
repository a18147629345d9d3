/**
 * What is only looked at: rows as users see them, and what a waiting saga waits for.
 *
 * Invariant
 * - Nothing here writes, or stands in the line: it goes by what is committed at one moment.
 */
export const looking = `
  /* What is in the way of a waiting saga, and the key they share. */
  CREATE FUNCTION obstacles_1(saga bigint, most integer) RETURNS TABLE (n bigint, key text) LANGUAGE plpgsql STABLE
  SET search_path = :schema AS $$
  DECLARE
    me sagas;
    first bigint;
    all_pass boolean := has_bad_holder_1();
  BEGIN
    SELECT * INTO me FROM sagas s WHERE s.n = saga AND s.stage = 0;
    IF NOT FOUND THEN RETURN; END IF;
    IF me.keys IS NULL THEN
      RETURN QUERY SELECT s.n, NULL::text FROM sagas s WHERE s.stage = 1 LIMIT most;
      first := first_waiting_1(false);
      RETURN QUERY SELECT s.n, NULL::text FROM sagas s WHERE s.n = first AND s.n < saga
        AND CASE WHEN s.keys IS NULL OR held_alone_1() THEN NOT all_pass ELSE place_of_1(s.d, s.keys) = 1 END;
      RETURN;
    END IF;
    IF held_alone_1() THEN
      RETURN QUERY SELECT s.n, NULL::text FROM sagas s WHERE s.stage = 1 AND s.keys IS NULL;
      IF all_pass THEN RETURN; END IF;
    ELSE
      first := first_waiting_1(true);
      IF first < saga AND NOT all_pass THEN RETURN QUERY SELECT first, NULL::text; END IF;
    END IF;
    RETURN QUERY SELECT x.n, k.key FROM unnest(me.keys) k (key) CROSS JOIN LATERAL (
      SELECT w.n FROM wants w WHERE w.key = k.key AND w.place = 0
      UNION ALL
      SELECT y.n FROM (
        SELECT z.n FROM (SELECT w.n FROM wants w WHERE w.key = k.key AND w.place <> 0 AND w.n < saga ORDER BY w.place, w.n LIMIT 1000) z
        JOIN sagas s ON s.n = z.n WHERE place_of_1(s.d, s.keys) = 1 ORDER BY z.n LIMIT 1
      ) y WHERE NOT EXISTS (SELECT FROM wants w WHERE w.key = k.key AND w.place = 0)
    ) x;
  END $$;
`
