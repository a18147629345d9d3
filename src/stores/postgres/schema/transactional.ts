/**
 * Submits inside of a user's own transaction.
 *
 * Invariants
 * - They do not stand in the line, which would keep everybody waiting for as long as the user's transaction is open. The saga is
 *   stored as waiting and awake, at the place of one that nobody has looked at: that is always allowed (see admission.ts), and
 *   the next claim judges it. It becomes visible, and the workers are told, by the user's commit.
 * - If the id is taken by a transaction that is still open, this waits for its end.
 */
export const transactional = `
  CREATE FUNCTION submit_in_1(id_ text, def integer, wanted text, is_alone boolean, due_by bigint, at bigint, entries text,
    channel text, OUT o_n bigint, OUT o_saga text, OUT o_tombstone text) LANGUAGE plpgsql
  SET search_path = :schema AS $$
  DECLARE
    ks text[] := CASE WHEN NOT is_alone THEN string_to_array(wanted, chr(2)) END;
  BEGIN
    SELECT json_build_array(id, input_hash, status, ended_at) INTO o_tombstone FROM tombstones WHERE id = id_;
    IF FOUND THEN RETURN; END IF;
    INSERT INTO sagas (n, id, d, status, stage, awake, token, submitted_at, place, keys, deadline)
    VALUES (nextval('numbers'), id_, def, 0, 0, NOT is_alone, 0, at, CASE WHEN NOT is_alone THEN 1 END, ks, due_by)
    ON CONFLICT DO NOTHING RETURNING n INTO o_n;
    IF NOT FOUND THEN
      o_saga := saga_1((SELECT n FROM sagas WHERE id = id_));
      RETURN;
    END IF;
    INSERT INTO journal (n, seq, at, entries) VALUES (o_n, 0, at, entries);
    INSERT INTO wants (key, place, n) SELECT DISTINCT k, 1, o_n FROM unnest(ks) k;
    PERFORM pg_notify(channel, '');
  END $$;
`
